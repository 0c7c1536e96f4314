"""Recall and store over HTTP: 10,000 memories in 100 namespaces, one client and eight.

The parts come from the answers' Server-Timing; "rest" is what the client waited beyond them:
HTTP, the gateway's adapter, routing, validation, ranking and serialization. `--url` and `--key`
take a service that runs; without them one is started with an engine of its own.
"""

import argparse
import re
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any

import httpx

from tests.bench.report import percentiles, table
from tests.bench.texts import note, question
from tests.e2e.service import LocalService, Service
from tests.ports import free_ports

NAMESPACES = 100
PER_NAMESPACE = 100
REQUESTS = {1: 400, 8: 1_600}
WARM_UP = 50
PARTS = ("embedding", "engine", "dynamodb")


@dataclass(frozen=True)
class Timing:
    """Seconds: as the client waited, and as the service says it spent them."""

    waited: float
    parts: dict[str, float]

    @property
    def rest(self) -> float:
        return self.waited - sum(self.parts.values())


Request = Callable[[httpx.Client, int], httpx.Response]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--url")
    arguments.add_argument("--key")
    chosen = arguments.parse_args()
    if chosen.url:
        measure(Service(chosen.url, chosen.key))
        return
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as state:
        service = LocalService.start(Path(state), port=free_ports(3), engine=None)
        try:
            measure(service)
        finally:
            service.stop()


def measure(service: Service) -> None:
    run = f"bench-{time.time_ns()}"
    _fill(service, run)
    sessions = _sessions(service, run)
    numbers = count(NAMESPACES * PER_NAMESPACE)

    def recall(client: httpx.Client, number: int) -> httpx.Response:
        body = {"query": question(number), "top_k": 10, "namespace": _namespace(run, number)}
        return client.post("/v1/memory/recall", json=body)

    def store(client: httpx.Client, number: int) -> httpx.Response:
        fresh = next(numbers)
        namespace = _namespace(run, number)
        session = sessions[number % NAMESPACES]
        body = {"content": note(fresh), "namespace": namespace, "session_id": session}
        return client.post("/v1/memory/store", json=body)

    rows: list[list[str]] = []
    medians: dict[tuple[str, int], float] = {}
    for name, request in (("recall", recall), ("store", store)):
        for clients, requests in REQUESTS.items():
            timings, rate = _timed(service, request, clients=clients, requests=requests)
            waited = [timing.waited for timing in timings]
            medians[name, clients] = median(waited)
            parts = [
                f"{median(timing.parts.get(part, 0.0) for timing in timings) * 1000:.1f}"
                for part in PARTS
            ]
            rest = f"{median(timing.rest for timing in timings) * 1000:.1f}"
            rows.append(
                [name, str(clients), *percentiles(waited, 50, 95, 99), *parts, rest, f"{rate:.0f}"]
            )
    print(f"\n{NAMESPACES * PER_NAMESPACE:,} memories in {NAMESPACES} namespaces, over HTTP; ms")
    print("(the parts are medians of their own, so they need not add up to p50)")
    print(table(("", "clients", "p50", "p95", "p99", *PARTS, "rest", "requests/s"), rows))
    print(f"store / recall, one client: {medians['store', 1] / medians['recall', 1]:.2f}")
    for name in ("recall", "store"):
        print(f"{name}, 8 clients / 1: {medians[name, 8] / medians[name, 1]:.2f}")


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


def _sessions(service: Service, run: str) -> list[str]:
    with _client(service) as client:
        answers = [
            client.post("/v1/sessions/start", json={"namespace": _namespace(run, index)})
            for index in range(NAMESPACES)
        ]
    return [answer.raise_for_status().json()["session"]["id"] for answer in answers]


def _timed(
    service: Service, request: Request, *, clients: int, requests: int
) -> tuple[list[Timing], float]:
    """Each request's timing, and how many were answered a second."""

    def run(numbers: range) -> list[Timing]:
        with _client(service) as client:
            return [_one(client, request, number) for number in numbers]

    run(range(WARM_UP))
    began = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        slices = [range(first, requests, clients) for first in range(clients)]
        timings = [timing for part in pool.map(run, slices) for timing in part]
    return timings, requests / (time.perf_counter() - began)


def _one(client: httpx.Client, request: Request, number: int) -> Timing:
    began = time.perf_counter()
    answer = request(client, number)
    waited = time.perf_counter() - began
    answer.raise_for_status()
    told = re.findall(r"(\w+);dur=([\d.]+)", answer.headers["server-timing"])
    parts: dict[str, Any] = {name: float(ms) / 1000 for name, ms in told if name in PARTS}
    return Timing(waited, parts)


def _namespace(run: str, number: int) -> str:
    return f"{run}-{number % NAMESPACES}"


def _client(service: Service) -> httpx.Client:
    headers = {"Authorization": f"Bearer {service.key}"}
    return httpx.Client(base_url=service.url, headers=headers, timeout=60)


if __name__ == "__main__":
    main()
