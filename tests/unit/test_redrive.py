"""Dead letters go back into their queues, none lost, and counted."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto import mock_aws

from functions import redrive
from infra.redrive import redrive_all

if TYPE_CHECKING:
    from types_boto3_sqs.client import SQSClient


class Queues:
    """A FIFO queue and a standard one, each with its dead letters, which take one try."""

    def __init__(self, client: "SQSClient") -> None:
        self.client = client
        self.urls = {name: self._make(name) for name in ("spill", "ended_sessions")}

    def _make(self, name: str) -> tuple[str, str]:
        fifo: dict[Any, str] = {"FifoQueue": "true"} if name == "spill" else {}
        suffix = ".fifo" if fifo else ""
        dead = self.client.create_queue(QueueName=f"{name}_dead{suffix}", Attributes=fifo)
        arn = self.client.get_queue_attributes(
            QueueUrl=dead["QueueUrl"], AttributeNames=["QueueArn"]
        )["Attributes"]["QueueArn"]
        policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 1})
        queue = self.client.create_queue(
            QueueName=f"{name}{suffix}", Attributes={**fifo, "RedrivePolicy": policy}
        )
        return queue["QueueUrl"], dead["QueueUrl"]

    def send(self, name: str, *bodies: str, dead: bool = False) -> None:
        for body in bodies:
            once: Any = (
                {"MessageGroupId": "g", "MessageDeduplicationId": body} if name == "spill" else {}
            )
            self.client.send_message(
                QueueUrl=self.urls[name][dead],
                MessageBody=body,
                MessageAttributes={"draft": {"DataType": "Binary", "BinaryValue": b"\xff"}},
                **once,
            )

    def receive(self, name: str, *, visibility: int = 0) -> list[Any]:
        return list(
            self.client.receive_message(
                QueueUrl=self.urls[name][0],
                MaxNumberOfMessages=10,
                VisibilityTimeout=visibility,
                MessageAttributeNames=["All"],
            ).get("Messages", [])
        )

    def give_up(self, name: str) -> None:
        """Receives all until they are dead letters."""
        while self.receive(name):
            pass


@pytest.fixture
def queues(monkeypatch: pytest.MonkeyPatch) -> Iterator[Queues]:
    with mock_aws():
        queues = Queues(boto3.client("sqs"))
        for name, (queue, dead) in queues.urls.items():
            monkeypatch.setenv(f"{name.upper()}_QUEUE_URL", queue)
            monkeypatch.setenv(f"{name.upper()}_DEAD_LETTER_QUEUE_URL", dead)
        yield queues


def test_dead_letters_are_in_their_queues_again_in_order_and_whole(queues: Queues) -> None:
    queues.send("spill", "1", "2", "3", dead=True)
    queues.send("ended_sessions", "a", dead=True)

    answer = redrive.handler({}, None)

    assert answer == {
        "spill": {"moved": 3, "left": 0},
        "ended_sessions": {"moved": 1, "left": 0},
    }
    again = queues.receive("spill")
    assert [message["Body"] for message in again] == ["1", "2", "3"]
    assert again[0]["MessageAttributes"]["draft"]["BinaryValue"] == b"\xff"
    assert [message["Body"] for message in queues.receive("ended_sessions")] == ["a"]


def test_nothing_is_moved_where_there_are_no_dead_letters(queues: Queues) -> None:
    queues.send("spill", "alive")

    assert redrive.handler({}, None)["spill"] == {"moved": 0, "left": 0}
    assert len(queues.receive("spill")) == 1


def test_a_message_that_dies_again_can_be_sent_again_at_once(queues: Queues) -> None:
    queues.send("spill", "poison")

    for _ in range(3):
        queues.give_up("spill")
        assert redrive.handler({}, None)["spill"] == {"moved": 1, "left": 0}

    assert [message["Body"] for message in queues.receive("spill")] == ["poison"]


def test_more_than_a_batch_is_moved_and_told_in_a_line_a_queue(queues: Queues) -> None:
    queues.send("ended_sessions", *map(str, range(25)))
    queues.give_up("ended_sessions")
    said: list[str] = []

    redrive_all(lambda event: redrive.handler(event, None), said.append)

    assert said == ["ended_sessions: 25 sent again, 0 left", "spill: 0 sent again, 0 left"]


def test_it_is_invoked_again_until_nothing_more_moves() -> None:
    answers = iter(
        [
            {"spill": {"moved": 500, "left": 30}},
            {"spill": {"moved": 28, "left": 2}},
            {"spill": {"moved": 0, "left": 2}},
        ]
    )
    said: list[str] = []

    redrive_all(lambda _event: next(answers), said.append)

    assert said == ["spill: 528 sent again, 2 left"]
