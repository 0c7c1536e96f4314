"""API Gateway on this machine: HTTP in, a payload-2.0 event to the function, HTTP out.

It does what the deployed HTTP API does with the same routes: finds the route, asks the authorizer
and keeps its word for a while, and passes on what the function answers.
"""

import asyncio
import base64
import json
import logging
import re
import time
import uuid
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

from infra.local.environments import Environments
from infra.routes import AUTHORIZER, AUTHORIZER_CACHE_SECONDS, DEFAULT_FUNCTION, ROUTES, Route

MAX_BODY_BYTES = 6 * 1024 * 1024  # of a Lambda event
TIMEOUT_SECONDS = 30

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

_DEFAULT = Route("ANY", "$default", DEFAULT_FUNCTION)
logger = logging.getLogger(__name__)


class Gateway:
    """An ASGI application in front of the functions."""

    def __init__(self, environments: Environments) -> None:
        self._environments = environments
        self._authorized: dict[str, tuple[float, dict[str, Any]]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        body = await _body(receive)
        answer = (
            _gateway_error(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "PAYLOAD_TOO_LARGE")
            if len(body) > MAX_BODY_BYTES
            else await self._answer(scope, body)
        )
        await _respond(answer, send)

    async def _answer(self, scope: Scope, body: bytes) -> dict[str, Any]:
        route, parameters = _route(scope["method"], scope["path"])
        event = _event(scope, route, parameters, body)
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                if not route.public:
                    if "authorization" not in event["headers"]:
                        return _gateway_error(
                            HTTPStatus.UNAUTHORIZED,
                            "AUTHENTICATION_REQUIRED",
                            "send Authorization: Bearer dk-…",
                        )
                    event["requestContext"]["authorizer"] = {"lambda": await self._caller(event)}
                return await self._invoke(route.function, event)
        except TimeoutError:
            return _gateway_error(HTTPStatus.GATEWAY_TIMEOUT, "QUERY_TIMEOUT")
        except Exception:
            logger.exception("%s failed", route.function)
            return _gateway_error(HTTPStatus.INTERNAL_SERVER_ERROR, "INTERNAL_ERROR")

    async def _caller(self, event: dict[str, Any]) -> dict[str, Any]:
        credential = event["headers"]["authorization"]
        now = time.monotonic()
        kept = self._authorized.get(credential)
        if kept and kept[0] > now:
            return kept[1]
        answer = await self._invoke(AUTHORIZER, event)
        caller: dict[str, Any] = answer["context"]
        self._authorized = {
            known: word for known, word in self._authorized.items() if word[0] > now
        } | {credential: (now + AUTHORIZER_CACHE_SECONDS, caller)}
        return caller

    async def _invoke(self, function: str, event: dict[str, Any]) -> dict[str, Any]:
        return await asyncio.wrap_future(self._environments.invoke(function, event))


def _matcher(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path))


_MATCHERS = [
    (route, _matcher(route.path)) for route in sorted(ROUTES, key=lambda route: "{" in route.path)
]


def _route(method: str, path: str) -> tuple[Route, dict[str, str]]:
    for route, matcher in _MATCHERS:
        if route.method == method and (match := matcher.fullmatch(path)):
            return route, match.groupdict()
    return _DEFAULT, {}


def _event(scope: Scope, route: Route, parameters: dict[str, str], body: bytes) -> dict[str, Any]:
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        headers[key] = f"{headers[key]},{text}" if key in headers else text
    query: dict[str, str] = {}
    raw_query = scope["query_string"].decode("latin-1")
    for name, value in parse_qsl(raw_query, keep_blank_values=True):
        query[name] = f"{query[name]},{value}" if name in query else value
    key = "$default" if route is _DEFAULT else f"{route.method} {route.path}"
    now = time.time()
    try:
        text, encoded = body.decode(), False
    except UnicodeDecodeError:
        text, encoded = base64.b64encode(body).decode(), True
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": key,
        "rawPath": scope["path"],
        "rawQueryString": raw_query,
        "headers": headers,
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "local",
            "domainName": headers.get("host", "localhost"),
            "domainPrefix": "local",
            "http": {
                "method": scope["method"],
                "path": scope["path"],
                "protocol": f"HTTP/{scope['http_version']}",
                "sourceIp": (scope["client"] or ("127.0.0.1",))[0],
                "userAgent": headers.get("user-agent", ""),
            },
            "requestId": str(uuid.uuid4()),
            "routeKey": key,
            "stage": "$default",
            "time": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(now)),
            "timeEpoch": int(now * 1000),
        },
        "isBase64Encoded": encoded,
    }
    if query:
        event["queryStringParameters"] = query
    if parameters:
        event["pathParameters"] = parameters
    if text:
        event["body"] = text
    return event


async def _body(receive: Receive) -> bytes:
    """The request's body; of one that is too large, enough to tell so."""
    parts: list[bytes] = []
    while sum(map(len, parts)) <= MAX_BODY_BYTES:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            break
    return b"".join(parts)


async def _respond(answer: dict[str, Any], send: Send) -> None:
    body = answer.get("body") or ""
    content = base64.b64decode(body) if answer.get("isBase64Encoded") else body.encode()
    headers = {**answer.get("headers", {}), "Content-Length": str(len(content))}
    await send(
        {
            "type": "http.response.start",
            "status": answer["statusCode"],
            "headers": [
                (name.lower().encode(), str(value).encode()) for name, value in headers.items()
            ],
        }
    )
    await send({"type": "http.response.body", "body": content})


def _gateway_error(status: HTTPStatus, code: str, detail: str = "") -> dict[str, Any]:
    """The gateway's own answer. A deployed HTTP API has only `{"message": …}` for these."""
    detail = detail or status.description or status.phrase
    problem = {
        "type": "about:blank",
        "title": status.phrase,
        "status": status,
        "detail": detail,
        "error": detail,
        "code": code,
    }
    return {
        "statusCode": status,
        "headers": {"Content-Type": "application/problem+json"},
        "body": json.dumps(problem, ensure_ascii=False),
    }
