"""The newer fact takes the older one's place, which is kept and can be put back."""

from collections.abc import Iterable, Mapping, Sequence
from time import time

from cross_session.adapters import memory_index
from cross_session.adapters.memory_index import StoredLink
from cross_session.domain.memory import Memory
from cross_session.domain.supersession import Link, current, reordered, superseded
from cross_session.errors import ConflictError, NotFoundError
from cross_session.unsay import unsay

_ROUNDS = 8
_SAY_THE_SAME = ("consolidation", "deduplication")


def settle(tenant: str, namespace: str, stored: Iterable[Memory]) -> None:
    """Puts the values of the stored memories' subjects in the order of their event times.

    One each is current after that, whatever others store meanwhile and wherever an earlier
    call was cut off. Raises ConflictError where other writers keep getting in between.
    """
    since: dict[str, int] = {}
    for memory in stored:
        if memory.subject is not None:
            earlier = since.get(memory.subject, memory.event_time)
            since[memory.subject] = min(earlier, memory.event_time)
    if not since:
        return
    now = int(time())
    for _ in range(_ROUNDS):
        values = memory_index.values_of(
            tenant, namespace, list(since), since=min(since.values()), now=now
        )
        moved = [
            link
            for subject in since
            for link in reordered(
                (value.link for value in values if value.link.subject == subject), now=now
            )
        ]
        if _moved(tenant, namespace, values, moved):
            return
    raise ConflictError("other writers kept changing the same subject; repeat the request")


def supersede(tenant: str, namespace: str, successors: Mapping[str, Memory]) -> list[str]:
    """Lets each memory take the place of the one whose id it is given for.

    One that another stands for, being its repeat, means that other. Returns what to tell the
    caller of those that were superseded before. Raises ConflictError as `settle` does.
    """
    if not successors:
        return []
    now = int(time())
    for _ in range(_ROUNDS):
        stored, moved, warnings = _named(tenant, namespace, list(successors)), [], []
        for id, successor in successors.items():
            older = _stood_for(id, stored)
            if older is None or older.id == successor.id or older.superseded_by == successor.id:
                continue
            if older.superseded_by is None:
                moved.append(superseded(older, successor, kind="supersedes", at=now))
            else:
                warnings.append(f"supersedes: {id} was superseded by {older.superseded_by} before")
        if _moved(tenant, namespace, stored.values(), moved):
            return warnings
    raise ConflictError("other writers kept changing the same memories; repeat the request")


def restore(tenant: str, namespace: str, memory_id: str) -> Memory:
    """Makes a superseded memory current again, as it was, and returns it.

    A value that was replaced takes its place back: all that came after it gives way, and can
    be put back in turn. What was merged or folded into another stands beside it. Raises
    NotFoundError, and ConflictError where the memory is current already or other writers
    keep getting in between.
    """
    now = int(time())
    for _ in range(_ROUNDS):
        memory = memory_index.get(tenant, namespace, memory_id, now=now).memory
        if memory.superseded_by is None:
            raise ConflictError("the memory is current; there is nothing to restore")
        beside = memory.superseded_kind in _SAY_THE_SAME
        path = _path(tenant, namespace, memory_id)
        later = [] if beside else [*path[1:], *_current(tenant, namespace, path, now=now)]
        moved = [
            superseded(one.link, memory, kind="restoration", at=now)
            for one in later
            if one.link.superseded_kind not in _SAY_THE_SAME
        ]
        if _moved(tenant, namespace, [*path, *later], [*moved, current(path[0].link)]):
            restored = current(memory)
            if beside:
                settle(tenant, namespace, [restored])
            return restored
    raise ConflictError("other writers kept changing the memory; repeat the request")


def _current(
    tenant: str, namespace: str, path: Sequence[StoredLink], *, now: int
) -> list[StoredLink]:
    """The subject's current values that the path doesn't lead to: a link of it was forgotten."""
    restored = path[0].link
    if restored.subject is None:
        return []
    values = memory_index.values_of(
        tenant, namespace, [restored.subject], since=restored.event_time, now=now
    )
    led_to = {one.link.id for one in path}
    return [
        value
        for value in values
        if value.link.superseded_by is None and value.link.id not in led_to
    ]


def _path(tenant: str, namespace: str, memory_id: str) -> list[StoredLink]:
    """The memory, what superseded it, what superseded that, and so on, as far as it is there."""
    path: dict[str, StoredLink] = {}
    next_id: str | None = memory_id
    while next_id is not None and next_id not in path:
        found = memory_index.links(tenant, namespace, [next_id])
        if next_id not in found:
            break
        path[next_id] = found[next_id]
        next_id = found[next_id].link.superseded_by
    if not path:
        raise NotFoundError("memory")
    return list(path.values())


def _named(tenant: str, namespace: str, ids: Sequence[str]) -> dict[str, StoredLink]:
    """The named memories and those that stand for them."""
    stored: dict[str, StoredLink] = {}
    wanted = set(ids)
    while wanted:
        found = memory_index.links(tenant, namespace, list(wanted))
        stored |= found
        wanted = {
            one.link.superseded_by
            for one in found.values()
            if one.link.superseded_kind == "deduplication"
            and one.link.superseded_by is not None
            and one.link.superseded_by not in stored
        }
    return stored


def _stood_for(id: str, stored: Mapping[str, StoredLink]) -> Link | None:
    """What stands for the memory now; itself, unless it was a repeat."""
    passed: set[str] = set()
    meant: str | None = id
    while meant is not None and meant in stored and meant not in passed:
        passed.add(meant)
        link = stored[meant].link
        if link.superseded_kind != "deduplication" or link.superseded_by not in stored:
            return link
        meant = link.superseded_by
    return None


def _moved(
    tenant: str, namespace: str, stored: Iterable[StoredLink], moved: Sequence[Link]
) -> bool:
    """Whether all of it could be written; False where somebody else wrote since it was read."""
    by_id = {one.link.id: one for one in stored}
    if not moved:
        return True
    if memory_index.relink(tenant, namespace, [(by_id[link.id], link) for link in moved]):
        return False
    unsay(tenant, namespace, [link.id for link in moved])
    return True
