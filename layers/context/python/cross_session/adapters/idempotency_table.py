"""The first answers to requests that carry an idempotency key, in DynamoDB for a day."""

import gzip
import json
from base64 import b64decode, b64encode
from functools import cache
from typing import Any, TypedDict

from aws_lambda_powertools.utilities.idempotency import DynamoDBPersistenceLayer, IdempotencyConfig
from aws_lambda_powertools.utilities.idempotency.exceptions import (
    IdempotencyItemAlreadyExistsError,
    IdempotencyValidationError,
)

from cross_session.adapters.table import client, dynamodb
from cross_session.errors import IdempotencyKeyReusedError, RequestInProgressError
from cross_session.settings import table_settings

MAX_KEY_LENGTH = 256
KEPT_SECS = 86_400
_MOST_STORED = 350_000  # of DynamoDB's 400 KB an item

Answer = dict[str, Any]


class Request(TypedDict):
    """Who asks for what, under which key; `body` and `query` are what a repeat must not change."""

    tenant: str
    key_id: str
    method: str
    path: str
    idempotency_key: str
    query: str
    body: str


class _Records(DynamoDBPersistenceLayer):
    """Each record in a partition of its own; Powertools would put all of them into one."""

    def _get_key(self, idempotency_key: str) -> dict[str, Any]:
        return {"pk": {"S": idempotency_key}, "sk": {"S": "IDEMPOTENCY"}}


@cache
def _records() -> DynamoDBPersistenceLayer:
    records = _Records(
        table_settings().name, key_attr="pk", expiry_attr="ttl", boto3_client=client()
    )
    records.configure(
        IdempotencyConfig(
            event_key_jmespath="[tenant, key_id, method, path, idempotency_key]",
            payload_validation_jmespath="[query, body]",
            expires_after_seconds=KEPT_SECS,
            hash_function="sha256",
        ),
        key_prefix="IDEMPOTENCY",
    )
    return records


def claim(request: Request, *, remaining_ms: int) -> Answer | None:
    """The first answer to this request; None where the caller is the first and is to give it.

    None as well for an answer that was too large to keep. A claim ends by `keep` or `release`,
    or after `remaining_ms`, when whoever made it must have died. Raises
    IdempotencyKeyReusedError where the key came with another request, RequestInProgressError
    where the first is still being answered.
    """
    try:
        with dynamodb():
            _records().save_inprogress(dict(request), remaining_ms)
    except IdempotencyValidationError as error:
        raise IdempotencyKeyReusedError(
            "this Idempotency-Key came with another request before; send a new one with each"
        ) from error
    except IdempotencyItemAlreadyExistsError as error:
        record = error.old_data_record
        if record is None or record.status != "COMPLETED":
            raise RequestInProgressError(
                "the first request with this Idempotency-Key is still being answered"
            ) from error
        return _unpacked(record.response_data)
    return None


def keep(request: Request, answer: Answer) -> None:
    """Keeps the first answer for a day."""
    with dynamodb():
        _records().save_success(dict(request), _packed(answer))


def release(request: Request) -> None:
    """Lets a repeat run: nothing was done."""
    with dynamodb():
        _records().delete_record(dict(request), RuntimeError())


def _packed(answer: Answer) -> dict[str, str]:
    """Nothing of an answer that no item holds: a repeat runs, and comes to the same."""
    packed = b64encode(gzip.compress(json.dumps(answer).encode())).decode()
    return {"answer": packed} if len(packed) <= _MOST_STORED else {}


def _unpacked(data: str) -> Answer | None:
    packed = json.loads(data).get("answer")
    if packed is None:
        return None
    answer: Answer = json.loads(gzip.decompress(b64decode(packed)))
    return answer
