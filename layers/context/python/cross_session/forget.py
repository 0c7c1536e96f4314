"""Memories removed for good."""

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from time import time, time_ns

from cross_session.adapters import memory_index, session_table, tombstones
from cross_session.domain.memory import Memory
from cross_session.domain.selection import Selection
from cross_session.errors import EngineUnavailableError, InvalidRequestError, NotFoundError
from cross_session.recount import recount, recounted_since
from cross_session.unsay import unsay


def forget(tenant: str, namespace: str, selection: Selection) -> int:
    """Deletes what is selected, and has what still waits for the index never get there.

    Tells how many it deleted. Raises InvalidRequestError for an empty selection, as nobody
    means "everything" by nothing, and EngineUnavailableError; then what waits still waits.
    """
    if not selection:
        raise InvalidRequestError(
            "memory_ids", "name what to forget: memory_ids, tags, session_id or before_timestamp"
        )
    began = time_ns()
    tombstone = tombstones.put(tenant, namespace, selection, at_ns=began)
    try:
        deleted = memory_index.delete(tenant, namespace, selection)
    except EngineUnavailableError:
        tombstones.withdraw(tombstone)
        raise
    _take_off_counts(deleted, began=began)
    _forget_summaries(tenant, namespace, selection, deleted)
    if selection.session_id is not None:  # heals what an earlier call left uncounted
        recount(tenant, namespace, selection.session_id)
    return len(deleted)


def forget_expired() -> int:
    """Deletes the expired memories of every tenant and tells how many that were."""
    began = time_ns()
    deleted = memory_index.delete_expired(now=int(time()))
    _take_off_counts(deleted, began=began)
    return len(deleted)


def _forget_summaries(
    tenant: str, namespace: str, selection: Selection, deleted: Sequence[Memory]
) -> None:
    """What is forgotten, no summary tells; and a summary that is named itself leaves its session
    as it was before, and is not made again."""
    summaries = [memory for memory in deleted if memory.memory_type == "summary"]
    details = [memory.id for memory in deleted if memory.memory_type != "summary"]
    unsay(tenant, namespace, details)
    if not summaries:
        return
    memory_index.uncover(tenant, namespace, [memory.id for memory in summaries])
    for memory in summaries:
        if memory.id in selection.ids and memory.session_id:
            with suppress(NotFoundError):
                session_table.keep_unsummarized(tenant, memory.session_id)


def _take_off_counts(deleted: Sequence[Memory], *, began: int) -> None:
    counts = Counter(
        (memory.tenant, memory.namespace, memory.session_id)
        for memory in deleted
        if memory.session_id and memory.memory_type != "summary"
    )
    for (tenant, namespace, session_id), count in counts.items():
        with suppress(NotFoundError):
            session = session_table.change_count(tenant, namespace, session_id, by=-count)
            if recounted_since(session, began):
                recount(tenant, namespace, session_id)
