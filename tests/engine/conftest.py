"""An owner of its own for each test, and the table and the queue beside the real engine."""

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto import mock_aws
from opensearchpy import OpenSearch

from cross_session.adapters import circuit
from cross_session.adapters import opensearch as connection
from cross_session.adapters import table as table_adapter
from cross_session.settings import engine_settings, spill_queue_url, table_settings
from functions import index_memories
from infra.local.deliveries import record_of
from infra.local.environments import Context
from infra.routes import QUEUES
from infra.table import TABLE
from tests.engine.owner import Owner
from tests.servers import Handler, serving

if TYPE_CHECKING:
    from types_boto3_sqs.client import SQSClient

PointAt = Callable[[str], None]
SPILL = next(queue for queue in QUEUES if queue.name == "spill")


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

    class Answer(Handler):
        def _answer(self) -> None:
            self.body()
            self.answer(status, json.dumps(body).encode())

        do_GET = do_POST = do_PUT = do_HEAD = _answer  # noqa: N815

    with serving(Answer) as url:
        yield url


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> Iterator["SQSClient"]:
    """A client of SQS, with a queue for this test alone."""
    client = boto3.client("sqs")
    created = client.create_queue(
        QueueName=f"{uuid.uuid4().hex}.fifo", Attributes={"FifoQueue": "true"}
    )
    monkeypatch.setenv("SPILL_QUEUE_URL", created["QueueUrl"])
    spill_queue_url.cache_clear()
    yield client
    spill_queue_url.cache_clear()


def received(queue: "SQSClient", *, visibility: int = 0) -> list[Any]:
    """Up to ten messages, which can be received again at once unless told otherwise."""
    return list(
        queue.receive_message(
            QueueUrl=spill_queue_url(),
            MaxNumberOfMessages=10,
            VisibilityTimeout=visibility,
            MessageSystemAttributeNames=["All"],
            MessageAttributeNames=["All"],
        ).get("Messages", [])
    )


def consume(messages: list[Any]) -> set[str]:
    """The ids of the messages that the consumer could not take."""
    event = {"Records": [record_of(message, SPILL) for message in messages]}
    answer = index_memories.handler(event, Context("index_memories"))  # type: ignore[arg-type]
    return {str(one["itemIdentifier"]) for one in answer["batchItemFailures"]}


def deliver(queue: "SQSClient") -> int:
    """Has the consumer take all that waits; how many messages that were."""
    taken = 0
    while messages := received(queue):
        assert consume(messages) == set()
        for message in messages:
            queue.delete_message(QueueUrl=spill_queue_url(), ReceiptHandle=message["ReceiptHandle"])
        taken += len(messages)
    return taken


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
