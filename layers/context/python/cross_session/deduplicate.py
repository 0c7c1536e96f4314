"""What says the same as something older is folded into it, and kept."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from time import time

import numpy as np
from numpy.typing import NDArray

from cross_session.adapters import memory_index, namespace_table
from cross_session.adapters.memory_index import StoredLink
from cross_session.domain.duplicate import repeats
from cross_session.domain.memory import Memory, MemoryType
from cross_session.domain.selection import Selection
from cross_session.domain.supersession import Link, superseded

MOST = 10_000  # memories looked through at once; their vectors are 15 MB

_NEAREST = 10


@dataclass(frozen=True, slots=True)
class Deduplicated:
    """Groups of ids, of which the first stays; those that changed meanwhile were skipped."""

    groups: list[list[str]]
    removed: int
    skipped: int
    complete: bool

    @property
    def found(self) -> int:
        return sum(len(group) - 1 for group in self.groups)


def deduplicate(
    tenant: str,
    namespace: str,
    *,
    threshold: float,
    memory_type: MemoryType | None = None,
    dry_run: bool = False,
) -> Deduplicated:
    """Folds each memory into the one it repeats, of the newest `MOST`.

    The first that said it stays. What is folded is no longer recalled and can be restored.
    """
    now = int(time())
    newest = memory_index.with_vectors(
        tenant,
        namespace,
        selection=Selection(memory_type=memory_type),
        limit=MOST + 1,
        now=now,
    )
    oldest_first = newest[:MOST][::-1]
    survivors = _survivors(
        [stored.memory for stored, _ in oldest_first],
        [vector for _, vector in oldest_first],
        threshold,
    )
    groups: dict[str, list[str]] = {}
    moved: list[tuple[StoredLink, Link]] = []
    for (stored, _), survivor in zip(oldest_first, survivors, strict=True):
        if survivor is not None:
            groups.setdefault(survivor.id, [survivor.id]).append(stored.memory.id)
            link = _link(stored.memory)
            moved.append(
                (
                    StoredLink(link, stored.index, stored.seq_no, stored.primary_term),
                    superseded(link, survivor, kind="deduplication", at=now),
                )
            )
    skipped: list[StoredLink] = []
    if moved and not dry_run:
        looked_at = [stored.memory for stored, _ in oldest_first]
        memory_index.live_until(tenant, namespace, _later_ends(looked_at, survivors))
        skipped = memory_index.relink(tenant, namespace, moved)
    return Deduplicated(
        groups=list(groups.values()),
        removed=0 if dry_run else len(moved) - len(skipped),
        skipped=len(skipped),
        complete=len(newest) <= MOST,
    )


def deduplicate_due() -> int:
    """Deduplicates the namespaces whose policy says so and whose time has come.

    Returns how many memories that folded. A namespace that fails stays due.
    """
    folded = 0
    for tenant, namespace in namespace_table.due(int(time())):
        policy = namespace_table.get(tenant, namespace).policy
        if not policy.consolidation_enabled:
            namespace_table.cancel(tenant, namespace)
            continue
        removed = deduplicate(tenant, namespace, threshold=policy.consolidation_threshold).removed
        folded += removed
        namespace_table.consolidated(
            tenant,
            namespace,
            removed,
            next_at=int(time()) + policy.consolidation_interval_hours * 3_600,
        )
    return folded


def fold(
    tenant: str,
    namespace: str,
    drafts: Sequence[Memory],
    vectors: Sequence[Sequence[float]],
    *,
    threshold: float,
    now: int,
) -> list[Memory]:
    """The drafts, oldest first as given; one that repeats another, superseded by it already.

    Two that are stored in the same instant don't see each other.
    """
    own = {draft.id for draft in drafts}
    standing = [
        [one.memory for one in near if one.cosine >= threshold and one.memory.id not in own]
        for near in memory_index.nearest(tenant, namespace, vectors, limit=_NEAREST, now=now)
    ]
    survivors = _survivors(drafts, vectors, threshold, standing=standing)
    ends = _later_ends(drafts, survivors)
    memory_index.live_until(
        tenant, namespace, {id: end for id, end in ends.items() if id not in own}
    )
    return [
        superseded(draft, survivor, kind="deduplication", at=now)
        if survivor
        else replace(draft, expires_at=ends.get(draft.id, draft.expires_at))
        for draft, survivor in zip(drafts, survivors, strict=True)
    ]


def _later_ends(memories: Sequence[Memory], survivors: Sequence[Memory | None]) -> dict[str, int]:
    """Of each survivor that is to end before what it stands for would have, that end."""
    ends: dict[str, int] = {}
    for memory, survivor in zip(memories, survivors, strict=True):
        if survivor is not None and memory.expires_at and survivor.expires_at:
            later = max(memory.expires_at, ends.get(survivor.id, survivor.expires_at))
            if later > survivor.expires_at:
                ends[survivor.id] = later
    return ends


def _survivors(
    memories: Sequence[Memory],
    vectors: Sequence[Sequence[float]],
    threshold: float,
    *,
    standing: Sequence[Sequence[Memory]] | None = None,
) -> list[Memory | None]:
    """Of each memory, the earlier one among them, or of those near it, that it is folded into."""
    units: NDArray[np.float32] = np.array(vectors, dtype=np.float32)
    staying: list[int] = []
    survivors: list[Memory | None] = []
    for index, memory in enumerate(memories):
        alike = units[staying] @ units[index] >= threshold
        near = [memories[staying[place]] for place in np.flatnonzero(alike)]
        survivor = _repeated(memory, [*near, *(standing[index] if standing else ())])
        survivors.append(survivor)
        if survivor is None:
            staying.append(index)
    return survivors


def _repeated(memory: Memory, near: Sequence[Memory]) -> Memory | None:
    """The newest of those near it, if the memory repeats that.

    Where the newest says otherwise, an older one that says the same was outdated meanwhile,
    and to say it again is news.
    """
    if not near:
        return None
    newest = max(near, key=lambda one: (one.event_time, one.sequence))
    return newest if repeats(memory, newest) else None


def _link(memory: Memory) -> Link:
    return Link(**{name: getattr(memory, name) for name in Link.__dataclass_fields__})
