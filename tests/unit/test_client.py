"""The Python client, against a real HTTP server on this machine that answers as scripted."""

import asyncio
import inspect
import json
import pickle
import socket
import threading
from collections import Counter, deque
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, assert_type
from uuid import UUID

import pytest

from cross_session_client import (
    AsyncCrossSession,
    AuthenticationError,
    ConflictError,
    ConnectionFailedError,
    CrossSession,
    CrossSessionError,
    FeatureNotAvailableError,
    NotFoundError,
    PayloadTooLargeError,
    PermissionDeniedError,
    RateLimitError,
    RecalledMemories,
    ServerError,
    ServiceUnavailableError,
    Session,
    UnexpectedAnswerError,
    ValidationError,
    sending,
)
from cross_session_client.retries import LONGEST_WAIT_SECONDS, MAX_ATTEMPTS, retry_delay

SESSION = {"id": "s1", "session_id": "s1", "namespace": "user-bob", "ended_at": None}
STARTED = {"session": SESSION}
STORED = {"memory": {"id": "mem_1", "content": "Decided to use PostgreSQL"}}


@dataclass(frozen=True)
class Answer:
    status: int
    body: object = field(default_factory=dict)  # bytes as they are, anything else as JSON
    headers: Mapping[str, str] = field(default_factory=dict)


class HangUp:
    """Not an answer: the connection is closed."""


class Silence:
    """Not an answer: the connection stays open."""


@dataclass(frozen=True)
class Received:
    method: str
    target: str
    headers: Mapping[str, str]
    body: Any


class ScriptedService:
    def __init__(self) -> None:
        self.received: list[Received] = []
        self.script: deque[Answer | HangUp | Silence] = deque()
        self.silence_is_over = threading.Event()
        service = self

        class Handler(BaseHTTPRequestHandler):
            def respond(self) -> None:
                content = self.rfile.read(int(self.headers.get("content-length", 0)))
                body = json.loads(content) if content else None
                headers = {name.lower(): value for name, value in self.headers.items()}
                service.received.append(Received(self.command, self.path, headers, body))
                answer = service.script.popleft() if service.script else Answer(418)
                if isinstance(answer, Silence):
                    service.silence_is_over.wait()
                elif isinstance(answer, Answer):
                    self.send(answer)

            do_GET = do_POST = do_PUT = respond  # noqa: N815

            def send(self, answer: Answer) -> None:
                body = answer.body
                content = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def answers(self, *script: Answer | HangUp | Silence) -> None:
        self.script.extend(script)

    @property
    def only_request(self) -> Received:
        [request] = self.received
        return request

    @property
    def idempotency_keys(self) -> list[str | None]:
        return [request.headers.get("idempotency-key") for request in self.received]


@pytest.fixture(scope="module")
def running_service() -> Iterator[ScriptedService]:
    service = ScriptedService()
    thread = threading.Thread(target=service.server.serve_forever, args=(0.01,))
    thread.start()
    yield service
    service.server.shutdown()
    thread.join()
    service.server.server_close()


@pytest.fixture(scope="module")
def open_client(running_service: ScriptedService) -> Iterator[CrossSession]:
    """One for all tests, since httpx loads the certificate authorities for each."""
    with CrossSession(base_url=running_service.url, api_key="dk-test") as client:
        yield client


@pytest.fixture
def service(running_service: ScriptedService) -> Iterator[ScriptedService]:
    running_service.received.clear()
    running_service.script.clear()
    running_service.silence_is_over.clear()
    yield running_service
    running_service.silence_is_over.set()


