"""Memories that SQS keeps while OpenSearch is away: a FIFO queue, one message a memory.

The messages of one memory form a group, so that its writes are made in the order they came in.
"""

import base64
import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np

from cross_session.adapters.queues import sqs
from cross_session.domain.draft import Draft
from cross_session.domain.feedback import Feedback
from cross_session.domain.memory import Memory
from cross_session.errors import QueueUnavailableError

if TYPE_CHECKING:
    from types_boto3_sqs.type_defs import SendMessageBatchRequestEntryTypeDef

ATTRIBUTE = "draft"
MAX_MESSAGE_BYTES = 262_144
_MOST_A_BATCH = 10
_SHORTEST_WAIT_SECS = 5
_LONGEST_WAIT_SECS = 900


def send(drafts: Sequence[Draft], *, queue_url: str) -> None:
    """Makes the drafts durable; all of them once this returns.

    Raises QueueUnavailableError; some may have been taken then.
    """
    for messages in _batches(drafts):
        with sqs("neither the index nor the queue answers now") as queues:
            answer = queues.send_message_batch(QueueUrl=queue_url, Entries=messages)
        if answer.get("Failed"):
            raise QueueUnavailableError("the queue does not take all of it now")


def put_off(receipt_handle: str, *, receives: int, queue_url: str) -> None:
    """Has a message that was received this often come again, later each time."""
    wait = min(_SHORTEST_WAIT_SECS * 2 ** (receives - 1), _LONGEST_WAIT_SECS)
    with sqs("the queue does not answer now") as queues:
        queues.change_message_visibility(
            QueueUrl=queue_url, ReceiptHandle=receipt_handle, VisibilityTimeout=wait
        )


def to_draft(encoded: str) -> Draft:
    """The draft of a message, from its attribute as a Lambda event has it, in base64."""
    fields = json.loads(zlib.decompress(base64.b64decode(encoded)))
    vector = np.frombuffer(base64.b64decode(fields["vector"]), dtype="<f4")
    memory = fields["memory"] | {"feedback": Feedback()}  # nobody has seen it yet
    return Draft(
        memory=Memory(**memory),
        given=frozenset(fields["given"]),
        vector=vector.tolist(),
        supersedes=fields["supersedes"],
    )


def _packed(draft: Draft) -> bytes:
    fields = {
        "memory": asdict(draft.memory),
        "given": sorted(draft.given),
        "supersedes": draft.supersedes,
        "vector": base64.b64encode(np.array(draft.vector, dtype="<f4").tobytes()).decode(),
    }
    return zlib.compress(json.dumps(fields, ensure_ascii=False).encode())


def _batches(drafts: Iterable[Draft]) -> Iterator[list["SendMessageBatchRequestEntryTypeDef"]]:
    """As many messages at a time as SQS takes, in number and in bytes together."""
    batch: list[SendMessageBatchRequestEntryTypeDef] = []
    size = 0
    for draft in drafts:
        packed, address = _packed(draft), _address(draft)
        added = len(packed) + len(address) + len(ATTRIBUTE) + len("Binary")
        if batch and (len(batch) == _MOST_A_BATCH or size + added > MAX_MESSAGE_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(_message(draft, address, packed))
        size += added
    if batch:
        yield batch


def _message(draft: Draft, address: str, packed: bytes) -> "SendMessageBatchRequestEntryTypeDef":
    once = f"{draft.memory.sequence}/{address}"
    return {
        "Id": str(draft.memory.sequence),
        "MessageBody": address,  # for people: the attribute says it all
        # Binary: as text, in base64, the longest memories pass SQS's limit
        "MessageAttributes": {ATTRIBUTE: {"DataType": "Binary", "BinaryValue": packed}},
        "MessageGroupId": hashlib.sha256(address.encode()).hexdigest(),
        "MessageDeduplicationId": hashlib.sha256(once.encode()).hexdigest(),
    }


def _address(draft: Draft) -> str:
    memory = draft.named()
    return f"{memory.tenant}/{memory.namespace}/{memory.id}"
