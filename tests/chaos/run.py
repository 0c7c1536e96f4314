"""One run: a service of its own, its clients, its faults, and the comparison at the end."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import get_args

import boto3

from cross_session.domain.usage import MAX_RATE_LIMIT
from infra.local import aws
from infra.routes import QUEUES
from tests.bench.report import table
from tests.chaos.client import Client
from tests.chaos.faults import Faults
from tests.chaos.ledger import Wrong
from tests.e2e.engine import Engine
from tests.e2e.service import LocalService
from tests.e2e.tenants import make_keys
from tests.ports import free_ports

TENANTS = ("chaos-a", "chaos-b")
NAMESPACES = ("n1", "n2", "n3", "n4")  # of each tenant, so that names are shared
REPORT_SECONDS = 10
VISIBILITY_SECONDS = 20  # for a message whose consumer was killed to come again within the run
DRAIN_SECONDS = 300
KINDS: tuple[Wrong, ...] = get_args(Wrong)


@dataclass
class Outcome:
    seed: int
    seconds: float
    done: Counter[str] = field(default_factory=Counter)
    repeats: Counter[str] = field(default_factory=Counter)
    injected: Counter[str] = field(default_factory=Counter)
    wrong: list[tuple[Wrong, str]] = field(default_factory=list)

    def __str__(self) -> str:
        counts = Counter(kind for kind, _ in self.wrong)
        parts = {
            f"done by {len(TENANTS) * len(NAMESPACES)} clients": self.done,
            "repeated by them, after": self.repeats,
            "injected": self.injected,
        }
        rows = [
            [name, what, f"{count:,}"]
            for name, counter in parts.items()
            for what, count in sorted(counter.items())
        ]
        rows += [["found", kind, str(counts[kind])] for kind in KINDS]
        lines = [f"  {kind}: {what}" for kind, what in self.wrong[:50]]
        head = f"{self.seconds / 60:.1f} minutes, seed {self.seed}"
        return "\n".join(["", table(("", head, ""), rows), *lines])


def run(state: Path, *, minutes: float, seed: int, say: Callable[[str], None] = print) -> Outcome:
    """Takes some two minutes more than `minutes`: to start, to let queues drain, to compare."""
    engine = Engine(state / "opensearch", port=free_ports(1))
    service = LocalService.start(state / "service", port=free_ports(3), engine=engine.url)
    try:
        return _run(service, engine, seconds=minutes * 60, seed=seed, say=say)
    finally:
        service.stop()
        engine.stop()


def _run(
    service: LocalService,
    engine: Engine,
    *,
    seconds: float,
    seed: int,
    say: Callable[[str], None],
) -> Outcome:
    assert service.process is not None
    queues = Queues(service.port + 1)
    queues.hurry()
    over = Event()
    places = {
        f"{tenant}/{namespace}": (tenant, namespace)
        for tenant in TENANTS
        for namespace in NAMESPACES
    }
    keys = make_keys(
        service,
        {
            name: {
                "tenant": tenant,
                "namespaces": [namespace],
                "scope": "write",
                "rate_limit_per_minute": MAX_RATE_LIMIT,
            }
            for name, (tenant, namespace) in places.items()
        },
    )
    clients = [
        Client(service.url, keys[name], namespace, name, seed=f"{seed}/{name}", over=over)
        for name, (_, namespace) in places.items()
    ]
    faults = Faults(engine, service.process.pid, seconds=seconds, seed=f"{seed}/faults")
    began = time.monotonic()
    for client in clients:
        client.start()

    def report() -> None:
        while not over.wait(REPORT_SECONDS):
            done = sum(client.done.total() for client in clients)
            told = ", ".join(f"{what} {count}" for what, count in sorted(faults.injected.items()))
            say(f"{time.monotonic() - began:.0f} s: {done:,} done; {told}")

    Thread(target=report, daemon=True).start()
    faults.run()
    time.sleep(max(0.0, began + seconds - time.monotonic()))
    over.set()
    for client in clients:
        client.join()
    say("waiting for the queues to drain")
    queues.drain()
    say("comparing")
    for client in clients:
        client.compare()
        client.close()
    queues.close()
    return _outcome(clients, faults, seconds=seconds, seed=seed)


def _outcome(clients: Sequence[Client], faults: Faults, *, seconds: float, seed: int) -> Outcome:
    outcome = Outcome(seed, seconds)
    for client in clients:
        outcome.done += client.done
        outcome.repeats += client.repeats
        outcome.wrong += client.ledger.wrong
    outcome.injected = faults.injected
    outcome.injected["answer lost"] = sum(client.lost_answers for client in clients)
    return outcome


class Queues:
    """The service's, by their addresses."""

    def __init__(self, port: int) -> None:
        self._sqs = boto3.client(
            "sqs",
            endpoint_url=f"http://127.0.0.1:{port}",
            region_name=aws.REGION,
            aws_access_key_id="local",
            aws_secret_access_key="local",
        )
        self._urls = [aws.queue_url(queue, port) for queue in QUEUES]
        self._dead = [aws.dead_letters_url(queue, port) for queue in QUEUES]

    def hurry(self) -> None:
        """Has a message whose consumer was killed come again soon."""
        for url in self._urls:
            attributes = {"VisibilityTimeout": str(VISIBILITY_SECONDS)}
            self._sqs.set_queue_attributes(QueueUrl=url, Attributes=attributes)  # type: ignore[arg-type]

    def close(self) -> None:
        self._sqs.close()

    def drain(self) -> None:
        """Returns once no message waits. Raises TimeoutError, and where one was given up."""
        deadline = time.monotonic() + DRAIN_SECONDS
        while any(map(self._holds, self._urls)):
            if time.monotonic() > deadline:
                raise TimeoutError("messages still wait")
            time.sleep(0.5)
        if any(map(self._holds, self._dead)):
            raise RuntimeError("there are dead letters")

    def _holds(self, url: str) -> int:
        counts = self._sqs.get_queue_attributes(
            QueueUrl=url,
            AttributeNames=[
                "ApproximateNumberOfMessages",
                "ApproximateNumberOfMessagesNotVisible",
            ],
        )["Attributes"]
        return sum(map(int, counts.values()))
