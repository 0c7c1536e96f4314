"""The local API Gateway: HTTP to events, and what it answers by itself."""

import asyncio
import base64
import json
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import pytest

from infra.local import gateway
from infra.local.environments import Environments
from infra.local.gateway import MAX_BODY_BYTES, Gateway
from infra.routes import AUTHORIZER, AUTHORIZER_CACHE_SECONDS

KEY = {"authorization": "Bearer dk-bob"}
WHO = {"tenant": "acme", "key_id": "key_1", "scope": "write", "namespaces": "null"}
OK: dict[str, Any] = {
    "statusCode": 200,
    "headers": {"Content-Type": "application/json"},
    "body": '{"ok": true}',
}

Function = Callable[[dict[str, Any]], dict[str, Any]]


class FakeEnvironments(Environments):
    """Functions that the test wrote, and the events that they got."""

    def __init__(self) -> None:
        self.functions: dict[str, Function] = {
            **dict.fromkeys(("memories", "service", "sessions"), lambda _event: OK),
            AUTHORIZER: lambda _event: {"isAuthorized": True, "context": WHO},
        }
        self.events: list[tuple[str, dict[str, Any]]] = []

    def invoke(self, function: str, event: dict[str, Any]) -> Future[dict[str, Any]]:
        self.events.append((function, json.loads(json.dumps(event))))
        done: Future[dict[str, Any]] = Future()
        try:
            done.set_result(self.functions[function](event))
        except Exception as error:
            done.set_exception(error)
        return done

    def last(self) -> tuple[str, dict[str, Any]]:
        return self.events[-1]


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def problem(self) -> dict[str, Any]:
        assert self.headers["content-type"] == "application/problem+json"
        problem: dict[str, Any] = json.loads(self.content)
        assert problem["status"] == self.status
        assert problem["detail"] == problem["error"]
        return problem


class Site:
    """A gateway over functions that the test wrote."""

    def __init__(self) -> None:
        self.environments = FakeEnvironments()
        self._gateway = Gateway(self.environments)

    def request(
        self,
        method: str,
        path: str,
        *,
        query: str = "",
        headers: Mapping[str, str] | list[tuple[str, str]] = KEY,
        chunks: list[bytes] | None = None,
    ) -> Answer:
        pairs = list(headers.items()) if isinstance(headers, Mapping) else headers
        parts = chunks or [b""]
        messages = [
            {"type": "http.request", "body": part, "more_body": index < len(parts) - 1}
            for index, part in enumerate(parts)
        ]
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return messages.pop(0)

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": query.encode("latin-1"),
            "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in pairs],
            "http_version": "1.1",
            "client": ("192.0.2.7", 50_000),
        }
        asyncio.run(self._gateway(scope, receive, send))
        return Answer(
            status=sent[0]["status"],
            headers={name.decode(): value.decode() for name, value in sent[0]["headers"]},
            content=b"".join(message.get("body", b"") for message in sent[1:]),
        )

    def event(self, method: str, path: str, **sent: Any) -> dict[str, Any]:
        """What the function got."""
        assert self.request(method, path, **sent).status == 200
        return self.environments.last()[1]


@pytest.fixture
def site() -> Site:
    return Site()


def test_a_request_reaches_the_function_of_its_route(site: Site) -> None:
    answer = site.request("POST", "/v1/memory/recall", chunks=[b"{}"])

    assert answer.status == 200
    assert json.loads(answer.content) == {"ok": True}
    function, event = site.environments.last()
    assert function == "memories"
    assert event["version"] == "2.0"
    assert event["routeKey"] == event["requestContext"]["routeKey"] == "POST /v1/memory/recall"
    assert event["rawPath"] == event["requestContext"]["http"]["path"] == "/v1/memory/recall"
    assert event["requestContext"]["http"]["method"] == "POST"
    assert event["requestContext"]["http"]["sourceIp"] == "192.0.2.7"
    assert event["requestContext"]["requestId"]
    assert (event["body"], event["isBase64Encoded"]) == ("{}", False)


def test_each_request_has_an_id_of_its_own(site: Site) -> None:
    ids = {site.event("GET", "/v1/sessions")["requestContext"]["requestId"] for _ in range(2)}

    assert len(ids) == 2


