"""Lambda's event source mappings on this machine: what queues hold goes to their consumers."""

import base64
import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

import boto3

from infra.local.aws import ACCOUNT, REGION, queue_name, queue_url
from infra.local.environments import Environments
from infra.routes import QUEUES, Queue

if TYPE_CHECKING:
    from types_boto3_sqs.client import SQSClient
    from types_boto3_sqs.type_defs import MessageTypeDef

logger = logging.getLogger(__name__)

_SECONDS_BETWEEN_LOOKS = 0.5


class Deliveries:
    """A thread a queue, which takes a batch at a time.

    What the consumer names as failed is left to come again when its visibility runs out.
    """

    def __init__(
        self, environments: Environments, *, aws_port: int, holds_messages: Callable[[str], bool]
    ) -> None:
        self._environments = environments
        self._port = aws_port
        self._holds_messages = holds_messages
        self._sqs: SQSClient = boto3.client("sqs")
        self._stopped = threading.Event()
        self._threads = [
            threading.Thread(target=self._deliver, args=(queue,), daemon=True) for queue in QUEUES
        ]

    def start(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def stop(self) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def _deliver(self, queue: Queue) -> None:
        name = queue_name(queue)
        while not self._stopped.is_set():
            try:
                if not self._holds_messages(name) or not self._deliver_batch(queue):
                    self._stopped.wait(_SECONDS_BETWEEN_LOOKS)
            except Exception:
                logger.exception("%s could not take from %s", queue.consumer, name)
                self._stopped.wait(_SECONDS_BETWEEN_LOOKS)

    def _deliver_batch(self, queue: Queue) -> bool:
        """Whether there was one."""
        url = queue_url(queue, self._port)
        messages = self._sqs.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=queue.batch_size,
            MessageSystemAttributeNames=["All"],
            MessageAttributeNames=["All"],
        ).get("Messages", [])
        if not messages:
            return False
        event = {"Records": [record_of(message, queue) for message in messages]}
        answer = self._environments.invoke(queue.consumer, event).result()
        failed = {one["itemIdentifier"] for one in answer["batchItemFailures"]}
        for message in messages:
            if message["MessageId"] not in failed:
                self._sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return True


def record_of(message: "MessageTypeDef", queue: Queue) -> dict[str, Any]:
    """The message as Lambda shows it to a function."""
    attributes: dict[str, Any] = {}
    for name, value in message.get("MessageAttributes", {}).items():
        attribute: dict[str, Any] = {
            "stringListValues": [],
            "binaryListValues": [],
            "dataType": value["DataType"],
        }
        if "BinaryValue" in value:
            attribute["binaryValue"] = base64.b64encode(value["BinaryValue"]).decode()
        else:
            attribute["stringValue"] = value["StringValue"]
        attributes[name] = attribute
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message["Attributes"],
        "messageAttributes": attributes,
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{queue_name(queue)}",
        "awsRegion": REGION,
    }
