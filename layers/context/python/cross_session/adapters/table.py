"""The one DynamoDB table: how it is read page by page, and what its errors mean."""

import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from boto3.dynamodb.types import TypeDeserializer
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from cross_session.errors import TableUnavailableError
from cross_session.settings import table_settings
from cross_session.timing import timed

if TYPE_CHECKING:
    from types_boto3_dynamodb.client import DynamoDBClient
    from types_boto3_dynamodb.service_resource import Table
    from types_boto3_dynamodb.type_defs import QueryInputTableQueryTypeDef

Item = dict[str, Any]

BY_TENANT = "by_tenant"
TENANT_SHARDS = 8  # over which the index spreads a tenant, so that no partition takes every write

_BATCH_GET = 100  # DynamoDB's own bound

_AWAY = {
    "InternalServerError",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ServiceUnavailable",
    "ThrottlingException",
}


class ConditionFailedError(Exception):
    """A conditional write found `item`, or None where nothing stood, in its way."""

    def __init__(self, item: Item | None) -> None:
        super().__init__("the condition did not hold")
        self.item = item


_PATIENCE = Config(
    connect_timeout=1, read_timeout=2, retries={"mode": "standard", "total_max_attempts": 3}
)


@cache
def _table() -> "Table":
    return boto3.resource("dynamodb", config=_PATIENCE).Table(table_settings().name)


@cache
def client() -> "DynamoDBClient":
    """For Powertools, which writes items as they travel; `dynamodb()` tells its errors too."""
    return boto3.client("dynamodb", config=_PATIENCE)


def connect() -> None:
    """Makes the client, which takes 60 ms, rather than leave it to the first call."""
    _table()


@contextmanager
def dynamodb() -> Iterator["Table"]:
    """The table, its time counted.

    Raises ConditionFailedError, with the item that stood there where the write asked for
    it by `ReturnValuesOnConditionCheckFailure`, and TableUnavailableError after retries.
    """
    with timed("dynamodb"):
        try:
            yield _table()
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code == "ConditionalCheckFailedException":
                # boto3 leaves an error's item as it travelled
                stood: dict[str, Any] | None = error.response.get("Item")  # type: ignore[assignment]
                deserialize = TypeDeserializer().deserialize
                raise ConditionFailedError(
                    {name: deserialize(value) for name, value in stood.items()} if stood else None
                ) from error
            if code in _AWAY:
                raise TableUnavailableError("the table does not answer now") from error
            raise
        except BotoCoreError as error:
            raise TableUnavailableError("the table does not answer now") from error


def items(query: "QueryInputTableQueryTypeDef") -> Iterator[Item]:
    """What a query finds, in its order, read a page at a time as it is asked for."""
    while True:
        with dynamodb() as table:
            page = table.query(**query)
        yield from page["Items"]
        if "LastEvaluatedKey" not in page:
            return
        query = {**query, "ExclusiveStartKey": page["LastEvaluatedKey"]}


def get_all(keys: Iterable[dict[str, str]]) -> Iterator[Item]:
    """The items that are there under these keys, in no order, as last written."""
    wanted: list[Any] = list(keys)
    while wanted:
        with dynamodb() as table:
            answer = table.meta.client.batch_get_item(
                RequestItems={table.name: {"Keys": wanted[:_BATCH_GET], "ConsistentRead": True}}
            )
            unread = answer["UnprocessedKeys"].get(table.name, {"Keys": []})["Keys"]
            found = answer["Responses"].get(table.name, [])
        yield from found
        wanted = [*unread, *wanted[_BATCH_GET:]]


def shard_of(name: str) -> int:
    """Which of a tenant's `TENANT_SHARDS` has what is called so."""
    return zlib.crc32(name.encode()) % TENANT_SHARDS
