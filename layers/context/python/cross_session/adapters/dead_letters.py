"""Messages that were tried too often, in the queue beside their own."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING
from uuid import uuid4

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from cross_session.errors import QueueUnavailableError

if TYPE_CHECKING:
    from types_boto3_sqs.client import SQSClient
    from types_boto3_sqs.type_defs import MessageTypeDef

_AWAY_SECS = 60  # what is being moved is not received again by another


@cache
def _client() -> "SQSClient":
    return boto3.client("sqs", config=Config(connect_timeout=1, read_timeout=5))


@contextmanager
def _sqs() -> Iterator["SQSClient"]:
    try:
        yield _client()
    except (BotoCoreError, ClientError) as error:
        raise QueueUnavailableError("the queue does not answer now") from error


def move(dead_letters_url: str, queue_url: str) -> int:
    """Sends up to ten dead letters again, in their order, and tells how many that were.

    Each is sent before it is deleted: dying in between sends it twice and loses none. SQS's
    own StartMessageMoveTask tells only roughly how many it moved, and not every emulator has it.
    """
    with _sqs() as sqs:
        messages = sqs.receive_message(
            QueueUrl=dead_letters_url,
            MaxNumberOfMessages=10,
            VisibilityTimeout=_AWAY_SECS,
            MessageSystemAttributeNames=["MessageGroupId"],
            MessageAttributeNames=["All"],
        ).get("Messages", [])
        for message in messages:
            _send_again(sqs, message, queue_url)
            sqs.delete_message(QueueUrl=dead_letters_url, ReceiptHandle=message["ReceiptHandle"])
    return len(messages)


def left_in(dead_letters_url: str) -> int:
    """About how many there are, those that are being moved included."""
    with _sqs() as sqs:
        counts = sqs.get_queue_attributes(
            QueueUrl=dead_letters_url,
            AttributeNames=[
                "ApproximateNumberOfMessages",
                "ApproximateNumberOfMessagesNotVisible",
            ],
        )["Attributes"]
    return sum(map(int, counts.values()))


def _send_again(sqs: "SQSClient", message: "MessageTypeDef", queue_url: str) -> None:
    attributes = message.get("MessageAttributes", {})
    group = message.get("Attributes", {}).get("MessageGroupId")
    if group is None:
        sqs.send_message(
            QueueUrl=queue_url, MessageBody=message["Body"], MessageAttributes=attributes
        )
        return
    sqs.send_message(
        QueueUrl=queue_url,
        MessageBody=message["Body"],
        MessageAttributes=attributes,
        MessageGroupId=group,
        # a new one each time: SQS would drop what it was sent within five minutes
        MessageDeduplicationId=uuid4().hex,
    )