def test_header_names_are_lower_case_and_repeated_headers_are_joined(site: Site) -> None:
    headers = [*KEY.items(), ("X-Trace", "a"), ("x-trace", "b"), ("Content-Type", "text/plain")]

    event = site.event("GET", "/v1/sessions", headers=headers)

    assert event["headers"]["x-trace"] == "a,b"
    assert event["headers"]["content-type"] == "text/plain"


def test_query_parameters_are_decoded_and_repeated_ones_are_joined(site: Site) -> None:
    event = site.event("GET", "/v1/sessions", query="limit=5&tag=a&tag=b%20c&empty=&plus=a+b")

    assert event["rawQueryString"] == "limit=5&tag=a&tag=b%20c&empty=&plus=a+b"
    assert event["queryStringParameters"] == {
        "limit": "5",
        "tag": "a,b c",
        "empty": "",
        "plus": "a b",
    }


def test_a_request_without_a_query_has_none_in_its_event(site: Site) -> None:
    assert "queryStringParameters" not in site.event("GET", "/v1/sessions")


def test_a_request_without_a_body_has_none_in_its_event(site: Site) -> None:
    assert "body" not in site.event("GET", "/v1/sessions")


def test_parts_of_the_path_are_its_parameters(site: Site) -> None:
    event = site.event("POST", "/v1/sessions/bob:2026/end")

    assert event["routeKey"] == "POST /v1/sessions/{session_id}/end"
    assert event["pathParameters"] == {"session_id": "bob:2026"}


def test_a_path_written_out_wins_over_one_with_a_parameter(site: Site) -> None:
    event = site.event("POST", "/v1/sessions/start")

    assert event["routeKey"] == "POST /v1/sessions/start"
    assert "pathParameters" not in event


def test_a_parameter_does_not_reach_over_a_slash(site: Site) -> None:
    assert site.event("GET", "/v1/sessions/a/b")["routeKey"] == "$default"


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/v2"), ("GET", "/"), ("DELETE", "/v1/memory/recall")]
)
def test_a_path_or_method_without_a_route_reaches_the_default_function(
    site: Site, method: str, path: str
) -> None:
    event = site.event(method, path)

    assert site.environments.last()[0] == "service"
    assert event["routeKey"] == "$default"
    assert event["requestContext"]["authorizer"]["lambda"] == WHO


def test_a_body_that_came_in_pieces_is_whole(site: Site) -> None:
    event = site.event("POST", "/v1/memory/store", chunks=[b'{"content": "', b"\xc3", b'\xbc"}'])

    assert event["body"] == '{"content": "ü"}'


def test_a_body_that_is_not_utf_8_travels_as_base64(site: Site) -> None:
    event = site.event("POST", "/v1/memory/store", chunks=[b"\xff\x00\xfe"])

    assert event["isBase64Encoded"] is True
    assert base64.b64decode(event["body"]) == b"\xff\x00\xfe"


def test_an_answer_in_base64_is_sent_as_the_bytes_it_means(site: Site) -> None:
    site.environments.functions["sessions"] = lambda _event: (
        OK
        | {
            "body": base64.b64encode(b"\xff\x00").decode(),
            "isBase64Encoded": True,
        }
    )

    answer = site.request("GET", "/v1/sessions")

    assert answer.content == b"\xff\x00"
    assert answer.headers["content-length"] == "2"


def test_the_functions_status_headers_and_body_are_passed_on(site: Site) -> None:
    site.environments.functions["sessions"] = lambda _event: {
        "statusCode": 503,
        "headers": {"Retry-After": "1", "Content-Type": "application/problem+json"},
        "body": "Überlast",
    }

    answer = site.request("GET", "/v1/sessions")

    assert answer.status == 503
    assert answer.headers["retry-after"] == "1"
    assert answer.content.decode() == "Überlast"
    assert answer.headers["content-length"] == str(len(answer.content))


def test_an_answer_without_a_body_is_sent(site: Site) -> None:
    site.environments.functions["sessions"] = lambda _event: {"statusCode": 204}

    answer = site.request("GET", "/v1/sessions")

    assert (answer.status, answer.content) == (204, b"")


def test_a_body_of_6_mib_passes(site: Site) -> None:
    event = site.event("POST", "/v1/memory/store", chunks=[b"x" * MAX_BODY_BYTES])

    assert len(event["body"]) == MAX_BODY_BYTES


