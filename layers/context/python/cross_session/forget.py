"""Memories removed for good."""

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from time import time

from cross_session.adapters import memory_index, session_table
from cross_session.domain.memory import Memory
from cross_session.domain.selection import Selection
from cross_session.errors import InvalidRequestError, NotFoundError


def forget(tenant: str, namespace: str, selection: Selection) -> int:
    """Deletes what is selected and tells how many that were.

    Raises InvalidRequestError for an empty selection: nobody means "everything" by nothing.
    """
    if not selection:
        raise InvalidRequestError(
            "memory_ids", "name what to forget: memory_ids, tags, session_id or before_timestamp"
        )
    deleted = memory_index.delete(tenant, namespace, selection)
    _take_off_counts(deleted)
    return len(deleted)


def forget_expired() -> int:
    """Deletes the expired memories of every tenant and tells how many that were."""
    deleted = memory_index.delete_expired(now=int(time()))
    _take_off_counts(deleted)
    return len(deleted)


def _take_off_counts(deleted: Sequence[Memory]) -> None:
    counts = Counter(
        (memory.tenant, memory.namespace, memory.session_id)
        for memory in deleted
        if memory.session_id
    )
    for (tenant, namespace, session_id), count in counts.items():
        with suppress(NotFoundError):
            session_table.remove_memories(tenant, namespace, session_id, count=count)
