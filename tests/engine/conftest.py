"""An owner of its own for each test, and the table and the queue beside the real engine."""

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import boto3
import pytest
from moto import mock_aws
from opensearchpy import OpenSearch

from cross_session.adapters import circuit
from cross_session.adapters import opensearch as connection
from cross_session.adapters import table as table_adapter
from cross_session.settings import engine_settings, spill_queue_url, table_settings
from infra.table import TABLE
from tests.engine.owner import Owner

PointAt = Callable[[str], None]


@pytest.fixture
def new_circuit(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """Has the service find out anew whether its engine is worth asking."""

    def renew() -> None:
        circuit._breaker.cache_clear()
        monkeypatch.setattr(circuit, "NAME", uuid.uuid4().hex)

    renew()
    yield renew
    circuit._breaker.cache_clear()


@pytest.fixture
def point_at(
    engine: str,
    new_circuit: Callable[[], None],  # noqa: ARG001 - what fails here closes no other test's
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[PointAt]:
    """Has the service look for its engine at another URL, until the test ends."""
    assert engine

    def forget_the_client() -> None:
        connection.client().close()
        connection.client.cache_clear()
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


@pytest.fixture(scope="module", autouse=True)
def table() -> Iterator[None]:
    """An empty table, and an empty queue for spilled stores, for the module's tests."""
    table_adapter._table.cache_clear()
    with mock_aws():
        boto3.client("dynamodb").create_table(TableName=table_settings().name, **TABLE)
        name = spill_queue_url().rpartition("/")[2]
        boto3.client("sqs").create_queue(QueueName=name, Attributes={"FifoQueue": "true"})
        yield
    table_adapter._table.cache_clear()


@pytest.fixture(scope="session")
def new_owner(engine: str) -> Callable[[], Owner]:
    """Makes a tenant that nobody else has, each time it is called."""
    assert engine
    return lambda: Owner(f"tenant-{uuid.uuid4().hex[:12]}", "user-bob")


@pytest.fixture
def owner(new_owner: Callable[[], Owner]) -> Owner:
    return new_owner()


@pytest.fixture(scope="session")
def opensearch(engine: str) -> Iterator[OpenSearch]:
    """The engine itself, for what the service does not show."""
    with OpenSearch(engine, timeout=30) as client:
        yield client
