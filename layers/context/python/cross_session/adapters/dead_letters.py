"""Messages that were tried too often, in the queue beside their own."""

from typing import TYPE_CHECKING
from uuid import uuid4

from cross_session.adapters.queues import sqs

if TYPE_CHECKING:
    from types_boto3_sqs.client import SQSClient
    from types_boto3_sqs.type_defs import MessageTypeDef

_AWAY_SECS = 60  # what is being moved is not received again by another
_AWAY = "the queue does not answer now"


def move(dead_letters_url: str, queue_url: str) -> int:
    """Sends up to ten dead letters again, in their order, and tells how many that were.

    Each is sent before it is deleted: dying in between sends it twice and loses none. SQS's
    own StartMessageMoveTask tells only roughly how many it moved, and not every emulator has it.
    """
    with sqs(_AWAY) as queues:
        messages = queues.receive_message(
            QueueUrl=dead_letters_url,
            MaxNumberOfMessages=10,
            VisibilityTimeout=_AWAY_SECS,
            MessageSystemAttributeNames=["MessageGroupId"],
            MessageAttributeNames=["All"],
        ).get("Messages", [])
        for message in messages:
            _send_again(queues, message, queue_url)
            queues.delete_message(QueueUrl=dead_letters_url, ReceiptHandle=message["ReceiptHandle"])
    return len(messages)


def left_in(dead_letters_url: str) -> int:
    """About how many there are, those that are being moved included."""
    with sqs(_AWAY) as queues:
        counts = queues.get_queue_attributes(
            QueueUrl=dead_letters_url,
            AttributeNames=[
                "ApproximateNumberOfMessages",
                "ApproximateNumberOfMessagesNotVisible",
            ],
        )["Attributes"]
    return sum(map(int, counts.values()))


def _send_again(queues: "SQSClient", message: "MessageTypeDef", queue_url: str) -> None:
    attributes = message.get("MessageAttributes", {})
    group = message.get("Attributes", {}).get("MessageGroupId")
    if group is None:
        queues.send_message(
            QueueUrl=queue_url, MessageBody=message["Body"], MessageAttributes=attributes
        )
        return
    queues.send_message(
        QueueUrl=queue_url,
        MessageBody=message["Body"],
        MessageAttributes=attributes,
        MessageGroupId=group,
        # a new one each time: SQS would drop what it was sent within five minutes
        MessageDeduplicationId=uuid4().hex,
    )
