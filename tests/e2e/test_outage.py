"""OpenSearch killed, stopped and started under a running service."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.e2e.engine import Engine
from tests.e2e.service import ROOT, LocalService
from tests.ports import free_ports

WAIT_SECONDS = 90


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    engine = Engine(tmp_path_factory.mktemp("engine"), port=free_ports(1))
    yield engine
    engine.stop()


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory, engine: Engine) -> Iterator[LocalService]:
    """A service on that engine."""
    service = LocalService.start(
        tmp_path_factory.mktemp("own"), port=free_ports(3), engine=engine.url
    )
    yield service
    assert service.stop() == 0, (service.state / "serve.log").read_text()[-4000:]


@pytest.fixture
def http(own: LocalService) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {own.key}"}
    with httpx.Client(base_url=own.url, headers=headers, timeout=30) as client:
        yield client


def store(http: httpx.Client, namespace: str, content: str, **fields: Any) -> httpx.Response:
    body = {"namespace": namespace, "content": content, **fields}
    return http.post("/v1/memory/store", json=body)


def contents(http: httpx.Client, namespace: str) -> list[str] | None:
    """What is listed; None while the service says that it can't."""
    listed = http.get(f"/v1/agents/{namespace}/memories")
    if listed.status_code == 503:
        return None
    return [memory["content"] for memory in listed.raise_for_status().json()]


def eventually(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def count(http: httpx.Client, session: str) -> int:
    counted: int = http.get(f"/v1/sessions/{session}").json()["memory_count"]
    return counted


def test_stores_go_on_while_the_engine_is_away_and_are_found_once_it_is_back(
    engine: Engine, http: httpx.Client, namespace: str
) -> None:
    started = http.post("/v1/sessions/start", json={"namespace": namespace})
    session = started.json()["session"]["id"]
    assert store(http, namespace, "Before", session_id=session).json()["indexed"] is True
    engine.kill()

    began = time.monotonic()
    answer = store(http, namespace, "While away", session_id=session)
    spent = time.monotonic() - began
    items = [{"content": f"Item {number}", "session_id": session} for number in range(10)]
    batch = http.post("/v1/memories/store/batch", json={"namespace": namespace, "memories": items})

    assert (answer.status_code, answer.json()["indexed"]) == (202, False)
    memory = answer.json()["memory"]
    assert (memory["content"], memory["indexed"]) == ("While away", False)
    assert spent < 3
    assert (batch.status_code, batch.json()["indexed"]) == (202, False)
    assert batch.json()["stored_count"] == 10

    query = {"namespace": namespace, "query": "While away"}
    for refused in (
        http.post("/v1/memory/recall", json=query),
        http.post("/v1/context", json=query),
        http.get(f"/v1/agents/{namespace}/memories"),
        http.get(f"/v1/memory/get/{memory['id']}", params={"namespace": namespace}),
        http.post("/v1/memory/forget", json={"namespace": namespace, "session_id": session}),
        http.put(
            f"/v1/memory/update/{memory['id']}", json={"namespace": namespace, "importance": 1}
        ),
    ):
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1"), refused.url

    engine.start()
    eventually(lambda: len(contents(http, namespace) or ()) == 12)
    found = http.post("/v1/memory/recall", json=query).json()["results"]
    assert found[0]["content"] == "While away"
    got = http.get(f"/v1/memory/get/{memory['id']}", params={"namespace": namespace})
    assert got.json()["content"] == "While away"
    eventually(lambda: count(http, session) == 12)
    eventually(lambda: store(http, namespace, "After").status_code == 201)


def test_what_waits_for_the_engine_outlives_a_kill_of_all(
    own: LocalService, engine: Engine, http: httpx.Client, namespace: str
) -> None:
    engine.kill()
    assert store(http, namespace, "Waits").status_code == 202
    own.kill()

    engine.start()
    own.run()

    eventually(lambda: contents(http, namespace) == ["Waits"])


def test_a_store_does_not_wait_for_an_engine_that_hangs(
    engine: Engine, http: httpx.Client, namespace: str
) -> None:
    eventually(lambda: store(http, namespace, "Before").status_code == 201)
    with engine.hanging():
        began = time.monotonic()
        answer = store(http, namespace, "While it hangs")
        spent = time.monotonic() - began
        recalled = http.post("/v1/memory/recall", json={"namespace": namespace, "query": "hangs"})

    assert answer.status_code == 202
    assert spent < 3
    assert recalled.status_code == 503
    eventually(lambda: contents(http, namespace) == ["While it hangs", "Before"])


def test_what_is_forgotten_before_it_is_indexed_stays_forgotten(
    engine: Engine, http: httpx.Client, namespace: str
) -> None:
    with engine.hanging():
        memory = store(http, namespace, "Secret").json()["memory"]
    forget = {"namespace": namespace, "memory_ids": [memory["id"]]}
    assert http.post("/v1/memory/forget", json=forget).status_code == 200
    eventually(lambda: store(http, namespace, "Last").json()["indexed"])

    time.sleep(12)  # a message that waits is tried after 5 seconds

    assert contents(http, namespace) == ["Last"]


def test_dead_letters_are_sent_again_by_one_command(own: LocalService) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "infra.redrive"],
        cwd=ROOT,
        env=os.environ | {"PORT": str(own.port)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert "spill: 0 sent again, 0 left" in done.stdout.splitlines()
