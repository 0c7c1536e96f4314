"""What takes the place of what, and from when: [valid_from, valid_until).

A memory holds from its `event_time` until its successor's. One that is older than what
supersedes it held for that long; one that is not (a repeat, a value that was undone) never did.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from cross_session.domain.memory import Memory, SupersededKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A memory's place in the order of what superseded what; the fields as in `Memory`."""

    id: str
    subject: str | None
    event_time: int
    sequence: int
    valid_until: int | None = None
    superseded_by: str | None = None
    superseded_kind: SupersededKind | None = None
    superseded_at: int | None = None


Linked = TypeVar("Linked", Memory, Link)


def superseded(
    older: Linked, by: Memory | Link, *, kind: SupersededKind, at: int | None = None
) -> Linked:
    """The memory as it stands once the other has taken its place, at `at` by the clock."""
    return replace(
        older,
        superseded_by=by.id,
        superseded_kind=kind,
        superseded_at=at,
        valid_until=max(older.event_time, by.event_time),
    )


def current(one: Linked) -> Linked:
    """The memory as it stands while nothing has taken its place."""
    return replace(
        one, superseded_by=None, superseded_kind=None, superseded_at=None, valid_until=None
    )


def reordered(links: Iterable[Link], *, now: int) -> list[Link]:
    """Which values of one subject stand otherwise than their event times say, set right.

    Each is superseded by the next newer one, and the newest is current. What is superseded
    for another reason is left alone, and so is one whose successor is gone: the older value
    did not come true again.
    """
    values = sorted((link for link in links if link.superseded_kind in (None, "subject")), key=_age)
    known = {link.id for link in values}
    moved: list[Link] = []
    for older, newer in zip(values, [*values[1:], None], strict=True):
        held_until = older.valid_until
        if older.superseded_by not in {None, *known} and (
            newer is None or (held_until is not None and held_until <= newer.event_time)
        ):
            continue
        placed = superseded(older, newer, kind="subject", at=now) if newer else current(older)
        if (placed.superseded_by, placed.valid_until) != (older.superseded_by, held_until):
            moved.append(placed)
    return moved


def outdated(memories: Sequence[Memory]) -> set[str]:
    """The ids of those whose subject a newer one among them has."""
    newest: dict[str, Memory] = {}
    for memory in sorted(memories, key=_age):
        if memory.subject is not None:
            newest[memory.subject] = memory
    return {
        memory.id
        for memory in memories
        if memory.subject is not None and newest[memory.subject].id != memory.id
    }


def _age(one: Memory | Link) -> tuple[int, int, str]:
    """Sorts the oldest first; of two that happened in one second, the one stored first."""
    return one.event_time, one.sequence, one.id
