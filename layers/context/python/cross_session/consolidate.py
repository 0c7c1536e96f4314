"""Several memories that say the same become one."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from time import time

import numpy as np

from cross_session.adapters import memory_index
from cross_session.adapters.memory_index import PAGE, Stored
from cross_session.domain.memory import Memory, MemoryType
from cross_session.domain.supersession import superseded
from cross_session.remember import Note, remember

DEFAULT_THRESHOLD = 0.95  # cosine; unrelated texts lie at .65 to .85 with e5


@dataclass(frozen=True, slots=True)
class Consolidated:
    """The memory that now speaks for `sources`, which are kept and no longer recalled."""

    memory: Memory
    sources: list[Memory]


def consolidate(
    tenant: str,
    namespace: str,
    *,
    memory_ids: Sequence[str],
    threshold: float,
    memory_type: MemoryType | None,
) -> Consolidated | None:
    """Merges the named memories or, with none named, the largest group of near-duplicates.

    Looks through the newest `PAGE` memories. None where no two are alike enough. The
    merged one has every distinct text of its sources, their tags, and their highest
    importance. Named again, memories that were merged before come to the same. Raises
    NotFoundError for an id that is not there.
    """
    now = int(time())
    if memory_ids:
        named = dict.fromkeys(memory_ids)
        group = [memory_index.get(tenant, namespace, one, now=now) for one in named]
    else:
        newest = memory_index.with_vectors(tenant, namespace, limit=PAGE, now=now)
        group = _largest_group(newest, threshold)
    if len(group) < 2:
        return None
    group.sort(key=lambda stored: stored.memory.sequence)
    merged = _merge(tenant, namespace, [stored.memory for stored in group], memory_type)
    sources = [stored for stored in group if stored.memory.id != merged.id]
    for stored in sources:
        if stored.memory.superseded_by != merged.id:
            source = superseded(stored.memory, merged, kind="consolidation", at=now)
            memory_index.replace(stored, replace(source, updated_at=now), None)
    return Consolidated(merged, [stored.memory for stored in sources])


def _largest_group(memories: list[tuple[Stored, list[float]]], threshold: float) -> list[Stored]:
    """The memory with the most others within `threshold` of it, and those others."""
    if not memories:
        return []
    vectors = np.array([vector for _, vector in memories], dtype=np.float32)
    alike = vectors @ vectors.T >= threshold
    centre = int(alike.sum(axis=1).argmax())
    return [memories[index][0] for index in np.flatnonzero(alike[centre])]


def _merge(
    tenant: str, namespace: str, sources: list[Memory], memory_type: MemoryType | None
) -> Memory:
    newest = sources[-1]
    sessions = {source.session_id for source in sources}
    ends = {source.expires_at for source in sources}
    texts = dict.fromkeys(source.content for source in sources)
    distinct = [
        text for text in texts if not any(text in other for other in texts if other != text)
    ]
    note = Note(
        content="\n".join(distinct),
        memory_type=memory_type or newest.memory_type,
        importance=max(source.importance for source in sources),
        tags=list(dict.fromkeys(tag for source in sources for tag in source.tags)),
        session_id=newest.session_id if len(sessions) == 1 else None,
        metadata=newest.metadata | {"source_memory_ids": [source.id for source in sources]},
        event_time=newest.event_time,
        expires_at=None if None in ends else max(end for end in ends if end is not None),
    )
    return remember(tenant, namespace, [note]).memories[0]
