"""A memory changed where it stands."""

from collections.abc import Callable
from dataclasses import replace
from time import time_ns
from typing import Any

from cross_session.adapters import memory_index
from cross_session.adapters.embeddings import embedder
from cross_session.domain.memory import Memory
from cross_session.domain.search_text import context_text
from cross_session.errors import ConflictError
from cross_session.unsay import unsay

_ATTEMPTS = 5


def revise(tenant: str, namespace: str, memory_id: str, changes: dict[str, Any]) -> Memory:
    """Sets the fields of `Memory` named in `changes`; new content gets a new vector.

    Raises NotFoundError, and ConflictError where other writers keep getting in between.
    """
    return rework(tenant, namespace, memory_id, lambda memory: replace(memory, **changes))


def rework(
    tenant: str, namespace: str, memory_id: str, reworked: Callable[[Memory], Memory]
) -> Memory:
    """As `revise`, where what a field becomes depends on what it is."""
    accepted_at = time_ns()
    now = accepted_at // 10**9
    for attempt in range(_ATTEMPTS):
        stored = memory_index.get(tenant, namespace, memory_id, now=now)
        revised = replace(
            reworked(stored.memory),
            updated_at=now,
            written_at=max(accepted_at, stored.memory.written_at),
        )
        new_text = context_text(revised) != context_text(stored.memory)
        vector = embedder().passages([context_text(revised)])[0] if new_text else None
        try:
            memory_index.replace(stored, revised, vector)
        except ConflictError:
            if attempt == _ATTEMPTS - 1:
                raise
        else:
            if new_text:
                unsay(tenant, namespace, [memory_id])
            return revised
    raise AssertionError("unreachable")
