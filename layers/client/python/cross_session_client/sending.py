"""How a call is sent: the same calls, by a sender that blocks or by one that is awaited.

A resource's method only says what goes over the wire, as a `Call`; `Endpoint` turns it into a
method that sends. So every signature, docstring and path is written once, and type checkers know
that a `Resource[Sender]` gives T where a `Resource[AsyncSender]` gives a coroutine of T.
"""

from asyncio import sleep as sleep_async
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import wraps
from random import random
from time import sleep
from types import MethodType
from typing import Any, Concatenate, Generic, Literal, ParamSpec, TypeVar, overload
from uuid import uuid4

import httpx

from cross_session_client.errors import (
    ConnectionFailedError,
    CrossSessionError,
    UnexpectedAnswerError,
    error_of,
)
from cross_session_client.retries import retry_delay

P = ParamSpec("P")
T = TypeVar("T")
AnySender = TypeVar("AnySender", bound="Sender | AsyncSender")


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """A request whose answer's JSON, or the member `result` of it, is a T."""

    method: Literal["GET", "POST", "PUT"]
    path: str
    params: Mapping[str, Any] = field(default_factory=dict)
    json: Mapping[str, Any] | None = None
    result: str | None = None
    read_only: bool = False  # a POST that changes nothing, as a query with a body does


@dataclass(frozen=True, slots=True)
class Sender:
    http: httpx.Client

    def send(self, call: Call[T]) -> T:
        request = self.http.build_request(**_request_parts(call))
        attempt = 1
        while True:
            try:
                with _connection_failures(request):
                    response = self.http.send(request)
                return _result_of(call, response)
            except CrossSessionError as error:
                delay = retry_delay(error, attempt=attempt, jitter=random())  # noqa: S311
                if delay is None:
                    raise
            sleep(delay)
            attempt += 1


@dataclass(frozen=True, slots=True)
class AsyncSender:
    http: httpx.AsyncClient

    async def send(self, call: Call[T]) -> T:
        request = self.http.build_request(**_request_parts(call))
        attempt = 1
        while True:
            try:
                with _connection_failures(request):
                    response = await self.http.send(request)
                return _result_of(call, response)
            except CrossSessionError as error:
                delay = retry_delay(error, attempt=attempt, jitter=random())  # noqa: S311
                if delay is None:
                    raise
            await sleep_async(delay)
            attempt += 1


class Resource(Generic[AnySender]):
    """Calls that belong together, over one connection pool."""

    def __init__(self, sender: AnySender) -> None:
        self._sender = sender


class Endpoint(Generic[P, T]):
    """Makes a Resource's method that prepares a `Call` into one that sends it."""

    def __init__(self, prepare: Callable[Concatenate[Any, P], Call[T]]) -> None:
        self.prepare = prepare

    @overload
    def __get__(self, resource: None, owner: type) -> Callable[Concatenate[Any, P], Call[T]]: ...
    @overload
    def __get__(self, resource: Resource[Sender], owner: type) -> Callable[P, T]: ...
    @overload
    def __get__(
        self, resource: Resource[AsyncSender], owner: type
    ) -> Callable[P, Coroutine[Any, Any, T]]: ...
    def __get__(
        self, resource: Resource[Sender] | Resource[AsyncSender] | None, owner: type
    ) -> Callable[..., Any]:
        if resource is None:
            return self.prepare  # for help() and tests: the call itself, unsent
        prepare = MethodType(self.prepare, resource)

        @wraps(prepare)
        def send(*args: P.args, **kwargs: P.kwargs) -> Any:
            return resource._sender.send(prepare(*args, **kwargs))

        return send


def _request_parts(call: Call[Any]) -> dict[str, Any]:
    """httpx's arguments. A write's Idempotency-Key is made here: once, however often it is sent."""
    writes = call.method != "GET" and not call.read_only
    return {
        "method": call.method,
        "url": call.path,
        "params": call.params,
        "json": call.json,
        "headers": {"Idempotency-Key": str(uuid4())} if writes else {},
    }


@contextmanager
def _connection_failures(request: httpx.Request) -> Iterator[None]:
    try:
        yield
    except httpx.RequestError as error:
        server = request.url.netloc.decode()
        reason = f"{type(error).__name__} {error}".strip()
        raise ConnectionFailedError(f"no answer from {server}: {reason}") from error


def _result_of(call: Call[T], response: httpx.Response) -> T:
    if not response.is_success:
        raise error_of(response, now=datetime.now(UTC))
    try:
        answer = response.json()
        result: T = answer if call.result is None else answer[call.result]
    except (ValueError, KeyError, TypeError) as error:
        kind = response.headers.get("content-type", "no content type")
        raise UnexpectedAnswerError(
            f"{call.method} {response.url} did not answer as the memory service does ({kind})",
            status=response.status_code,
        ) from error
    return result
