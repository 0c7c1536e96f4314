"""How many recalls a second this machine takes, and whether memory holds still.

Recalls arrive at a fixed rate, whatever the service does, and each is counted from the moment that
it was due: a service that falls behind shows it. The rate rises until the 99th percentile passes
`BOUND_MS`. Beside each rate stands what share of the machine's cores each part used: the client
(this process), the gateway with the local DynamoDB, the environments that run the functions, and
OpenSearch. Then `--requests`, one store to nineteen recalls, with the resident memory of each part
on the way; exits 1 if that of the environments grows by a twentieth after the first quarter.
"""

import argparse
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import httpx

from tests.bench.report import percentiles, table
from tests.bench.texts import note, question
from tests.chaos.faults import workers_of
from tests.e2e.service import LocalService
from tests.ports import free_ports

NAMESPACES = 20
PER_NAMESPACE = 100
BOUND_MS = 250
FIRST_RATE = 20
FASTER = 10  # requests a second, from one step to the next
STEP_SECONDS = 15
WARM_UP = 100
CONNECTIONS = 64  # more requests than that are never under way
CLIENTS = 8
STORES = 20  # every so many-th request is a store
SHARES = (0.01, 0.1, 0.25, 0.5, 0.75, 1.0)
STEADY = 1.05
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")

Ask = Callable[[httpx.Client, int], httpx.Response]


def main() -> None:
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--requests", type=int, default=100_000)
    requests: int = arguments.parse_args().requests
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as state:
        service = LocalService.start(Path(state), port=free_ports(3), engine=None)
        try:
            _fill(service)
            find_rate(service)
            steady = requests == 0 or hold(service, requests)
        finally:
            service.stop()
    sys.exit(not steady)


def find_rate(service: LocalService) -> None:
    """Prints a line a rate, up to the first that is too high."""
    rows: list[list[str]] = []
    at_rate(service, FIRST_RATE, WARM_UP)
    highest, rate = 0, FIRST_RATE
    while True:
        began, before = time.perf_counter(), cpu_seconds(service)
        waited = at_rate(service, rate, rate * STEP_SECONDS)
        took = time.perf_counter() - began
        figures = percentiles(waited, 50, 95, 99)
        used = [
            f"{(seconds - before[part]) / took / (os.cpu_count() or 1):.0%}"
            for part, seconds in cpu_seconds(service).items()
        ]
        rows.append([str(rate), f"{len(waited) / took:.0f}", *figures, *used])
        print(f"{rate} a second: p99 {figures[-1]} ms", flush=True)
        if float(figures[-1]) >= BOUND_MS:
            break
        highest, rate = rate, rate + FASTER
    parts = [f"{part} CPU" for part in parts_of(service)]
    print(f"\n{NAMESPACES * PER_NAMESPACE:,} memories; ms from the moment that a recall was due")
    print(table(("rate", "answered/s", "p50", "p95", "p99", *parts), rows))
    print(f"highest rate with p99 under {BOUND_MS} ms: {highest} recalls a second")


def at_rate(service: LocalService, rate: int, requests: int) -> list[float]:
    """Seconds that each of the requests took, from when it was due."""
    numbers = count()

    def work(_: int) -> list[float]:
        waited = []
        while (number := next(numbers)) < requests:
            due = began + number / rate
            time.sleep(max(0.0, due - time.perf_counter()))
            _recall(client, number).raise_for_status()
            waited.append(time.perf_counter() - due)
        return waited

    with _client(service) as client, ThreadPoolExecutor(CONNECTIONS) as pool:
        began = time.perf_counter() + 0.1
        return [seconds for part in pool.map(work, range(CONNECTIONS)) for seconds in part]


def hold(service: LocalService, requests: int) -> bool:
    """Whether the environments' memory held still; prints a line a mark of the way."""
    numbers = count()
    done = 0
    lock = threading.Lock()
    marks = {int(requests * share): share for share in SHARES}
    rows: list[list[str]] = []
    resident: dict[float, int] = {}

    def work(_: int) -> None:
        nonlocal done
        with _client(service) as client:
            while (number := next(numbers)) < requests:
                ask = _store if number % STORES == 0 else _recall
                ask(client, number).raise_for_status()
                with lock:
                    done += 1
                    if done in marks:
                        sizes = resident_bytes(service)
                        resident[marks[done]] = sizes["environments"]
                        row = [f"{size / 2**20:.0f}" for size in sizes.values()]
                        rows.append([f"{done:,}", *row])
                        print(f"{done:,} requests: {', '.join(row)} MiB", flush=True)

    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(work, range(CLIENTS)))
    print("\nResident memory, MiB")
    print(table(("requests", *parts_of(service)), rows))
    grown = resident[1.0] / resident[0.25]
    print(f"environments, all requests / a quarter of them: {grown:.3f} (bound {STEADY})")
    return grown < STEADY


def parts_of(service: LocalService) -> Mapping[str, list[int]]:
    """The processes of each part."""
    assert service.process is not None
    server = service.process.pid
    return {
        "client": [os.getpid()],
        "gateway": [server],
        "environments": workers_of(server),
        "OpenSearch": [int((service.state / "opensearch" / "pid").read_text())],
    }


def cpu_seconds(service: LocalService) -> dict[str, float]:
    """What each part has used of a core since it started."""
    return {part: sum(map(_cpu, pids)) for part, pids in parts_of(service).items()}


def resident_bytes(service: LocalService) -> dict[str, int]:
    return {part: sum(map(_resident, pids)) for part, pids in parts_of(service).items()}


def _cpu(pid: int) -> float:
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / _TICKS


def _resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE


def _fill(service: LocalService) -> None:
    with _client(service) as client:
        for index in range(NAMESPACES):
            memories = [
                {"content": note(index * PER_NAMESPACE + number)} for number in range(PER_NAMESPACE)
            ]
            body = {"namespace": f"load-{index}", "memories": memories}
            client.post("/v1/memories/store/batch", json=body).raise_for_status()


def _recall(client: httpx.Client, number: int) -> httpx.Response:
    body = {"query": question(number), "namespace": f"load-{number % NAMESPACES}"}
    return client.post("/v1/memory/recall", json=body)


def _store(client: httpx.Client, number: int) -> httpx.Response:
    """One of ten thousand texts, so that memories don't grow for ever."""
    content = note(10_000 + number % 10_000)
    body = {"content": content, "namespace": f"load-{number % NAMESPACES}"}
    return client.post("/v1/memory/store", json=body)


def _client(service: LocalService) -> httpx.Client:
    headers = {"Authorization": f"Bearer {service.key}"}
    limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)
    return httpx.Client(base_url=service.url, headers=headers, timeout=60, limits=limits)


if __name__ == "__main__":
    main()
