"""Clients that repeat what failed or was cut off: all is done, and done once."""

import itertools
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock, Thread
from typing import Any, ClassVar

import httpx
import pytest

from cross_session_client import CrossSession
from tests.e2e.service import Service
from tests.servers import Handler, serving

READS = ("recall", "search", "context")


class Troubles:
    """What happens to a request that was passed on: in turn, by its path and body."""

    def __init__(self) -> None:
        self._seen = Counter[bytes]()
        self._lock = Lock()
        self.made = 0

    def next_for(self, request: bytes) -> str | None:
        with self._lock:
            self._seen[request] += 1
            attempt = self._seen[request]
            self.made += attempt < 3
        return {1: "drop", 2: "fail"}.get(attempt)


@contextmanager
def troubled(service: Service) -> Iterator[tuple[str, Troubles]]:
    """The URL of a way to the service on which each write arrives, and is answered at the third
    time: before that the connection is dropped, and a 500 comes back."""
    troubles = Troubles()

    class Pass(Handler):
        passing: ClassVar[httpx.Client] = httpx.Client(base_url=service.url, timeout=30)

        def _pass(self) -> None:
            body = self.body()
            names = ("Authorization", "Content-Type", "Idempotency-Key")
            answer = self.passing.request(
                self.command,
                self.path,
                content=body,
                headers={name: self.headers[name] for name in names if name in self.headers},
            )
            is_read = self.command == "GET" or self.path.endswith(READS)
            trouble = None if is_read else troubles.next_for(self.path.encode() + body)
            if trouble == "drop":
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            if trouble == "fail":
                self.answer(500, b"")
            else:
                kind = answer.headers["Content-Type"]
                self.answer(answer.status_code, answer.content, kind)

        do_GET = do_POST = do_PUT = _pass  # noqa: N815

    with Pass.passing, serving(Pass) as url:
        yield url, troubles


def memories(http: httpx.Client, namespace: str) -> list[dict[str, Any]]:
    listed = http.get(f"/v1/agents/{namespace}/memories", params={"limit": 1_000})
    return list(listed.raise_for_status().json())


def test_our_client_gets_each_write_done_once(
    service: Service, http: httpx.Client, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cross_session_client.retries.BACKOFF_BASE_SECONDS", 0.01)
    with (
        troubled(service) as (url, troubles),
        CrossSession(base_url=url, api_key=service.key) as client,
    ):
        session = client.sessions.start(namespace=namespace)
        stored = [
            client.memory.store(
                content=f"Fact {number}", namespace=namespace, session_id=session["session_id"]
            )["memory"]
            for number in range(10)
        ]
        client.memory.store_batch(
            namespace=namespace,
            memories=[
                {"content": f"Item {number}", "session_id": session["session_id"]}
                for number in range(20)
            ],
        )
        client.memory.update(stored[0]["id"], namespace=namespace, importance=0.9)
        deleted = client.memory.forget(namespace=namespace, memory_ids=[stored[1]["id"]])
        ended = client.sessions.end(session_id=session["session_id"], summary="Done")
    assert troubles.made == 2 * 15

    assert http.get(f"/v1/sessions?namespace={namespace}").json()["total"] == 1
    kept = memories(http, namespace)
    expected = [f"Fact {n}" for n in range(10) if n != 1] + [f"Item {n}" for n in range(20)]
    assert sorted(memory["content"] for memory in kept) == sorted(expected)
    assert next(one for one in kept if one["id"] == stored[0]["id"])["importance"] == 0.9
    assert deleted["deleted_count"] == 1
    assert ended["memory_count"] == 29
    assert http.get(f"/v1/sessions/{session['session_id']}").json()["memory_count"] == 29


def test_a_client_that_repeats_without_keys_gets_each_memory_once(
    service: Service, http: httpx.Client, namespace: str
) -> None:
    started = http.post("/v1/sessions/start", json={"namespace": namespace})
    session = started.json()["session"]["id"]

    def post(client: httpx.Client, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """As the JS SDK does: any failure but a 4xx is repeated, three times in all."""
        for attempt in itertools.count(1):
            try:
                answer = client.post(path, json=body)
            except httpx.TransportError:
                assert attempt < 3
                continue
            if answer.is_success:
                return dict(answer.json())
            assert attempt < 3
        raise AssertionError

    headers = {"Authorization": f"Bearer {service.key}"}
    with (
        troubled(service) as (url, _),
        httpx.Client(base_url=url, headers=headers, timeout=30) as client,
    ):
        for number in range(10):
            body = {"agent_id": namespace, "content": f"Fact {number}", "session_id": session}
            post(client, "/v1/memory/store", body)
        items = [{"content": f"Item {number}", "session_id": session} for number in range(20)]
        post(client, "/v1/memories/store/batch", {"agent_id": namespace, "memories": items})
        of_item = memories(http, namespace)[0]["id"]
        post(client, "/v1/memory/forget", {"agent_id": namespace, "memory_ids": [of_item]})
        ended = post(client, f"/v1/sessions/{session}/end", {"summary": "Done"})

    assert len(memories(http, namespace)) == 29
    assert len({memory["content"] for memory in memories(http, namespace)}) == 29
    assert ended["memory_count"] == 29
    assert http.get(f"/v1/sessions/{session}").json()["summary"] == "Done"


def test_a_write_repeated_at_once_is_done_once(http: httpx.Client, namespace: str) -> None:
    body = {"namespace": namespace, "metadata": {"channel": "web"}}
    answers: list[httpx.Response] = []

    def start() -> None:
        headers = {"Idempotency-Key": f"{namespace}-1"}
        answers.append(http.post("/v1/sessions/start", json=body, headers=headers))

    threads = [Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    start()

    assert {answer.status_code for answer in answers} <= {201, 503}
    assert all(
        answer.headers["Retry-After"] == "1" for answer in answers if answer.status_code == 503
    )
    last = answers[-1]
    assert (last.status_code, last.headers["Idempotency-Replayed"]) == (201, "true")
    assert len({one.json()["session"]["id"] for one in answers if one.status_code == 201}) == 1
    assert http.get(f"/v1/sessions?namespace={namespace}").json()["total"] == 1
