"""SQS on this machine: what was acknowledged is delivered, after a restart too."""

import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import httpx
import pytest

from infra.local.aws import LocalAws, dead_letters_url, queue_name, queue_url
from infra.local.deliveries import Deliveries
from infra.routes import QUEUES
from infra.table import TABLE
from tests.killed import killed_once_acknowledged
from tests.ports import free_ports

if TYPE_CHECKING:
    from types_boto3_sqs.client import SQSClient

SPILL = next(queue for queue in QUEUES if queue.name == "spill")

STARTED_AND_SENT_TO = """
import sys
from pathlib import Path

import boto3

from infra.local.aws import LocalAws, queue_url
from infra.routes import QUEUES
from infra.table import TABLE

journal, port = Path(sys.argv[1]), int(sys.argv[2])
LocalAws(journal, port=port).start(TABLE)
client = boto3.client("sqs", endpoint_url=f"http://127.0.0.1:{port}")
client.send_message(
    QueueUrl=queue_url(QUEUES[0], port),
    MessageBody="killed",
    MessageGroupId="g",
    MessageDeduplicationId="1",
)
print("acknowledged", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "aws.journal"


class Running:
    """The spill queue of a service, as its clients see it."""

    def __init__(self, service: LocalAws, client: "SQSClient", port: int) -> None:
        self.service = service
        self.client = client
        self.port = port
        self.url = queue_url(SPILL, port)

    def send(self, *bodies: str, group: str = "g") -> None:
        entries: list[Any] = [
            {
                "Id": str(number),
                "MessageBody": body,
                "MessageGroupId": group,
                "MessageDeduplicationId": body,
                "MessageAttributes": {"draft": {"DataType": "Binary", "BinaryValue": b"\x00\xff"}},
            }
            for number, body in enumerate(bodies)
        ]
        answer = self.client.send_message_batch(QueueUrl=self.url, Entries=entries)
        assert len(answer["Successful"]) == len(bodies)

    def receive(self, url: str | None = None, *, visibility: int = 60) -> list[Any]:
        return list(
            self.client.receive_message(
                QueueUrl=url or self.url,
                MaxNumberOfMessages=10,
                VisibilityTimeout=visibility,
                MessageAttributeNames=["All"],
            ).get("Messages", [])
        )

    def bodies(self) -> list[str]:
        return [message["Body"] for message in self.receive()]


@contextmanager
def running(journal: Path) -> Iterator[Running]:
    """The service, which ends as by a kill: its memory is gone, nothing is tidied."""
    port = free_ports(1)
    service = LocalAws(journal, port=port).start(TABLE)
    client = boto3.client("sqs", endpoint_url=f"http://127.0.0.1:{port}")
    try:
        yield Running(service, client, port)
    finally:
        client.close()
        httpx.post(f"http://127.0.0.1:{port}/moto-api/reset").raise_for_status()
        threading.Thread(target=service.stop).start()  # its half second is not waited for


def test_a_message_is_there_after_restarts_with_its_attributes(journal: Path) -> None:
    with running(journal) as queue:
        queue.send("Überblick")

    for _ in range(2):
        with running(journal) as queue:
            [message] = queue.receive()
            assert message["Body"] == "Überblick"
            assert message["MessageAttributes"]["draft"]["BinaryValue"] == b"\x00\xff"


def test_messages_keep_their_order_over_a_restart(journal: Path) -> None:
    bodies = [str(number) for number in range(8)]
    with running(journal) as queue:
        queue.send(*bodies)

    with running(journal) as queue:
        assert queue.bodies() == bodies


def test_a_message_that_was_being_tried_is_there_after_a_restart(journal: Path) -> None:
    with running(journal) as queue:
        queue.send("a")
        assert queue.bodies() == ["a"]
        assert queue.bodies() == []

    with running(journal) as queue:
        assert queue.bodies() == ["a"]


@pytest.mark.parametrize("many", [True, False])
def test_a_deleted_message_stays_deleted(journal: Path, many: bool) -> None:
    with running(journal) as queue:
        queue.send("a", "b")
        receipt = queue.receive()[0]["ReceiptHandle"]
        if many:
            queue.client.delete_message_batch(
                QueueUrl=queue.url, Entries=[{"Id": "1", "ReceiptHandle": receipt}]
            )
        else:
            queue.client.delete_message(QueueUrl=queue.url, ReceiptHandle=receipt)

    with running(journal) as queue:
        assert queue.bodies() == ["b"]


def test_a_restart_makes_the_journal_one_line_a_message(journal: Path) -> None:
    with running(journal) as queue:
        queue.send("a", "b", "c")
        for message in queue.receive()[:2]:
            queue.client.delete_message(QueueUrl=queue.url, ReceiptHandle=message["ReceiptHandle"])

    with running(journal):
        assert len(journal.read_text().splitlines()) == 2  # the table, and c


def test_an_acknowledged_message_is_there_after_a_kill(journal: Path) -> None:
    killed_once_acknowledged(STARTED_AND_SENT_TO, journal, free_ports(1))

    with running(journal) as queue:
        assert queue.bodies() == ["killed"]


def test_a_message_received_too_often_is_a_dead_letter(journal: Path) -> None:
    with running(journal) as queue:
        queue.send("poison")
        for _ in range(SPILL.max_receives):
            assert len(queue.receive(visibility=0)) == 1

        assert queue.receive() == []
        [dead] = queue.receive(dead_letters_url(SPILL, queue.port))
        assert dead["Body"] == "poison"


class Consumer:
    """In the place of the functions' environments: takes events, fails the bodies named so."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.failing: set[str] = set()
        self.took = threading.Event()

    def invoke(self, function: str, event: dict[str, Any]) -> Future[dict[str, Any]]:
        assert function == SPILL.consumer
        self.events.append(event)
        failed = [one["messageId"] for one in event["Records"] if one["body"] in self.failing]
        answer: Future[dict[str, Any]] = Future()
        answer.set_result({"batchItemFailures": [{"itemIdentifier": id} for id in failed]})
        self.took.set()
        return answer


@contextmanager
def delivering(queue: Running, consumer: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{queue.port}")
    deliveries = Deliveries(
        consumer, aws_port=queue.port, holds_messages=queue.service.holds_messages
    ).start()
    yield
    deliveries.stop()


def test_a_consumer_gets_messages_as_lambda_shows_them_and_they_are_gone(
    journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    consumer = Consumer()
    with running(journal) as queue:
        queue.send("a", "b")
        with delivering(queue, consumer, monkeypatch):
            assert consumer.took.wait(10)

        assert not queue.service.holds_messages(queue_name(SPILL))
    [event] = consumer.events
    record = event["Records"][0]
    assert [one["body"] for one in event["Records"]] == ["a", "b"]
    assert record["eventSource"] == "aws:sqs"
    assert record["messageAttributes"]["draft"]["binaryValue"] == "AP8="
    assert record["attributes"]["ApproximateReceiveCount"] == "1"
    assert record["attributes"]["MessageGroupId"] == "g"


def test_what_a_consumer_could_not_take_stays(
    journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    consumer = Consumer()
    consumer.failing = {"b"}
    with running(journal) as queue:
        queue.send("a", "b")
        with delivering(queue, consumer, monkeypatch):
            assert consumer.took.wait(10)

        assert queue.service.holds_messages(queue_name(SPILL))
    with running(journal) as queue:
        assert queue.bodies() == ["b"]
