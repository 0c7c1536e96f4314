"""What was acknowledged is there: after repeats, after rushes, after a kill."""

import os
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.e2e.service import ROOT, LocalService
from tests.ports import free_ports


def memories(http: httpx.Client, namespace: str) -> list[str]:
    listed = http.get(f"/v1/agents/{namespace}/memories", params={"limit": 1_000})
    return [memory["content"] for memory in listed.raise_for_status().json()]


def test_the_same_store_twice_is_one_memory(http: httpx.Client, namespace: str) -> None:
    body = {"namespace": namespace, "content": "The launch is in May", "importance": 0.7}

    first, second = (http.post("/v1/memory/store", json=body).json()["memory"] for _ in range(2))

    assert first == second
    assert memories(http, namespace) == ["The launch is in May"]


def test_eight_clients_storing_a_thousand_memories_leave_a_thousand(
    http: httpx.Client, namespace: str
) -> None:
    session = http.post("/v1/sessions/start", json={"namespace": namespace}).json()["session"]

    def store(number: int) -> int:
        body = {
            "namespace": namespace,
            "content": f"Fact number {number}",
            "session_id": session["id"],
        }
        return http.post("/v1/memory/store", json=body).status_code

    with ThreadPoolExecutor(8) as pool:
        statuses = set(pool.map(store, range(1_000)))

    assert statuses == {201}
    assert sorted(memories(http, namespace)) == sorted(f"Fact number {n}" for n in range(1_000))
    ended = http.post(f"/v1/sessions/{session['id']}/end").json()
    assert ended["memory_count"] == 1_000


def test_the_next_recall_finds_each_store(http: httpx.Client, namespace: str) -> None:
    for number in range(30):
        content = f"The code word of day {number} is {'abcdefghij'[number % 10] * 3}{number}"
        http.post("/v1/memory/store", json={"namespace": namespace, "content": content})
        query = {"namespace": namespace, "query": content, "top_k": 1}

        found = http.post("/v1/memory/recall", json=query).json()["results"]

        assert [one["content"] for one in found] == [content]


def test_what_was_acknowledged_outlives_kill_9_of_server_and_engine(tmp_path: Path) -> None:
    doomed = LocalService.start(tmp_path, port=free_ports(3), engine=None)
    acknowledged: list[str] = []
    sessions: list[str] = []
    enough = threading.Event()

    def write(client: int) -> None:
        headers = {"Authorization": f"Bearer {doomed.key}"}
        number = 0
        with httpx.Client(base_url=doomed.url, headers=headers, timeout=10) as http:
            while True:
                number += 1
                content = f"Client {client} wrote line {number}"
                try:
                    started = http.post("/v1/sessions/start", json={"namespace": "survivor"})
                    sessions.append(started.raise_for_status().json()["session"]["id"])
                    body = {
                        "namespace": "survivor",
                        "content": content,
                        "session_id": sessions[-1],
                    }
                    http.post("/v1/memory/store", json=body).raise_for_status()
                except httpx.HTTPError:
                    return
                acknowledged.append(content)
                if len(acknowledged) >= 60:
                    enough.set()

    writers = [threading.Thread(target=write, args=(client,)) for client in range(4)]
    for writer in writers:
        writer.start()
    assert enough.wait(60)
    engine_pid = int((doomed.state / "opensearch" / "pid").read_text())
    os.kill(engine_pid, signal.SIGKILL)
    doomed.kill()
    for writer in writers:
        writer.join()

    doomed.run()

    headers = {"Authorization": f"Bearer {doomed.key}"}
    with httpx.Client(base_url=doomed.url, headers=headers, timeout=10) as http:
        kept = set(memories(http, "survivor"))
        known = http.get("/v1/agents/survivor/sessions?limit=500").json()
    assert set(acknowledged) <= kept
    assert set(sessions) <= {session["id"] for session in known}
    assert doomed.stop() == 0
    assert not Path(f"/proc/{engine_pid}").exists()


def test_a_stop_leaves_no_engine_behind(tmp_path: Path) -> None:
    service = LocalService.start(tmp_path, port=free_ports(3), engine=None)
    pid = int((tmp_path / "opensearch" / "pid").read_text())
    assert service.process is not None

    service.process.send_signal(signal.SIGINT)

    assert service.process.wait(60) == 0
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_taken_port_is_told_in_one_line(tmp_path: Path) -> None:
    port = free_ports(1)
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()

        refused = subprocess.run(
            [sys.executable, "-m", "infra.local.server"],
            cwd=ROOT,
            env=os.environ | {"PORT": str(port), "STATE_DIR": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )

    assert refused.returncode == 1
    assert refused.stderr == (
        f"port {port} is taken: stop what uses it, or choose another with PORT=…\n"
    )
