"""SQS: memories that were stored while OpenSearch was away."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.batch import (
    SqsFifoPartialProcessor,
    process_partial_response,
)
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSEvent, SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from cross_session.adapters import spill_queue
from cross_session.errors import EngineUnavailableError, TableUnavailableError
from cross_session.remember import store_late
from cross_session.settings import spill_queue_url

# A group is one memory: what can't be stored holds up its own later writes and no others.
_processor = SqsFifoPartialProcessor(skip_group_on_error=True)
_processor.raise_on_entire_batch_failure = False

logger = Logger(service="cross-session")


_away: set[str | None] = set()  # the groups that a call found the engine or the table away for


def store(record: SQSRecord) -> None:
    try:
        store_late(spill_queue.to_draft(record["messageAttributes"]["draft"]["binaryValue"]))
    except (EngineUnavailableError, TableUnavailableError):
        _away.add(record.attributes.message_group_id)
        raise
    except Exception:
        logger.exception("a memory that waited can't be stored", message_id=record.message_id)
        raise


def handler(event: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse:
    """Stores the messages' memories.

    Where OpenSearch is away still, a message and those behind it in its group come again later
    each time: an outage of hours is not to make dead letters of good writes.
    """
    _away.clear()
    answer = process_partial_response(
        event=event, record_handler=store, processor=_processor, context=context
    )
    failed = {one["itemIdentifier"] for one in answer["batchItemFailures"]}
    for record in SQSEvent(event).records:
        if record.message_id in failed and record.attributes.message_group_id in _away:
            spill_queue.put_off(
                record.receipt_handle,
                receives=int(record.attributes.approximate_receive_count),
                queue_url=spill_queue_url(),
            )
    return answer
