"""Requests to OpenSearch: whose signature they carry, and over which connection they go."""

import json
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from cross_session.adapters import memory_index, opensearch
from cross_session.domain.memory import Memory
from cross_session.domain.selection import Selection
from cross_session.settings import engine_settings
from tests.servers import Handler, serving

FIRST = Credentials("first-id", "first-secret", "first-token")
SECOND = Credentials("second-id", "second-secret", "second-token")
MEMORY = Memory(
    id="mem_1",
    tenant="acme",
    namespace="user-bob",
    content="naïve – „quoted“ + 100 % ~ and more",
    event_time=1,
    created_at=1,
    updated_at=1,
    sequence=1,
)
ANSWERS: dict[str, Any] = {
    "_bulk": {"errors": False, "items": [{"create": {"status": 201}}]},
    "_search": {"hits": {"hits": [], "total": {"value": 0}}},
    "_update": {},
}


@dataclass
class Received:
    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Server:
    """Answers as OpenSearch would, and the credentials' endpoint as Lambda's container would."""

    url: str = ""
    requests: list[Received] = field(default_factory=list)
    connections: set[int] = field(default_factory=set)
    credentials: Credentials = FIRST
    lives_for: timedelta = timedelta(hours=6)
    hangs_up: bool = False


@contextmanager
def receiving() -> Iterator[Server]:
    server = Server()

    class Answer(Handler):
        def _answer(self) -> None:
            body = self.body()
            if self.path == "/credentials":
                self._send(_as_container(server))
                return
            url = f"{server.url}{self.path}"
            server.requests.append(Received(self.command, url, dict(self.headers), body))
            server.connections.add(self.client_address[1])
            if server.hangs_up:
                server.hangs_up = False
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            [answer] = [answer for part, answer in ANSWERS.items() if part in self.path]
            self._send(answer)

        do_GET = do_POST = _answer  # noqa: N815

        def _send(self, answer: object) -> None:
            self.answer(200, json.dumps(answer).encode())

    with serving(Answer) as server.url:
        yield server


def _as_container(server: Server) -> dict[str, str | None]:
    return {
        "AccessKeyId": server.credentials.access_key,
        "SecretAccessKey": server.credentials.secret_key,
        "Token": server.credentials.token,
        "Expiration": (datetime.now(UTC) + server.lives_for).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with receiving() as server:
        for name in [*os.environ]:
            if name.startswith(("AWS_", "OPENSEARCH_")):
                monkeypatch.delenv(name)
        monkeypatch.setenv("OPENSEARCH_URL", server.url)
        monkeypatch.setenv("AWS_REGION", "eu-central-1")
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{server.url}/credentials")
        engine_settings.cache_clear()
        opensearch.client.cache_clear()
        yield server
        opensearch.client().close()
        opensearch.client.cache_clear()
        engine_settings.cache_clear()


@pytest.fixture
def signed(server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    monkeypatch.setenv("OPENSEARCH_SIGNING", "aws")
    return server


def list_memories() -> None:
    memory_index.listed("acme", "user-bob", Selection(), limit=1, now=1)


def signed_headers(request: Received) -> list[str]:
    return request.headers["Authorization"].split("SignedHeaders=")[1].split(",")[0].split(";")


def signature(request: Received, credentials: Credentials) -> str:
    """What the Authorization header must be for OpenSearch to take this request as it came."""
    names = signed_headers(request)
    headers = {name: value for name, value in request.headers.items() if name.lower() in names}
    seen = AWSRequest(request.method, request.url, headers=headers, data=request.body)
    seen.context["timestamp"] = request.headers["X-Amz-Date"]
    auth = SigV4Auth(credentials, "es", "eu-central-1")
    text = auth.string_to_sign(seen, auth.canonical_request(seen))
    return (
        f"AWS4-HMAC-SHA256 Credential={auth.scope(seen)}, SignedHeaders={';'.join(names)}, "
        f"Signature={auth.signature(text, seen)}"
    )


def test_each_request_is_signed_over_what_is_sent(signed: Server) -> None:
    memory_index.create([MEMORY], [[0.5] * 384])
    stored = memory_index.Stored(MEMORY, index="memories-v1-000001", seq_no=7, primary_term=1)
    memory_index.replace(stored, MEMORY, None)
    list_memories()

    assert len(signed.requests) == 3
    for request in signed.requests:
        assert request.headers["Authorization"] == signature(request, FIRST)
        assert request.headers["X-Amz-Security-Token"] == "first-token"
        assert signed_headers(request) == ["host", "x-amz-date", "x-amz-security-token"]


def test_another_body_or_another_secret_would_have_another_signature(signed: Server) -> None:
    list_memories()

    [request] = signed.requests
    assert request.headers["Authorization"] != signature(request, SECOND)
    request.body += b" "
    assert request.headers["Authorization"] != signature(request, FIRST)


def test_credentials_that_run_out_are_renewed_between_requests(signed: Server) -> None:
    signed.lives_for = timedelta(minutes=5)  # less than botocore lets them run down to
    list_memories()
    signed.credentials = SECOND

    list_memories()

    before, after = signed.requests
    assert before.headers["Authorization"] == signature(before, FIRST)
    assert after.headers["Authorization"] == signature(after, SECOND)


def test_nothing_is_signed_where_the_setting_is_absent(server: Server) -> None:
    list_memories()

    assert "Authorization" not in server.requests[0].headers


def test_a_setting_that_says_neither_fails_with_its_name(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert server
    monkeypatch.setenv("OPENSEARCH_SIGNING", "yes")

    with pytest.raises(RuntimeError, match="OPENSEARCH_SIGNING"):
        engine_settings()

    monkeypatch.delenv("OPENSEARCH_SIGNING")


def test_requests_follow_each_other_on_one_connection(server: Server) -> None:
    for _ in range(3):
        list_memories()

    assert len(server.connections) == 1


def test_a_connection_that_died_while_it_was_kept_is_replaced(server: Server) -> None:
    list_memories()
    server.hangs_up = True

    list_memories()

    assert len(server.requests) == 3
    assert len(server.connections) == 2
