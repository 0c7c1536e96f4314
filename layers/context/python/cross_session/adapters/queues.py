"""SQS: one client for every queue, and its errors as ours."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from cross_session.errors import QueueUnavailableError

if TYPE_CHECKING:
    from types_boto3_sqs.client import SQSClient


@cache
def client() -> "SQSClient":
    patience = Config(
        connect_timeout=1, read_timeout=2, retries={"mode": "standard", "total_max_attempts": 2}
    )
    return boto3.client("sqs", config=patience)


@contextmanager
def sqs(otherwise: str) -> Iterator["SQSClient"]:
    """Raises QueueUnavailableError, which says `otherwise`, for any error of SQS."""
    try:
        yield client()
    except (BotoCoreError, ClientError) as error:
        raise QueueUnavailableError(otherwise) from error
