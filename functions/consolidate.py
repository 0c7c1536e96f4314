"""SQS: sessions that ended, or that became old."""

import json
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.batch import (
    BatchProcessor,
    EventType,
    process_partial_response,
)
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from cross_session.consolidate_session import consolidate_session

_processor = BatchProcessor(event_type=EventType.SQS)
_processor.raise_on_entire_batch_failure = False

logger = Logger(service="cross-session")


def consolidate(record: SQSRecord) -> None:
    """Consolidates a message's session; one that can't be comes again."""
    session = json.loads(record.body)
    try:
        consolidate_session(session["tenant"], session["namespace"], session["session_id"])
    except Exception:
        logger.exception("a session can't be consolidated", session=session)
        raise


def handler(event: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse:
    return process_partial_response(
        event=event, record_handler=consolidate, processor=_processor, context=context
    )
