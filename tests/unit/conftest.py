"""A table by moto, and requests as API Gateway sends them to a function."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

import boto3
import pytest
from hypothesis import settings
from moto import mock_aws

from cross_session.domain.access import Scope
from cross_session.domain.session import Session
from cross_session.http_api import PROBLEM_JSON
from cross_session.settings import table_settings
from infra.local.environments import Context
from infra.table import TABLE

if TYPE_CHECKING:
    from types_boto3_dynamodb.client import DynamoDBClient

settings.register_profile("unit", deadline=None)  # a busy machine is no failure
settings.load_profile("unit")

NOW = 1_800_000_000
REQUEST_ID = "3f1d9a52-request"


@cache
def _dynamodb() -> "DynamoDBClient":
    return boto3.client("dynamodb")


@pytest.fixture
def table() -> Iterator[None]:
    """An empty table, as `infra.table` has it."""
    with mock_aws():
        _dynamodb().create_table(TableName=table_settings().name, **TABLE)
        yield


def stored_items() -> list[dict[str, Any]]:
    """All that the table holds, as DynamoDB writes it."""
    items: list[dict[str, Any]] = _dynamodb().scan(TableName=table_settings().name)["Items"]
    return items


class MakeSession(Protocol):
    def __call__(self, id: str = "ses_1", **fields: Any) -> Session: ...


@pytest.fixture
def session() -> MakeSession:
    """A session of tenant `acme`, namespace `user-bob`, started now, unless said otherwise."""

    def make(id: str = "ses_1", **fields: Any) -> Session:
        at_ms = fields.get("started_at_ms", NOW * 1000)
        defaults: dict[str, Any] = {
            "tenant": "acme",
            "namespace": "user-bob",
            "started_at_ms": at_ms,
            "last_activity_at": at_ms // 1000,
        }
        return Session(id=id, **defaults | fields)

    return make


@dataclass(frozen=True)
class Answer:
    status: int
    body: Any
    headers: Mapping[str, str]

    @property
    def code(self) -> Any:
        return self.body["code"]


def caller(
    *,
    tenant: str = "acme",
    scope: Scope = Scope.WRITE,
    namespaces: tuple[str, ...] | None = None,
) -> dict[str, str]:
    """What the authorizer says of a key that is good."""
    return {
        "tenant": tenant,
        "key_id": "key_1",
        "scope": scope.label,
        "namespaces": json.dumps(namespaces),
    }


def request(
    method: str,
    path: str,
    *,
    body: str | None = None,
    who: Mapping[str, str] | None,
    query: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    route_key: str = "",
    encoded: bool = False,
) -> dict[str, Any]:
    """A payload-2.0 event; `who` is the authorizer's word, None where there is no authorizer."""
    context: dict[str, Any] = {
        "accountId": "000000000000",
        "apiId": "test",
        "domainName": "localhost",
        "domainPrefix": "test",
        "http": {
            "method": method,
            "path": path,
            "protocol": "HTTP/1.1",
            "sourceIp": "127.0.0.1",
            "userAgent": "test",
        },
        "requestId": REQUEST_ID,
        "routeKey": route_key or f"{method} {path}",
        "stage": "$default",
        "time": "24/Nov/2026:09:30:00 +0000",
        "timeEpoch": NOW * 1000,
    }
    if who is not None:
        context["authorizer"] = {"lambda": dict(who)}
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": route_key or f"{method} {path}",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"content-type": "application/json", **(headers or {})},
        "requestContext": context,
        "isBase64Encoded": encoded,
    }
    if query:
        event["queryStringParameters"] = dict(query)
    if body is not None:
        event["body"] = body
    return event


def answer_of(function: ModuleType, event: dict[str, Any]) -> Answer:
    """The function's answer, held to be JSON that any client can read."""
    response = function.handler(json.loads(json.dumps(event)), Context(function.__name__))
    travelled = json.dumps(response, ensure_ascii=False).encode()  # as Lambda sends it
    text = json.loads(travelled)["body"]
    media_type = response["headers"]["Content-Type"].split(";")[0]
    is_json = media_type in ("application/json", PROBLEM_JSON)
    body = json.loads(text, parse_constant=_not_json) if is_json else text
    return Answer(response["statusCode"], body, response["headers"])


class Call(Protocol):
    def __call__(
        self,
        method: str,
        path: str,
        json_body: object = None,
        *,
        text: str | None = None,
        who: Mapping[str, str] | None = ...,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        encoded: bool = False,
    ) -> Answer: ...


def calls(function: ModuleType) -> Call:
    """Calls a function's routes with JSON or, as `text`, with whatever is sent instead."""

    def call(
        method: str,
        path: str,
        json_body: object = None,
        *,
        text: str | None = None,
        who: Mapping[str, str] | None = caller(),
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        encoded: bool = False,
    ) -> Answer:
        body = json.dumps(json_body) if json_body is not None else text
        event = request(
            method, path, body=body, who=who, query=query, headers=headers, encoded=encoded
        )
        return answer_of(function, event)

    return call


class Clock:
    """What the functions take for now."""

    def __init__(self) -> None:
        self.now = float(NOW)

    def __call__(self) -> float:
        return self.now

    def pass_seconds(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock_in(monkeypatch: pytest.MonkeyPatch) -> Callable[[ModuleType], Clock]:
    def put(module: ModuleType) -> Clock:
        clock = Clock()
        monkeypatch.setattr(module, "time", clock)
        return clock

    return put


def _not_json(constant: str) -> NoReturn:
    raise AssertionError(f"{constant} in an answer is not JSON")
