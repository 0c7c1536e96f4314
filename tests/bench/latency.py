"""What the service costs in time, beside the bounds that the project sets itself.

Over HTTP, with one client and eight: recall and store at 10,000 memories in 100 namespaces, plain
hybrid search beside recall, and recall in the same namespaces once 90,000 memories lie in 900
others. In this process: re-scoring alone. In a fresh one: the import of a function without
memories.

The parts come from the answers' Server-Timing; "rest" is what the client waited beyond them:
HTTP, the gateway's adapter, routing, validation, ranking and serialization. `--url` and `--key`
take a service that runs; without them one is started with an engine of its own. Takes about
six minutes on two cores.
"""

import argparse
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from statistics import fmean, median
from typing import Any

import httpx
import numpy as np

from cross_session.adapters import memory_index
from cross_session.adapters.index_schema import ALIAS
from cross_session.domain.question import read
from cross_session.domain.ranking import FULL_LIST, Candidate, rank
from tests.bench.report import percentiles, table
from tests.bench.texts import note, question
from tests.builders import memory
from tests.e2e.service import LocalService, Service
from tests.ports import free_ports

NAMESPACES = 100
PER_NAMESPACE = 100
OTHERS = 900
BULK = 1_000
TENANT = "default"  # the local key's
REQUESTS = {1: 400, 8: 1_600}
WARM_UP = 50
RANKINGS = 500
IMPORTS = 5
PARTS = ("embedding", "engine", "dynamodb")
HEAVY = ("onnxruntime", "opensearchpy")
FIGURES = ("p50", "p95", "p99", *PARTS, "rest")

BESIDE_PLAIN = 1.25
BESIDE_FEWER = 1.3
BESIDE_UNLIMITED = 1.1
RANKING_MS = 1.0


@dataclass(frozen=True)
class Timing:
    """Seconds: as the client waited, and as the service says it spent them."""

    waited: float
    parts: dict[str, float]
    limits: float

    @property
    def rest(self) -> float:
        return self.waited - sum(self.parts.values())


Request = Callable[[httpx.Client, int], httpx.Response]


def main() -> None:
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--url")
    arguments.add_argument("--key")
    chosen = arguments.parse_args()
    if chosen.url:
        measure(Service(chosen.url, chosen.key), engine=None)
    else:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as state:
            service = LocalService.start(Path(state), port=free_ports(3), engine=None)
            try:
                measure(service, engine=f"http://127.0.0.1:{service.port + 2}")
            finally:
                service.stop()
    _measure_ranking()
    _measure_import()


def measure(service: Service, *, engine: str | None) -> None:
    """`engine` is the address of the service's OpenSearch, None where it can't be reached."""
    run = f"bench-{time.time_ns()}"
    _fill(service, run)
    sessions = _sessions(service, run)
    numbers = count(NAMESPACES * PER_NAMESPACE)

    def recall(client: httpx.Client, number: int, **options: Any) -> httpx.Response:
        body = {"query": question(number), "top_k": 10, "namespace": _namespace(run, number)}
        return client.post("/v1/memory/recall", json=body | options)

    def plain(client: httpx.Client, number: int) -> httpx.Response:
        return recall(client, number, rerank=False)

    def store(client: httpx.Client, number: int) -> httpx.Response:
        fresh = next(numbers)
        namespace = _namespace(run, number)
        session = sessions[number % NAMESPACES]
        body = {"content": note(fresh), "namespace": namespace, "session_id": session}
        return client.post("/v1/memory/store", json=body)

    timed: dict[tuple[str, int], list[Timing]] = {}
    timed["recall", 1], timed["plain hybrid", 1] = _timed(service, recall, plain, clients=1)
    [timed["recall", 8]] = _timed(service, recall, clients=8)
    [timed["store", 1]] = _timed(service, store, clients=1)
    [timed["store", 8]] = _timed(service, store, clients=8)
    medians = {key: _median(timings) for key, timings in timed.items()}
    print(f"\n{NAMESPACES * PER_NAMESPACE:,} memories in {NAMESPACES} namespaces, over HTTP; ms")
    print("(the parts are medians of their own, so they need not add up to p50)")
    rows = [
        [name, str(clients), *_figures(timings), f"{clients / _mean(timings):.0f}"]
        for (name, clients), timings in timed.items()
    ]
    print(table(("", "clients", *FIGURES, "requests/s"), rows))
    beside_plain = medians["recall", 1] / medians["plain hybrid", 1]
    print(f"recall / plain hybrid, one client in turn: {beside_plain:.2f} (bound {BESIDE_PLAIN})")
    unlimited = median(timing.waited - timing.limits for timing in timed["recall", 1])
    print(
        f"recall / recall without the limits' part: {medians['recall', 1] / unlimited:.3f}"
        f" (bound {BESIDE_UNLIMITED})"
    )
    print(f"store / recall, one client: {medians['store', 1] / medians['recall', 1]:.2f}")
    for name in ("recall", "store"):
        print(f"{name}, 8 clients / 1: {medians[name, 8] / medians[name, 1]:.2f}")

    if engine is None:
        print("\nRecall among ten times as many memories: skipped, --url names no engine to fill")
        return
    _settle(engine)
    [before] = _timed(service, recall, clients=1)
    fewer = next(numbers)
    more = _grow(engine, run, first=fewer)
    _settle(engine)
    [after] = _timed(service, recall, clients=1)
    print(f"\nRecall in the same {NAMESPACES} namespaces, one client; ms")
    rows = [
        [f"{memories:,} memories in {namespaces:,}", *_figures(timings)]
        for memories, namespaces, timings in (
            (fewer, NAMESPACES, before),
            (more, NAMESPACES + OTHERS, after),
        )
    ]
    print(table(("", *FIGURES), rows))
    print(f"after / before: {_median(after) / _median(before):.2f} (bound {BESIDE_FEWER})")


