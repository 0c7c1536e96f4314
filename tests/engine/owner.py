"""A tenant's namespace, its memories, and threads that work on them at once."""

import math
import random
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from threading import Barrier
from time import time, time_ns
from typing import Any, TypeVar

from cross_session import recall as recalling
from cross_session.adapters import memory_index, session_table
from cross_session.adapters.index_schema import DIMENSIONS
from cross_session.domain.memory import Memory
from cross_session.domain.ranking import Ranked
from cross_session.domain.selection import Selection
from cross_session.domain.session import Session
from cross_session.recall import Routing
from cross_session.remember import Note, remember

Result = TypeVar("Result")

EVERYTHING = 10_000


@dataclass(frozen=True)
class Owner:
    tenant: str
    namespace: str

    def beside(self, namespace: str) -> "Owner":
        """The same tenant's other namespace."""
        return replace(self, namespace=namespace)

    def remember(self, *notes: Note | str) -> list[Memory]:
        stored = remember(
            self.tenant,
            self.namespace,
            [Note(content=note) if isinstance(note, str) else note for note in notes],
        )
        assert len(stored.memories) == len(notes)
        return stored.memories

    def recalled(
        self,
        query: str,
        *,
        limit: int = 100,
        routing: Routing = "hybrid",
        vector_weight: float | None = 0.5,
        **selection: Any,
    ) -> list[Ranked]:
        return recalling.recall(
            self.tenant,
            self.namespace,
            query,
            limit=limit,
            selection=Selection(**selection),
            routing=routing,
            vector_weight=vector_weight,
        ).ranked

    def recall(self, query: str, **options: Any) -> list[str]:
        """The contents of what is recalled, best first."""
        return [one.memory.content for one in self.recalled(query, **options)]

    def listed(self, **selection: Any) -> list[Memory]:
        """All the selected memories, newest first."""
        return self.selected(Selection(**selection))

    def selected(self, selection: Selection) -> list[Memory]:
        memories, total = memory_index.listed(
            self.tenant, self.namespace, selection, limit=EVERYTHING, now=int(time())
        )
        assert len(memories) == total
        return memories

    def contents(self, **selection: Any) -> list[str]:
        return [memory.content for memory in self.listed(**selection)]

    def get(self, memory_id: str) -> Memory:
        return memory_index.get(self.tenant, self.namespace, memory_id, now=int(time())).memory

    def session(self, session_id: str) -> Session:
        return session_table.get(self.tenant, session_id)

    def start(self, session_id: str) -> None:
        now = time()
        session_table.create(
            Session(
                id=session_id,
                tenant=self.tenant,
                namespace=self.namespace,
                started_at_ms=int(now * 1000),
                last_activity_at=int(now),
            )
        )

    def place(
        self, vectors: Sequence[Sequence[float]], *, ids: str = "mem", **fields: Any
    ) -> list[Memory]:
        """Puts memories with these vectors straight into the index, with no model's work.

        Their ids are `mem_0`, `mem_1` and so on, or begin with `ids`.
        """
        now, sequence = int(time()), time_ns()
        memories = [
            Memory(
                **{
                    "id": f"{ids}_{number}",
                    "tenant": self.tenant,
                    "namespace": self.namespace,
                    "content": f"placed memory number {number}",
                    "event_time": now,
                    "created_at": now,
                    "updated_at": now,
                    "sequence": sequence + number,
                    **fields,
                }
            )
            for number in range(len(vectors))
        ]
        assert memory_index.create(memories, vectors) == [None] * len(memories)
        return memories


def around(vector: Sequence[float], *, count: int, spread: float = 0.01) -> list[list[float]]:
    """Unit vectors close to this one; the same each time."""
    noise = random.Random(7)  # noqa: S311
    near = [[part + noise.gauss(0, spread) for part in vector] for _ in range(count)]
    return [[part / math.hypot(*parts) for part in parts] for parts in near]


def anywhere(count: int) -> list[list[float]]:
    """Unit vectors in all directions; the same each time."""
    return around([0.0] * DIMENSIONS, count=count, spread=1.0)


def at_once(calls: Iterable[Callable[[], Result]]) -> list[Result | Exception]:
    """What each call returned or raised, in order; none begins before all are ready."""
    calls = list(calls)
    start = Barrier(len(calls))

    def run(call: Callable[[], Result]) -> Result | Exception:
        start.wait()
        try:
            return call()
        except Exception as error:
            return error

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))
