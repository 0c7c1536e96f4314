"""The memories moved into an index as the code wants it, while the service goes on."""

from dataclasses import dataclass
from time import monotonic
from typing import Literal

from cross_session.adapters import index_migration
from cross_session.errors import EngineUnavailableError

STEP_SECONDS = 20

State = Literal["copying", "blocked", "moved", "done", "waiting"]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far it is: memories in the new index, and in the old.

    From "blocked" until "moved" writes are answered as unavailable. "waiting": the engine is, and
    the step is to be repeated.
    """

    state: State
    copied: int = 0
    total: int = 0


class CopyDiffersError(RuntimeError):
    """The new index holds another number of memories than the old; which stays in use."""


def step() -> Progress:
    """Does the next part, about `STEP_SECONDS` of it; to be repeated until "done".

    Where it stands is in the engine alone: a step that was cut off is taken up by the next.
    No two may run at once.
    """
    try:
        return _step(until=monotonic() + STEP_SECONDS)
    except EngineUnavailableError:
        return Progress("waiting")


def _step(*, until: float) -> Progress:
    old = index_migration.current()
    if old is None or index_migration.fits(old):
        return Progress("done")
    new = index_migration.successor(old)
    blocked = index_migration.blocked(old)
    complete = (
        index_migration.copy(old, new, until=until)
        and index_migration.remove_deleted(old, new, until=until)
        and (blocked or index_migration.copy(old, new, until=until))
    )
    counts = index_migration.counts(old, new)
    if not complete:
        state: State = "copying"
    elif not blocked:
        index_migration.block(old)
        state = "blocked"
    elif counts.old != counts.new:
        raise CopyDiffersError(f"{new} holds {counts.new} memories, {old} {counts.old}")
    else:
        index_migration.switch(old, new)
        state = "moved"
    return Progress(state, counts.new, counts.old)
