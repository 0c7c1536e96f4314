"""A namespace removed for good, with a receipt."""

import secrets
from collections.abc import Callable
from dataclasses import replace
from time import monotonic, time, time_ns

from cross_session.adapters import (
    erasure_table,
    memory_index,
    namespace_table,
    session_table,
    tombstones,
)
from cross_session.domain.erasure import Erasure
from cross_session.domain.selection import Selection

_TIME_BUDGET_SECS = 20  # a request has 30
_SESSIONS = 500


def erase(tenant: str, namespace: str, *, clock: Callable[[], float] = monotonic) -> Erasure:
    """Deletes all of a namespace, as far as it comes within `_TIME_BUDGET_SECS`.

    An answer without `erased_at` is to be continued by calling again. One with it has been
    confirmed: a re-read found nothing. Called again after that, it tells of the same
    erasure unless there was something new to delete.
    """
    until = clock() + _TIME_BUDGET_SECS
    tombstones.put(tenant, namespace, Selection(), at_ns=time_ns())  # for what SQS still holds
    namespace_table.cancel(tenant, namespace)
    before = erasure_table.find(tenant, namespace)
    erasure = before if before is not None and before.erased_at is None else _begun(namespace)
    while clock() < until:
        memories = memory_index.delete_some(tenant, namespace)
        sessions = _delete_sessions(tenant, namespace)
        records = namespace_table.delete_all(tenant, namespace)
        if not any((memories, sessions, records)) and _is_empty(tenant, namespace):
            if before is not None and erasure.memories + erasure.sessions + erasure.records == 0:
                erasure = before
            erasure = replace(erasure, erased_at=erasure.erased_at or int(time()))
            break
        erasure = replace(
            erasure,
            memories=erasure.memories + memories,
            sessions=erasure.sessions + sessions,
            records=erasure.records + records,
        )
        erasure_table.put(tenant, erasure)
    erasure_table.put(tenant, erasure)
    return erasure


def _begun(namespace: str) -> Erasure:
    return Erasure(
        receipt_id=f"era_{secrets.token_hex(16)}",
        namespace=namespace,
        requested_at=int(time()),
    )


def _delete_sessions(tenant: str, namespace: str) -> int:
    listed = session_table.newest(tenant, namespace, now=int(time()))
    page = [session for session, _ in zip(listed, range(_SESSIONS), strict=False)]
    # the index that lists them lags behind: only what the table itself still has is counted
    standing = session_table.find_all(tenant, [session.id for session in page])
    session_table.delete_all(standing.values())
    return len(standing)


def _is_empty(tenant: str, namespace: str) -> bool:
    """A re-read of all that the namespace can hold."""
    return (
        memory_index.count(tenant, namespace, Selection()) == 0
        and next(session_table.newest(tenant, namespace, now=int(time())), None) is None
        and namespace_table.is_empty(tenant, namespace)
    )
