"""The two clients: the same resources over a blocking and over an asyncio connection pool."""

import os
from datetime import datetime
from types import TracebackType
from typing import Any, Self

import httpx

from cross_session_client.objects import ContextBlock, Health
from cross_session_client.resources import Memories, Sessions, given, rfc3339
from cross_session_client.sending import (
    AnySender,
    AsyncSender,
    Call,
    Endpoint,
    Resource,
    Sender,
)


class Service(Resource[AnySender]):
    """What both clients can do."""

    def __init__(self, sender: AnySender) -> None:
        super().__init__(sender)
        self.sessions = Sessions(sender)
        self.memory = Memories(sender)

    @Endpoint
    def health(self) -> Call[Health]:
        """Whether the service answers, and its version."""
        return Call("GET", "/health")

    @Endpoint
    def context(
        self,
        query: str,
        *,
        namespace: str,
        token_budget: int | None = None,
        session_id: str | None = None,
        timezone: str | None = None,
        now: datetime | str | None = None,
        as_of: datetime | str | None = None,
    ) -> Call[ContextBlock]:
        """What matters for `query` as one block for the system prompt, 800 tokens at most.

        `timezone` (an IANA name) and `now` are the user's, so that "yesterday" is. `as_of` tells
        what held then.
        """
        body = given(
            namespace=namespace,
            query=query,
            token_budget=token_budget,
            session_id=session_id,
            timezone=timezone,
            now=rfc3339("now", now),
            as_of=rfc3339("as_of", as_of),
        )
        return Call("POST", "/v1/context", json=body, read_only=True)


class CrossSession(Service[Sender]):
    """A memory service's client. Thread-safe; close it, or use it in a `with`.

    `base_url` may have a path (an API Gateway stage) and is CROSS_SESSION_URL if left out;
    `api_key` is CROSS_SESSION_API_KEY. `timeout` is httpx's: seconds each for connecting, sending,
    and waiting for the answer, at every one of at most three attempts.
    """

    def __init__(
        self,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        timeout: float | httpx.Timeout = 30.0,
    ) -> None:
        super().__init__(Sender(httpx.Client(**_connection(base_url, api_key), timeout=timeout)))

    def close(self) -> None:
        self._sender.http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class AsyncCrossSession(Service[AsyncSender]):
    """`CrossSession` for asyncio: the same arguments and calls, each awaited."""

    def __init__(
        self,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        timeout: float | httpx.Timeout = 30.0,
    ) -> None:
        http = httpx.AsyncClient(**_connection(base_url, api_key), timeout=timeout)
        super().__init__(AsyncSender(http))

    async def close(self) -> None:
        await self._sender.http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()


def _connection(base_url: str | None, api_key: str | None) -> dict[str, Any]:
    url = _argument("base_url", base_url, variable="CROSS_SESSION_URL")
    key = _argument("api_key", api_key, variable="CROSS_SESSION_API_KEY")
    if not url.startswith(("http://", "https://")):
        raise ValueError(f"base_url must start with http:// or https://: {url!r}")
    if not (key.isascii() and key.isprintable()):  # httpx would put the key into its complaint
        raise ValueError("api_key has a character that no HTTP header can carry")
    headers = {"Authorization": f"Bearer {key}", "User-Agent": "cross-session-client-python"}
    return {"base_url": url, "headers": headers}


def _argument(name: str, value: str | None, *, variable: str) -> str:
    found = (value or os.environ.get(variable, "")).strip()
    if not found:
        raise ValueError(f"{name} is missing: pass it, or set {variable}")
    return found