@pytest.fixture
def client(service: ScriptedService, open_client: CrossSession) -> CrossSession:
    """Talks to `service`, which has just forgotten the test before."""
    assert service.received == []
    return open_client


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long the client would have waited between attempts."""
    waits: list[float] = []

    async def sleep_async(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr(sending, "sleep", waits.append)
    monkeypatch.setattr(sending, "sleep_async", sleep_async)
    return waits


def problem(status: int, code: str, detail: str, **members: object) -> Answer:
    body = {"title": "…", "status": status, "detail": detail, "error": detail, "code": code}
    return Answer(status, {**body, **members}, {"Content-Type": "application/problem+json"})


# The calls


def test_a_session_starts_remembers_recalls_and_ends(
    service: ScriptedService, client: CrossSession
) -> None:
    found = {"id": "mem_1", "content": "Decided to use PostgreSQL", "score": 0.93}
    ended = {"session": SESSION | {"ended_at": 1790000900}, "memory_count": 1}
    service.answers(
        Answer(201, STARTED),
        Answer(200, {"results": [found]}),
        Answer(201, STORED),
        Answer(200, ended),
    )

    session = client.sessions.start(
        namespace="user-bob", metadata={"channel": "web", "topic": "project-planning"}
    )
    context = client.memory.recall(
        query="How's the backend project going?", namespace="user-bob", top_k=10
    )["results"]
    client.memory.store(
        content="Decided to use PostgreSQL",
        namespace="user-bob",
        metadata={"session_id": session["session_id"], "type": "decision", "importance": 0.85},
    )
    end = client.sessions.end(session_id=session["session_id"])

    assert session["session_id"] == "s1"
    assert context == [found]
    assert end["ended_at"] == 1790000900
    assert [(r.method, r.target, r.body) for r in service.received] == [
        (
            "POST",
            "/v1/sessions/start",
            {"namespace": "user-bob", "metadata": {"channel": "web", "topic": "project-planning"}},
        ),
        (
            "POST",
            "/v1/memory/recall",
            {"namespace": "user-bob", "query": "How's the backend project going?", "top_k": 10},
        ),
        (
            "POST",
            "/v1/memory/store",
            {
                "namespace": "user-bob",
                "content": "Decided to use PostgreSQL",
                "session_id": "s1",
                "importance": 0.85,
                "metadata": {"type": "decision"},
            },
        ),
        ("POST", "/v1/sessions/s1/end", {}),
    ]


def test_a_value_takes_an_older_ones_place_is_read_in_the_past_and_is_put_back(
    service: ScriptedService, client: CrossSession
) -> None:
    service.answers(
        Answer(201, STORED),
        Answer(200, {"results": []}),
        Answer(200, {"block": "", "tokens": 0, "memories": [], "resolved_time": None}),
        Answer(200, {"id": "mem_1"}),
    )
    spring = datetime(2026, 3, 1, tzinfo=UTC)

    client.memory.store("c", namespace="b", subject="backend.database", supersedes="mem_0")
    client.memory.recall("q", namespace="b", subject="backend.database", as_of=spring)
    client.context("q", namespace="b", as_of="2026-03-01T00:00:00Z")
    client.memory.restore("mem_1", namespace="b")

    store, recall, context, restore = service.received
    assert store.body == {
        "namespace": "b",
        "content": "c",
        "subject": "backend.database",
        "supersedes": "mem_0",
    }
    assert recall.body["as_of"] == "2026-03-01T00:00:00+00:00"
    assert recall.body["subject"] == "backend.database"
    assert context.body["as_of"] == "2026-03-01T00:00:00Z"
    assert (restore.method, restore.target) == (
        "POST",
        "/v1/memory/deduplicated/mem_1/restore?namespace=b",
    )


EVENING = datetime(2026, 9, 21, 16, 13, 20, 999_999, timezone(timedelta(hours=2)))  # 1790000000.99

EACH_CALL: list[tuple[Callable[[CrossSession], object], str, object]] = [
    (
        lambda c: c.sessions.start("b", idle_timeout_secs=0),
        "POST /v1/sessions/start",
        {"namespace": "b", "idle_timeout_secs": 0},
    ),
    (
        lambda c: c.sessions.end("s1", summary="Chose PostgreSQL", auto_summarize=False),
        "POST /v1/sessions/s1/end",
        {"summary": "Chose PostgreSQL", "auto_summarize": False},
    ),
    (lambda c: c.sessions.touch("s1"), "POST /v1/sessions/s1/touch", None),
    (lambda c: c.sessions.get("s1"), "GET /v1/sessions/s1", None),
    (lambda c: c.sessions.list(), "GET /v1/sessions", None),
    (
        lambda c: c.sessions.list("b", active_only=True, limit=5, offset=0),
        "GET /v1/sessions?namespace=b&active_only=true&limit=5&offset=0",
        None,
    ),
    (
        lambda c: c.sessions.memories("s1", limit=5, offset=10),
        "GET /v1/sessions/s1/memories?limit=5&offset=10",
        None,
    ),
    (
        lambda c: c.memory.store(
            "c",
            namespace="b",
            memory_type="semantic",
            tags=("x", "y"),
            ttl_seconds=60,
            expires_at=EVENING,
            event_time="2026-03-01T09:00:00Z",
        ),
        "POST /v1/memory/store",
        {
            "namespace": "b",
            "content": "c",
            "memory_type": "semantic",
            "tags": ["x", "y"],
            "ttl_seconds": 60,
            "expires_at": 1790000000,
            "event_time": "2026-03-01T09:00:00Z",
        },
    ),
    (
        lambda c: c.memory.recall(
            "q",
            namespace="b",
            memory_type="episodic",
            min_importance=0.0,
            tags=["x"],
            session_id="s1",
            since=EVENING.replace(microsecond=0),
            until="2026-10-01T00:00:00Z",
            routing="hybrid",
            vector_weight=0.5,
        ),
        "POST /v1/memory/recall",
        {
            "namespace": "b",
            "query": "q",
            "memory_type": "episodic",
            "min_importance": 0.0,
            "tags": ["x"],
            "session_id": "s1",
            "since": "2026-09-21T16:13:20+02:00",
            "until": "2026-10-01T00:00:00Z",
            "routing": "hybrid",
            "vector_weight": 0.5,
        },
    ),
    (
        lambda c: c.memory.search("q", namespace="b", top_k=3),
        "POST /v1/memory/search",
        {"namespace": "b", "query": "q", "top_k": 3},
    ),
    (lambda c: c.memory.get("m1", namespace="b"), "GET /v1/memory/get/m1?namespace=b", None),
    (
        lambda c: c.memory.update("m1", namespace="b", content="c", tags=[]),
        "PUT /v1/memory/update/m1?namespace=b",
        {"content": "c", "tags": []},
    ),
    (
        lambda c: c.memory.forget(namespace="b", memory_ids=["m1"], tags=["x"], session_id="s1"),
        "POST /v1/memory/forget",
        {"namespace": "b", "memory_ids": ["m1"], "tags": ["x"], "session_id": "s1"},
    ),
    (
        lambda c: c.memory.forget(namespace="b", before=1790000000),
        "POST /v1/memory/forget",
        {"namespace": "b", "before_timestamp": 1790000000},
    ),
    (
        lambda c: c.memory.set_importance("m1", namespace="b", importance=1.0),
        "POST /v1/memory/importance",
        {"namespace": "b", "memory_id": "m1", "importance": 1.0},
    ),
    (lambda c: c.memory.stats("b"), "GET /v1/agents/b/stats", None),
    (lambda c: c.health(), "GET /health", None),
]


@pytest.mark.parametrize(("call", "line", "body"), EACH_CALL)
def test_each_call_sends_what_it_was_given_and_nothing_unset(
    service: ScriptedService,
    client: CrossSession,
    call: Callable[[CrossSession], object],
    line: str,
    body: object,
) -> None:
    service.answers(Answer(200, STARTED))

    call(client)

    request = service.only_request
    assert (f"{request.method} {request.target}", request.body) == (line, body)


def test_every_request_carries_the_api_key(service: ScriptedService, client: CrossSession) -> None:
    service.answers(Answer(200, {"status": "ok", "healthy": True}))

    assert client.health()["healthy"]

    assert service.only_request.headers["authorization"] == "Bearer dk-test"


def test_a_base_url_may_carry_a_stage_before_the_path(service: ScriptedService) -> None:
    service.answers(Answer(200, SESSION), Answer(200, SESSION))

    for base_url in (f"{service.url}/prod", f"{service.url}/prod/"):
        with CrossSession(base_url=base_url, api_key="dk-test") as client:
            client.sessions.get("s1")

    assert [r.target for r in service.received] == ["/prod/v1/sessions/s1", "/prod/v1/sessions/s1"]


def test_an_id_with_slashes_or_signs_stays_one_path_segment(
    service: ScriptedService, client: CrossSession
) -> None:
    service.answers(Answer(200, SESSION))

    client.sessions.get("a/../b?c=1#d 100% é")

    assert service.only_request.target == "/v1/sessions/a%2F..%2Fb%3Fc%3D1%23d%20100%25%20%C3%A9"


@pytest.mark.parametrize("session_id", ["", ".", ".."])
def test_an_id_that_would_name_another_path_is_refused(
    service: ScriptedService, client: CrossSession, session_id: str
) -> None:
    with pytest.raises(ValueError, match="session_id"):
        client.sessions.get(session_id)

    assert service.received == []


# Metadata


def test_explicit_arguments_win_over_metadata(
    service: ScriptedService, client: CrossSession
) -> None:
    service.answers(Answer(201, STORED))

    client.memory.store(
        "c",
        namespace="b",
        session_id="explicit",
        importance=0.0,
        metadata={"session_id": "inner", "importance": 0.9, "type": "decision"},
    )

    body = service.only_request.body
    assert (body["session_id"], body["importance"]) == ("explicit", 0.0)
    assert body["metadata"] == {"type": "decision"}


def test_the_callers_metadata_is_left_as_it_was(
    service: ScriptedService, client: CrossSession
) -> None:
    service.answers(Answer(201, STORED))
    metadata = {"session_id": "s1", "importance": 0.85, "type": "decision"}

    client.memory.store("c", namespace="b", metadata=metadata)

    assert metadata == {"session_id": "s1", "importance": 0.85, "type": "decision"}


def test_a_sessions_own_metadata_is_sent_whole(
    service: ScriptedService, client: CrossSession
) -> None:
    service.answers(Answer(201, STARTED))

    client.sessions.start("b", metadata={"importance": "high", "session_id": "of the chat"})

    assert service.only_request.body["metadata"] == {
        "importance": "high",
        "session_id": "of the chat",
    }


def test_each_item_of_a_batch_may_keep_session_and_importance_in_its_metadata(
    service: ScriptedService, client: CrossSession
) -> None:
    service.answers(Answer(201, {"stored": [], "stored_count": 2}))

    client.memory.store_batch(
        namespace="b",
        memories=[
            {"content": "one", "metadata": {"session_id": "s1", "importance": 0.7, "type": "fact"}},
            {"content": "two", "event_time": datetime(2026, 3, 1, tzinfo=UTC), "tags": ["x"]},
        ],
    )

    assert service.only_request.target == "/v1/memories/store/batch"
    assert service.only_request.body == {
        "namespace": "b",
        "memories": [
            {
                "content": "one",
                "session_id": "s1",
                "importance": 0.7,
                "metadata": {"type": "fact"},
            },
            {"content": "two", "event_time": "2026-03-01T00:00:00+00:00", "tags": ["x"]},
        ],
    }


def test_an_update_of_the_importance_alone_does_not_empty_the_metadata(
    service: ScriptedService, client: CrossSession
) -> None:
    service.answers(Answer(200), Answer(200))

    client.memory.update("m1", namespace="b", metadata={"importance": 0.9})
    client.memory.update("m1", namespace="b", metadata={})

    assert [r.body for r in service.received] == [{"importance": 0.9}, {"metadata": {}}]


# Times


def test_a_datetime_without_a_timezone_is_refused_by_the_arguments_name(
    service: ScriptedService, client: CrossSession
) -> None:
    naive = datetime(2026, 3, 1)  # noqa: DTZ001

    with pytest.raises(ValueError, match="since must be timezone-aware"):
        client.memory.recall("q", namespace="b", since=naive)
    with pytest.raises(ValueError, match="until must be timezone-aware"):
        client.memory.recall("q", namespace="b", until=naive)
    with pytest.raises(ValueError, match="event_time must be timezone-aware"):
        client.memory.store("c", namespace="b", event_time=naive)
    with pytest.raises(ValueError, match="before must be timezone-aware"):
        client.memory.forget(namespace="b", before=naive)

    assert service.received == []


def test_forgetting_before_a_datetime_never_reaches_past_it(
    service: ScriptedService, client: CrossSession
) -> None:
    service.answers(Answer(200, {"deleted_count": 0}))

    client.memory.forget(namespace="b", before=EVENING)

    assert service.only_request.body["before_timestamp"] == 1790000000


# Retries


@pytest.mark.parametrize("failure", [Answer(s) for s in (429, 500, 502, 503, 504)] + [HangUp()])
def test_a_write_that_fails_in_passing_is_repeated_with_the_same_idempotency_key(
    service: ScriptedService, client: CrossSession, failure: Answer | HangUp
) -> None:
    service.answers(failure, failure, Answer(201, STORED))

    stored = client.memory.store("Decided to use PostgreSQL", namespace="b")

    assert stored["memory"]["id"] == "mem_1"
    first, *repeated = service.idempotency_keys
    assert UUID(first).version == 4
    assert repeated == [first, first]
    assert len({json.dumps(request.body) for request in service.received}) == 1


def test_each_write_has_an_idempotency_key_of_its_own(
    service: ScriptedService, client: CrossSession
) -> None:
    service.answers(Answer(201, STORED), Answer(201, STORED), Answer(200), Answer(200, STARTED))

    client.memory.store("c", namespace="b")
    client.memory.store("c", namespace="b")
    client.memory.update("m1", namespace="b", content="d")
    client.sessions.touch("s1")

    assert None not in service.idempotency_keys
    assert len(set(service.idempotency_keys)) == 4


def test_reads_carry_no_idempotency_key_and_are_repeated_too(
    service: ScriptedService, client: CrossSession
) -> None:
    service.answers(Answer(500), Answer(200, {"results": []}), HangUp(), Answer(200, SESSION))

    client.memory.recall("q", namespace="b")
    client.sessions.get("s1")

    assert service.idempotency_keys == [None] * 4


def test_after_three_attempts_the_error_is_raised(
    service: ScriptedService, client: CrossSession, waits: list[float]
) -> None:
    service.answers(Answer(500), HangUp(), problem(503, "SERVICE_UNAVAILABLE", "Search is away"))

    with pytest.raises(ServiceUnavailableError, match="Search is away"):
        client.memory.store("c", namespace="b")

    assert len(service.received) == 3
    assert len(waits) == 2


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 418, 422, 501, 505])
def test_what_repeating_cannot_help_is_not_repeated(
    service: ScriptedService, client: CrossSession, status: int
) -> None:
    service.answers(Answer(status, headers={"Retry-After": "1"}))

    with pytest.raises(CrossSessionError):
        client.memory.store("c", namespace="b")

    assert len(service.received) == 1


def test_a_retry_after_in_seconds_is_obeyed(
    service: ScriptedService, client: CrossSession, waits: list[float]
) -> None:
    service.answers(Answer(429, headers={"Retry-After": "7"}), Answer(201, STORED))

    client.memory.store("c", namespace="b")

    assert waits == [7.0]


def test_a_retry_after_that_is_a_date_is_obeyed(
    service: ScriptedService, client: CrossSession, waits: list[float]
) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=20), usegmt=True)
    service.answers(Answer(503, headers={"Retry-After": date}), Answer(201, STORED))

    client.memory.store("c", namespace="b")

    [wait] = waits
    assert 2 < wait <= 20  # longer than any backoff, so it came from the date


@pytest.mark.parametrize(
    "retry_after",
    [
        "soon",
        "",
        "-1",
        "1.5",
        "Thu, 99 Foo 2026 00:00:00 GMT",
        "Thu, 01 Jan 99999999999999999999 00:00:00 GMT",
        "Sat, 01 Jan 2000 00:00:00 GMT",
        "Sat, 01 Jan 2000 00:00:00 -0000",
    ],
)
def test_a_retry_after_that_says_nothing_useful_leaves_the_usual_backoff(
    service: ScriptedService, client: CrossSession, waits: list[float], retry_after: str
) -> None:
    service.answers(Answer(503, headers={"Retry-After": retry_after}), Answer(201, STORED))

    client.memory.store("c", namespace="b")

    [wait] = waits
    assert 0 <= wait <= 1


def test_a_retry_after_too_long_to_wait_for_is_left_to_the_caller(
    service: ScriptedService, client: CrossSession, waits: list[float]
) -> None:
    service.answers(Answer(429, headers={"Retry-After": "3600"}))

    with pytest.raises(RateLimitError) as raised:
        client.memory.store("c", namespace="b")

    assert raised.value.retry_after == 3600
    assert (len(service.received), waits) == (1, [])


def test_the_backoff_doubles_and_jitter_spreads_it_down_to_nothing() -> None:
    error = ServerError("failed", status=500)

    longest = [retry_delay(error, attempt=n, jitter=1.0) for n in range(1, MAX_ATTEMPTS + 1)]

    assert longest == [1.0, 2.0, None]
    assert retry_delay(error, attempt=1, jitter=0.0) == 0.0


def test_a_retry_after_at_the_bound_is_still_waited_for() -> None:
    error = ServerError("failed", status=503, retry_after=LONGEST_WAIT_SECONDS)

    assert retry_delay(error, attempt=1, jitter=0.5) == LONGEST_WAIT_SECONDS


# Errors


@pytest.mark.parametrize(
    ("status", "error_class"),
    [
        (400, ValidationError),
        (401, AuthenticationError),
        (403, PermissionDeniedError),
        (404, NotFoundError),
        (409, ConflictError),
        (413, PayloadTooLargeError),
        (422, ValidationError),
        (429, RateLimitError),
        (500, ServerError),
        (501, FeatureNotAvailableError),
        (502, ServerError),
        (503, ServiceUnavailableError),
        (504, ServerError),
        (418, CrossSessionError),
        (302, CrossSessionError),
    ],
)
def test_each_failure_has_its_class_and_says_what_the_service_said(
    service: ScriptedService,
    client: CrossSession,
    status: int,
    error_class: type[CrossSessionError],
) -> None:
    answer = problem(status, "SOME_CODE", "What went wrong", request_id="r-1")
    service.answers(*[answer] * MAX_ATTEMPTS)

    with pytest.raises(CrossSessionError) as raised:
        client.sessions.get("s1")

    error = raised.value
    assert type(error) is error_class
    assert (error.status, error.code, error.detail) == (status, "SOME_CODE", "What went wrong")
    assert str(error) == f"What went wrong [{status} SOME_CODE request r-1]"


def test_a_refused_request_names_each_field_and_the_reason(
    service: ScriptedService, client: CrossSession
) -> None:
    errors = [
        {"field": "importance", "reason": "at most 1"},
        {"field": "content", "reason": "at most 100000 bytes"},
    ]
    service.answers(problem(400, "INVALID_REQUEST", "The request doesn't fit", errors=errors))

    with pytest.raises(ValidationError) as raised:
        client.memory.store("c", namespace="b", importance=2)

    assert raised.value.errors == errors
    assert "importance: at most 1; content: at most 100000 bytes" in str(raised.value)


@pytest.mark.parametrize(
    ("body", "content_type", "message"),
    [
        (b'{"message": "Missing Authentication Token"}', "application/json", "Missing Auth"),
        (b'{"Message": "explicit deny"}', "application/json", "explicit deny"),
        (b'{"error": "Plain words", "code": "X"}', "application/json", "Plain words"),
        (b'{"error": {"nested": true}}', "application/json", "Forbidden"),
        (b'["not", "an", "object"]', "application/json", "Forbidden"),
        (b"<html><title>403\n ERROR</title><p>x</html>", "text/html", "Forbidden: 403 ERROR"),
        (b"upstream\nsays no", "text/plain", "Forbidden: upstream says no"),
        (b"\xff\xfe", "text/plain", "Forbidden"),
        (b"", "text/plain", "Forbidden, with an empty body"),
    ],
)
def test_a_failure_that_something_in_between_answered_has_a_useful_message(
    service: ScriptedService, client: CrossSession, body: bytes, content_type: str, message: str
) -> None:
    service.answers(Answer(403, body, {"Content-Type": content_type, "apigw-requestid": "gw-1"}))

    with pytest.raises(PermissionDeniedError) as raised:
        client.sessions.get("s1")

    assert str(raised.value).startswith(message)
    assert raised.value.request_id == "gw-1"


def test_a_status_that_no_standard_names_is_an_error_too(
    service: ScriptedService, client: CrossSession
) -> None:
    service.answers(Answer(599, b""))

    with pytest.raises(ServerError, match="Unknown status"):
        client.sessions.get("s1")


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, b"<html>Welcome</html>", {"Content-Type": "text/html"}),
        Answer(200, {"no": "session"}),
        Answer(200, []),
        Answer(204, b""),
    ],
)
def test_a_success_that_is_not_the_services_is_an_error(
    service: ScriptedService, client: CrossSession, answer: Answer
) -> None:
    service.answers(answer)

    with pytest.raises(UnexpectedAnswerError, match="did not answer as the memory service"):
        client.sessions.start("b")

    assert len(service.received) == 1


def test_a_service_that_never_answers_is_a_connection_failure(service: ScriptedService) -> None:
    service.answers(Silence(), Silence(), Silence())

    with (
        CrossSession(base_url=service.url, api_key="dk-test", timeout=0.05) as client,
        pytest.raises(ConnectionFailedError, match="ReadTimeout"),
    ):
        client.health()

    assert len(service.received) == 3


def test_a_service_that_is_not_there_is_a_connection_failure() -> None:
    with socket.create_server(("127.0.0.1", 0)) as once_bound:
        server = f"127.0.0.1:{once_bound.getsockname()[1]}"

    with (
        CrossSession(base_url=f"http://{server}", api_key="dk-secret") as client,
        pytest.raises(ConnectionFailedError, match=f"no answer from {server}") as raised,
    ):
        client.health()

    assert raised.value.status is None
    assert "dk-secret" not in str(raised.value)


def test_an_error_survives_the_way_to_another_process() -> None:
    error = NotFoundError("No such session", status=404, code="SESSION_NOT_FOUND", request_id="r")

    copy = pickle.loads(pickle.dumps(error))  # noqa: S301

    assert (type(copy), str(copy)) == (NotFoundError, str(error))


# Making a client


def test_the_environment_fills_in_what_is_left_out(
    service: ScriptedService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CROSS_SESSION_URL", service.url)
    monkeypatch.setenv("CROSS_SESSION_API_KEY", "dk-environment\n")
    service.answers(Answer(200, {"healthy": True}))

    with CrossSession() as client:
        client.health()

    assert service.only_request.headers["authorization"] == "Bearer dk-environment"


def test_a_missing_setting_is_named_with_the_variable_that_would_fill_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("CROSS_SESSION_URL", raising=False)
    monkeypatch.delenv("CROSS_SESSION_API_KEY", raising=False)

    with pytest.raises(ValueError, match=r"api_key is missing.*CROSS_SESSION_API_KEY"):
        CrossSession(base_url="http://localhost:3300")
    with pytest.raises(ValueError, match=r"base_url is missing.*CROSS_SESSION_URL"):
        AsyncCrossSession(api_key="dk-test")


def test_a_base_url_without_a_scheme_is_refused() -> None:
    with pytest.raises(ValueError, match="base_url must start with http"):
        CrossSession(base_url="localhost:3300", api_key="dk-test")


def test_an_api_key_no_header_can_carry_is_refused_without_showing_it() -> None:
    with pytest.raises(ValueError, match="api_key") as raised:
        CrossSession(base_url="http://localhost:3300", api_key="dk-se\ncret")

    assert "cret" not in str(raised.value)


def test_a_closed_client_sends_nothing_more(service: ScriptedService) -> None:
    with CrossSession(base_url=service.url, api_key="dk-test") as client:
        pass

    with pytest.raises(RuntimeError, match="closed"):
        client.health()

    assert service.received == []


# asyncio


def test_the_async_client_has_the_same_calls_awaited(service: ScriptedService) -> None:
    service.answers(
        Answer(201, STARTED),
        Answer(200, {"results": []}),
        Answer(201, STORED),
        Answer(200, STARTED),
    )

    async def converse() -> None:
        async with AsyncCrossSession(base_url=service.url, api_key="dk-test") as client:
            session = await client.sessions.start(namespace="user-bob")
            context = await client.memory.recall(query="q", namespace="user-bob", top_k=10)
            assert context["results"] == []
            await client.memory.store(
                content="c",
                namespace="user-bob",
                metadata={"session_id": session["session_id"], "importance": 0.85},
            )
            await client.sessions.end(session_id=session["session_id"])

    asyncio.run(converse())

    assert [r.target for r in service.received] == [
        "/v1/sessions/start",
        "/v1/memory/recall",
        "/v1/memory/store",
        "/v1/sessions/s1/end",
    ]
    assert service.received[2].body == {
        "namespace": "user-bob",
        "content": "c",
        "session_id": "s1",
        "importance": 0.85,
    }


def test_the_async_client_repeats_and_fails_as_the_other_does(
    service: ScriptedService, waits: list[float]
) -> None:
    service.answers(
        Answer(500),
        Answer(429, headers={"Retry-After": "7"}),
        Answer(201, STORED),
        problem(404, "SESSION_NOT_FOUND", "No such session"),
    )

    async def write_then_miss() -> None:
        async with AsyncCrossSession(base_url=service.url, api_key="dk-test") as client:
            await client.memory.store("c", namespace="b")
            with pytest.raises(NotFoundError, match="No such session"):
                await client.sessions.get("s2")

    asyncio.run(write_then_miss())

    first, second, third, _ = service.idempotency_keys
    assert first is not None
    assert first == second == third
    assert waits[1:] == [7.0]


def test_async_calls_run_at_once_and_a_dropped_connection_is_a_connection_failure(
    service: ScriptedService,
) -> None:
    service.answers(*[HangUp()] * 6)

    async def two_at_once() -> list[object]:
        async with AsyncCrossSession(base_url=service.url, api_key="dk-test") as client:
            calls = [
                client.memory.store("c", namespace="b"),
                client.memory.store("d", namespace="b"),
            ]
            return list(await asyncio.gather(*calls, return_exceptions=True))

    outcomes = asyncio.run(two_at_once())

    assert [type(outcome) for outcome in outcomes] == [ConnectionFailedError] * 2
    assert sorted(Counter(service.idempotency_keys).values()) == [3, 3]


# What editors and type checkers see


async def types_of_results(client: CrossSession, async_client: AsyncCrossSession) -> None:
    """Not run: mypy is the test, and holds both signatures and results."""
    assert_type(client.sessions.start("b"), Session)
    assert_type(client.memory.recall("q", namespace="b"), RecalledMemories)
    assert_type(await async_client.sessions.start("b"), Session)
    recall = async_client.memory.recall("q", namespace="b")
    await assert_type(recall, Coroutine[Any, Any, RecalledMemories])
    client.memory.recall("q")  # type: ignore[call-arg]  # namespace is missing
    client.memory.store("c", namespace="b", importance="high")  # type: ignore[arg-type]


def test_help_shows_the_arguments_and_the_description(client: CrossSession) -> None:
    recall = inspect.signature(client.memory.recall)

    assert list(recall.parameters)[:3] == ["query", "namespace", "top_k"]
    assert "all sessions" in (inspect.getdoc(client.memory.recall) or "")
