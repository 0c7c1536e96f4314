"""The queue of sessions to consolidate: a message a session, in any order, once or more."""

import json
from functools import cache
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from cross_session.domain.session import Session
from cross_session.errors import QueueUnavailableError
from cross_session.settings import ended_sessions_queue_url

if TYPE_CHECKING:
    from types_boto3_sqs.client import SQSClient


@cache
def _sqs() -> "SQSClient":
    config = Config(
        connect_timeout=1, read_timeout=2, retries={"mode": "standard", "total_max_attempts": 2}
    )
    return boto3.client("sqs", config=config)


def send(session: Session) -> None:
    """Has the session consolidated soon. Raises QueueUnavailableError."""
    body = {
        "tenant": session.tenant,
        "namespace": session.namespace,
        "session_id": session.id,
    }
    try:
        _sqs().send_message(QueueUrl=ended_sessions_queue_url(), MessageBody=json.dumps(body))
    except (BotoCoreError, ClientError) as error:
        raise QueueUnavailableError("the queue of ended sessions does not answer now") from error
