"""OpenSearch away, slow, or too busy: each call but a store says so, in one way."""

import socket
from collections.abc import Callable
from functools import partial
from time import monotonic, time
from typing import Any

import pytest

from cross_session.adapters import memory_index, opensearch
from cross_session.consolidate import consolidate
from cross_session.domain.selection import Selection
from cross_session.errors import EngineUnavailableError
from cross_session.forget import forget, forget_expired
from cross_session.revise import revise
from functions import memories
from tests.engine.conftest import PointAt, answering
from tests.engine.owner import Owner
from tests.ports import free_ports
from tests.unit.conftest import answer_of, request


def calls(owner: Owner) -> dict[str, Callable[[], object]]:
    tenant, namespace = owner.tenant, owner.namespace
    return {
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


def test_recalls_that_kept_failing_spare_the_next_one_the_wait(
    owner: Owner, point_at: PointAt, engine: str, new_circuit: Callable[[], None]
) -> None:
    with answering(503, {"error": {"type": "rejected"}, "status": 503}) as url:
        point_at(url)
        for _ in range(3):
            with pytest.raises(EngineUnavailableError):
                owner.recall("anything")
    point_at(engine)

    with pytest.raises(EngineUnavailableError, match="given time to recover"):
        owner.recall("anything")

    owner.remember("stores have a circuit of their own")
    new_circuit()
    assert owner.recall("circuit") == ["stores have a circuit of their own"]


def test_a_recall_is_not_answered_by_half_where_one_of_its_searches_was_turned_away(
    owner: Owner, point_at: PointAt
) -> None:
    error = {"type": "rejected_execution_exception", "reason": "queue full"}
    responses = [{"status": 200, "hits": {"hits": []}}, {"status": 429, "error": error}]
    with answering(200, {"responses": responses}) as url:
        point_at(url)

        with pytest.raises(EngineUnavailableError):
            owner.recall("anything")


def test_the_service_is_ready_only_while_the_engine_answers(point_at: PointAt, engine: str) -> None:
    def ready() -> tuple[int, dict[str, Any], str | None]:
        event = request("GET", "/health/ready", who=None)
        answer = answer_of(memories, event)
        return answer.status, answer.body, answer.headers.get("Retry-After")

    assert ready()[0] == 200
    point_at(f"http://127.0.0.1:{free_ports(1)}")
    status, body, retry_after = ready()

    assert (status, body["ready"], retry_after) == (503, False, "1")
    assert body["checks"]["table"] == "ok"
    assert "memory index" in body["checks"]["index"]
    point_at(engine)
    assert ready()[1]["checks"] == {"table": "ok", "index": "ok"}
