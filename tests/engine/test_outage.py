"""OpenSearch away, slow, or too busy: each call says so in one way."""

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from time import monotonic, time

import pytest

from cross_session.adapters import memory_index, opensearch
from cross_session.consolidate import consolidate
from cross_session.domain.selection import Selection
from cross_session.errors import EngineUnavailableError
from cross_session.forget import forget, forget_expired
from cross_session.revise import revise
from cross_session.settings import engine_settings
from tests.engine.owner import Owner
from tests.ports import free_ports

PointAt = Callable[[str], None]


@pytest.fixture
def point_at(engine: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[PointAt]:
    """Has the service look for its engine at another URL, until the test ends."""
    assert engine

    def forget_the_client() -> None:
        opensearch.client().close()
        opensearch.client.cache_clear()
        engine_settings.cache_clear()

    def point(url: str) -> None:
        forget_the_client()
        monkeypatch.setenv("OPENSEARCH_URL", url)

    yield point
    forget_the_client()


@contextmanager
def answering(status: int, body: object) -> Iterator[str]:
    """The URL of a server that answers every request so."""

    class Answer(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_HEAD = _answer  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        server.daemon_threads = True
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def calls(owner: Owner) -> dict[str, Callable[[], object]]:
    tenant, namespace = owner.tenant, owner.namespace
    return {
        "store": partial(owner.remember, "anything"),
        "recall": partial(owner.recall, "anything"),
        "recall by words": partial(owner.recall, "anything", routing="bm25"),
        "get": partial(owner.get, "mem_1"),
        "list": owner.listed,
        "statistics": partial(memory_index.statistics, tenant, namespace, now=int(time())),
        "namespaces": partial(memory_index.namespaces_of, tenant, "mem_1"),
        "revise": partial(revise, tenant, namespace, "mem_1", {"importance": 1.0}),
        "forget": partial(forget, tenant, namespace, Selection(session_id="s1")),
        "forget expired": forget_expired,
        "consolidate": partial(
            consolidate, tenant, namespace, memory_ids=(), threshold=0.9, memory_type=None
        ),
    }


CALLS = list(calls(Owner("tenant", "namespace")))


@pytest.mark.parametrize("call", CALLS)
def test_a_call_says_that_the_engine_is_away(owner: Owner, point_at: PointAt, call: str) -> None:
    point_at(f"http://127.0.0.1:{free_ports(1)}")

    with pytest.raises(EngineUnavailableError):
        calls(owner)[call]()


@pytest.mark.parametrize("status", [429, 502, 503, 504])
@pytest.mark.parametrize("call", CALLS)
def test_a_call_says_that_the_engine_is_too_busy(
    owner: Owner, point_at: PointAt, call: str, status: int
) -> None:
    with answering(status, {"error": {"type": "rejected"}, "status": status}) as url:
        point_at(url)

        with pytest.raises(EngineUnavailableError):
            calls(owner)[call]()


@pytest.mark.parametrize("call", CALLS)
def test_a_call_says_that_the_index_takes_no_writes(
    owner: Owner, point_at: PointAt, call: str
) -> None:
    with answering(403, {"error": {"type": "cluster_block_exception"}, "status": 403}) as url:
        point_at(url)

        with pytest.raises(EngineUnavailableError):
            calls(owner)[call]()


def test_an_engine_that_accepts_and_never_answers_counts_as_away(
    owner: Owner, point_at: PointAt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opensearch, "TIMEOUT_SECS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        point_at(f"http://127.0.0.1:{silent.getsockname()[1]}")
        began = monotonic()

        with pytest.raises(EngineUnavailableError):
            owner.get("mem_1")

    assert monotonic() - began < 3


@pytest.mark.parametrize(
    ("status", "error"), [(429, "rejected_execution_exception"), (403, "cluster_block_exception")]
)
def test_a_store_is_not_acknowledged_where_the_engine_turned_one_of_its_writes_away(
    owner: Owner, point_at: PointAt, status: int, error: str
) -> None:
    refused = {"status": status, "error": {"type": error, "reason": "not now"}}
    items = [{"create": {"status": 201}}, {"create": refused}]
    with answering(200, {"errors": True, "items": items}) as url:
        point_at(url)

        with pytest.raises(EngineUnavailableError):
            owner.remember("one", "two")


def test_a_recall_is_not_answered_by_half_where_one_of_its_searches_was_turned_away(
    owner: Owner, point_at: PointAt
) -> None:
    error = {"type": "rejected_execution_exception", "reason": "queue full"}
    responses = [{"status": 200, "hits": {"hits": []}}, {"status": 429, "error": error}]
    with answering(200, {"responses": responses}) as url:
        point_at(url)

        with pytest.raises(EngineUnavailableError):
            owner.recall("anything")


def test_once_the_engine_is_back_everything_is_there(
    owner: Owner, point_at: PointAt, engine: str
) -> None:
    owner.remember("Stored before")
    point_at(f"http://127.0.0.1:{free_ports(1)}")
    with pytest.raises(EngineUnavailableError):
        owner.remember("Refused")

    point_at(engine)

    owner.remember("Stored after")
    assert owner.contents() == ["Stored after", "Stored before"]