def _fill(service: Service, run: str) -> None:
    with _client(service) as client:
        for index in range(NAMESPACES):
            memories = [
                {"content": note(index * PER_NAMESPACE + number)} for number in range(PER_NAMESPACE)
            ]
            body = {"namespace": _namespace(run, index), "memories": memories}
            client.post("/v1/memories/store/batch", json=body).raise_for_status()
            if (index + 1) % 10 == 0:
                print(f"filled {index + 1} of {NAMESPACES} namespaces", flush=True)


def _grow(engine: str, run: str, *, first: int) -> int:
    """Adds `OTHERS` namespaces, past the model: each vector lies between two of the first
    namespaces' and a bit off. Returns how many memories there are then."""
    os.environ["OPENSEARCH_URL"] = engine
    now = int(time.time())
    embedded = np.array(
        [
            vector
            for index in range(3)
            for _, vector in memory_index.with_vectors(
                TENANT, _namespace(run, index), limit=PER_NAMESPACE, now=now
            )
        ]
    )
    chance = np.random.default_rng(0)
    last = first + OTHERS * PER_NAMESPACE
    for start in range(first, last, BULK):
        one, other = embedded[chance.integers(len(embedded), size=(2, BULK))]
        share, noise = chance.random((BULK, 1)), chance.normal(0, 0.01, one.shape)
        mixed = share * one + (1 - share) * other + noise
        vectors = mixed / np.linalg.norm(mixed, axis=1, keepdims=True)
        memories = [
            memory(
                f"mem_{number:032x}",
                tenant=TENANT,
                namespace=f"{run}-{NAMESPACES + number % OTHERS}",
                content=note(number),
                event_time=now,
                created_at=now,
                updated_at=now,
            )
            for number in range(start, start + BULK)
        ]
        memory_index.create(memories, vectors.tolist())
        if (start + BULK - first) % 10_000 == 0:
            print(f"added {start + BULK - first:,} of {last - first:,} memories", flush=True)
    return last


def _settle(engine: str) -> None:
    """Waits until the engine merges nothing."""
    while True:
        answer = httpx.get(f"{engine}/{ALIAS}/_stats/merge").raise_for_status()
        if not answer.json()["_all"]["primaries"]["merges"]["current"]:
            return
        time.sleep(0.5)


def _sessions(service: Service, run: str) -> list[str]:
    with _client(service) as client:
        answers = [
            client.post("/v1/sessions/start", json={"namespace": _namespace(run, index)})
            for index in range(NAMESPACES)
        ]
    return [answer.raise_for_status().json()["session"]["id"] for answer in answers]


