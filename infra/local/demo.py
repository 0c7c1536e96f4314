"""A year with an assistant in two minutes: `make demo`.

Lives through `year.json`, 43 sessions of one user, on a service of its own (or the one that
CROSS_SESSION_URL and CROSS_SESSION_API_KEY name), and shows the context block that the assistant
gets for a question: while nothing is consolidated, and once all sessions are.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from cross_session.domain.sentences import repeats, sentences

YEAR = Path(__file__).with_name("year.json")
OVERVIEWS = ("How is the project going?", "What have we decided so far?")
DETAILS = (
    "Which database does the backend use?",
    "What did the load test show?",
    "How many of the interviewed gardeners plan on paper?",
    "When is Adaeze's birthday?",
)
IMPORTANT = 0.75
PATIENCE_SECS = 300
_PORT = 3310


def main() -> None:
    year = json.loads(YEAR.read_text(encoding="utf-8"))
    with _service() as client:
        namespace = f"{year['user']}-{time.time_ns()}"
        sessions = live_through(client, namespace, year["sessions"])
        count = sum(len(session["memories"]) for session in year["sessions"])
        print(f"\n{len(sessions)} sessions of {year['user']}, {count} memories, are stored.\n")
        questions = (*OVERVIEWS, *DETAILS)
        before = {question: context(client, namespace, question, year) for question in questions}
        for session_id in sessions:
            _post(client, f"/v1/sessions/{session_id}/end", {})
        print("The sessions end; each is summed up, and those of before last month stand back …")
        wait_until_consolidated(client, namespace, len(sessions))
        after = {question: context(client, namespace, question, year) for question in questions}
        show(before, after, current_facts(year))


def live_through(client: httpx.Client, namespace: str, sessions: list[dict[str, Any]]) -> list[str]:
    """The ids of the sessions, which stay open."""
    ids = []
    for session in sessions:
        about = {"namespace": namespace, "metadata": {"topic": session["topic"]}}
        started = _post(client, "/v1/sessions/start", about)["session"]
        ids.append(started["id"])
        memories = [
            {
                "content": one["content"],
                "importance": one["importance"],
                "event_time": session["date"],
                "session_id": started["id"],
                "metadata": {"type": one["type"]},
                **({"subject": one["subject"]} if "subject" in one else {}),
            }
            for one in session["memories"]
        ]
        _post(client, "/v1/memories/store/batch", {"namespace": namespace, "memories": memories})
        print(f"\r{session['date'][:10]} {session['topic']:<20}", end="", flush=True)
    return ids


def context(
    client: httpx.Client, namespace: str, question: str, year: dict[str, Any]
) -> dict[str, Any]:
    body = {
        "namespace": namespace,
        "query": question,
        "now": year["asked_at"],
        "timezone": year["timezone"],
    }
    told: dict[str, Any] = _post(client, "/v1/context", body)
    return told


def wait_until_consolidated(client: httpx.Client, namespace: str, sessions: int) -> None:
    deadline = time.monotonic() + PATIENCE_SECS
    path = f"/v1/agents/{namespace}/memories?memory_type=summary&limit=1000"
    while len(client.get(path).raise_for_status().json()) < sessions:
        if time.monotonic() > deadline:
            raise TimeoutError(f"not all sessions had a summary within {PATIENCE_SECS} seconds")
        time.sleep(0.5)


def current_facts(year: dict[str, Any]) -> list[str]:
    """What of the year is important, holds still, and is no repeat."""
    outdated = {value["content"] for fact in year["changed_facts"] for value in fact["values"][:-1]}
    return [
        one["content"]
        for session in year["sessions"]
        for one in session["memories"]
        if one["importance"] >= IMPORTANT
        and "repeats" not in one
        and one["content"] not in outdated
    ]


def show(
    before: dict[str, dict[str, Any]], after: dict[str, dict[str, Any]], facts: list[str]
) -> None:
    question = OVERVIEWS[0]
    for when, told in (("before", before[question]), ("after", after[question])):
        print(f"\n{question} — {when}, {told['tokens']} tokens:\n\n{told['block']}")
    print(
        f"\nBefore → after: tokens, and how many of the year's {len(facts)} facts of importance"
        f" {IMPORTANT} and more the block tells\n"
    )
    for question, told in after.items():
        tokens = f"{before[question]['tokens']:>4} → {told['tokens']}"
        numbers = f"{_told(facts, before[question])} → {_told(facts, told)}"
        print(f"{tokens:<12} {numbers:<9} {question}")


def _told(facts: list[str], told: dict[str, Any]) -> int:
    lines = told["block"].splitlines()
    said = [sentence for line in lines for sentence in sentences(line)]
    return sum(
        all(any(repeats(part, one) for one in said) for part in sentences(fact)) for fact in facts
    )


@contextmanager
def _service() -> Iterator[httpx.Client]:
    if url := os.environ.get("CROSS_SESSION_URL"):
        with _client(url, os.environ["CROSS_SESSION_API_KEY"]) as client:
            yield client
        return
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as state:
        port = int(os.environ.get("PORT", _PORT))
        environment = os.environ | {"PORT": str(port), "STATE_DIR": state}
        with (Path(state) / "serve.log").open("wb") as log:
            server = subprocess.Popen(
                [sys.executable, "-m", "infra.local.server"],
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        print("Starting a service of its own, which takes half a minute …")
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_until_up(url, server, Path(state) / "serve.log")
            with _client(url, (Path(state) / "key").read_text()) as client:
                yield client
        finally:
            server.terminate()
            server.wait(60)


def _client(url: str, key: str) -> httpx.Client:
    headers = {"Authorization": f"Bearer {key}"}
    return httpx.Client(base_url=url, headers=headers, timeout=60)


def _wait_until_up(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE_SECS
    while True:
        try:
            if httpx.get(f"{url}/health").is_success:
                return
        except httpx.TransportError:
            pass
        if server.poll() is not None or time.monotonic() > deadline:
            sys.exit(log.read_text()[-2_000:])
        time.sleep(0.2)


def _post(client: httpx.Client, path: str, body: dict[str, Any]) -> Any:
    return client.post(path, json=body).raise_for_status().json()


if __name__ == "__main__":
    main()
