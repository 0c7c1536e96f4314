"""All that a namespace holds, in an order that can be taken up again."""

from collections.abc import Iterator
from dataclasses import dataclass

from cross_session.adapters import memory_index, session_table
from cross_session.domain.memory import Memory
from cross_session.domain.session import Session


@dataclass(frozen=True, slots=True)
class Place:
    """Behind which record a walk goes on: a session's place, or a memory's sequence and id."""

    session: str | None = None
    memory: tuple[int, str] | None = None


def walk(
    tenant: str,
    namespace: str,
    *,
    after: Place,
    sessions: bool,
    superseded: bool,
    now: int,
) -> Iterator[tuple[Place, Session | Memory]]:
    """The sessions if asked for, then the memories, oldest first, each with its place.

    What is stored during the walk is met at its end; expired memories are left out.
    """
    if sessions and after.memory is None:
        for place, session in session_table.oldest_first(
            tenant, namespace, after=after.session or "", now=now
        ):
            yield Place(session=place), session
    for memory in memory_index.oldest_first(
        tenant, namespace, after=after.memory, superseded=superseded, now=now
    ):
        yield Place(memory=(memory.sequence, memory.id)), memory