def _timed(service: Service, *requests: Request, clients: int) -> list[list[Timing]]:
    """The timings of each of `requests`, which are made in turn, each as often first."""
    turns = len(requests)

    def run(numbers: range) -> list[list[Timing]]:
        timings: list[list[Timing]] = [[] for _ in requests]
        with _client(service) as client:
            for number in numbers:
                for turn in range(number, number + turns):
                    timings[turn % turns].append(_one(client, requests[turn % turns], number))
        return timings

    run(range(WARM_UP))
    with ThreadPoolExecutor(clients) as pool:
        slices = [range(first, REQUESTS[clients], clients) for first in range(clients)]
        parts = list(pool.map(run, slices))
    return [[timing for part in parts for timing in part[index]] for index in range(turns)]


def _one(client: httpx.Client, request: Request, number: int) -> Timing:
    began = time.perf_counter()
    answer = request(client, number)
    waited = time.perf_counter() - began
    answer.raise_for_status()
    told = re.findall(r"(\w+);dur=([\d.]+)", answer.headers["server-timing"])
    seconds = {name: float(ms) / 1000 for name, ms in told}
    parts = {name: spent for name, spent in seconds.items() if name in PARTS}
    return Timing(waited, parts, seconds["limits"])


def _figures(timings: Sequence[Timing]) -> list[str]:
    parts = [[timing.parts.get(part, 0.0) for timing in timings] for part in PARTS]
    rest = [timing.rest for timing in timings]
    waited = percentiles([timing.waited for timing in timings], 50, 95, 99)
    return [*waited, *(f"{median(seconds) * 1000:.1f}" for seconds in (*parts, rest))]


def _median(timings: Sequence[Timing]) -> float:
    return median(timing.waited for timing in timings)


def _mean(timings: Sequence[Timing]) -> float:
    return fmean(timing.waited for timing in timings)


def _measure_ranking() -> None:
    now = datetime.now(UTC)
    candidates = _candidates(int(now.timestamp()))
    print(f"\nRe-scoring {len(candidates)} candidates in this process, p50 (bound {RANKING_MS} ms)")
    for text in (
        "What did we say about the billing service and the vendor contract?",
        "When did Ada review the billing service last week?",
        "Who owns the billing service now?",
    ):
        asked = read(text, actors=["Ada"], now=now, timezone=UTC)
        seconds = []
        for _ in range(RANKINGS):
            began = time.perf_counter()
            rank(candidates, asked, corpus=100_000, now=int(now.timestamp()))
            seconds.append(time.perf_counter() - began)
        print(f"  {median(seconds) * 1000:.2f} ms  {text}")


def _candidates(now: int) -> list[Candidate]:
    """As many as a recall can have, none found by both searches; of twenty sessions, ten are
    chats and ten keep notes."""
    chance = random.Random(0)  # noqa: S311
    candidates = []
    for number in range(2 * FULL_LIST):
        session, turn = divmod(number, 10)
        is_turn = session % 2 == 0
        one = memory(
            f"mem_{number:032x}",
            content=note(number),
            session_id=f"session-{session}",
            metadata={"actor": "Ada"} if is_turn else {"type": "decision"},
            preceding=f"Ada: {note(number - 1)}" if is_turn and turn else None,
            event_time=now - number * 3_600,
            sequence=number,
        )
        bm25, cosine = chance.uniform(4, 14), chance.uniform(0.78, 0.9)
        candidates.append(
            Candidate(one, bm25, None) if number % 2 else Candidate(one, None, cosine)
        )
    return candidates


def _measure_import() -> None:
    program = (
        "import sys, time; began = time.perf_counter(); import functions.sessions;"
        " print(time.perf_counter() - began, *sys.modules)"
    )
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    seconds: list[float] = []
    with tempfile.TemporaryDirectory() as bytecode:
        command = [sys.executable, "-X", f"pycache_prefix={bytecode}", "-c", program]
        for _ in range(1 + IMPORTS):
            done = subprocess.run(
                command, env=environment, check=True, capture_output=True, text=True
            )
            took, *modules = done.stdout.split()
            seconds.append(float(took))
    first, *others = seconds
    print(
        f"\nImport of functions.sessions: {median(others) * 1000:.0f} ms, median of {IMPORTS}"
        f" ({first * 1000:.0f} where Python has to compile all first)"
    )
    for name in HEAVY:
        print(f"  {name}: {'LOADED' if name in modules else 'not loaded'}")


def _namespace(run: str, number: int) -> str:
    return f"{run}-{number % NAMESPACES}"


def _client(service: Service) -> httpx.Client:
    headers = {"Authorization": f"Bearer {service.key}"}
    return httpx.Client(base_url=service.url, headers=headers, timeout=60)


if __name__ == "__main__":
    main()