def test_a_body_over_6_mib_is_too_large_and_reaches_no_function(site: Site) -> None:
    chunks = [b"x" * (MAX_BODY_BYTES // 2), b"x" * (MAX_BODY_BYTES // 2), b"x"]

    answer = site.request("POST", "/v1/memory/store", chunks=chunks)

    assert answer.status == 413
    assert answer.problem["code"] == "PAYLOAD_TOO_LARGE"
    assert site.environments.events == []


def test_a_request_without_a_key_is_told_how_to_send_one(site: Site) -> None:
    answer = site.request("GET", "/v1/sessions", headers={})

    assert answer.status == 401
    assert answer.problem["code"] == "AUTHENTICATION_REQUIRED"
    assert "Bearer" in answer.problem["detail"]
    assert site.environments.events == []


def test_a_path_that_nobody_knows_needs_a_key_too(site: Site) -> None:
    assert site.request("GET", "/v2", headers={}).status == 401


@pytest.mark.parametrize("path", ["/health", "/docs", "/openapi.json"])
def test_a_public_route_needs_no_key_and_asks_no_authorizer(site: Site, path: str) -> None:
    event = site.event("GET", path, headers={})

    assert [function for function, _ in site.environments.events] == ["service"]
    assert "authorizer" not in event["requestContext"]


def test_the_function_is_told_what_the_authorizer_said(site: Site) -> None:
    denied = {"denied": "INVALID_API_KEY", "reason": "this API key is not known here"}
    site.environments.functions[AUTHORIZER] = lambda _event: {
        "isAuthorized": True,
        "context": denied,
    }

    event = site.event("GET", "/v1/sessions")

    assert event["requestContext"]["authorizer"] == {"lambda": denied}


def test_the_authorizer_gets_the_key_that_was_sent(site: Site) -> None:
    site.request("GET", "/v1/sessions")

    function, event = site.environments.events[0]
    assert function == AUTHORIZER
    assert event["headers"]["authorization"] == "Bearer dk-bob"


def test_the_authorizers_word_is_kept_for_a_minute_for_each_key(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.environments.functions[AUTHORIZER] = lambda event: {
        "isAuthorized": True,
        "context": WHO | {"key_id": event["headers"]["authorization"]},
    }
    started = time.monotonic()
    asked: list[int] = []
    for seconds, key in ((0, "a"), (1, "a"), (1, "b"), (AUTHORIZER_CACHE_SECONDS, "a")):
        monkeypatch.setattr(time, "monotonic", lambda at=started + seconds: at)

        event = site.event("GET", "/v1/sessions", headers={"authorization": key})

        assert event["requestContext"]["authorizer"]["lambda"]["key_id"] == key
        asked.append(sum(function == AUTHORIZER for function, _ in site.environments.events))

    assert asked == [1, 1, 2, 3]


def test_a_function_that_fails_is_answered_500_without_the_cause(site: Site) -> None:
    def fail(_event: dict[str, Any]) -> dict[str, Any]:
        raise ZeroDivisionError("secret cause")

    site.environments.functions["sessions"] = fail

    answer = site.request("GET", "/v1/sessions")

    assert answer.status == 500
    assert answer.problem["code"] == "INTERNAL_ERROR"
    assert b"secret" not in answer.content


def test_an_authorizer_that_fails_is_answered_500_and_asked_again(site: Site) -> None:
    word = site.environments.functions[AUTHORIZER]

    def fail(_event: dict[str, Any]) -> dict[str, Any]:
        raise ZeroDivisionError("secret cause")

    site.environments.functions[AUTHORIZER] = fail
    failed = site.request("GET", "/v1/sessions")
    site.environments.functions[AUTHORIZER] = word

    again = site.request("GET", "/v1/sessions")

    assert (failed.status, again.status) == (500, 200)


def test_a_function_that_does_not_answer_in_time_is_answered_504(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway, "TIMEOUT_SECONDS", 0.05)
    monkeypatch.setattr(site.environments, "invoke", lambda _function, _event: Future())

    answer = site.request("GET", "/health")

    assert answer.status == 504
    assert answer.problem["code"] == "QUERY_TIMEOUT"
