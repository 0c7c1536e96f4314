"""Sessions and memories from a file, put back as they were."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from time import time, time_ns
from typing import Any

from cross_session.adapters import memory_index, namespace_table, session_table
from cross_session.adapters.embeddings import embedder
from cross_session.adapters.memory_index import Stored
from cross_session.domain.feedback import Feedback
from cross_session.domain.memory import (
    DEFAULT_IMPORTANCE,
    DEFAULT_TYPE,
    Memory,
    MemoryType,
    SupersededKind,
    memory_id,
)
from cross_session.domain.search_text import actor_of, as_preceding, context_text
from cross_session.domain.session import Session
from cross_session.errors import ConflictError
from cross_session.recount import recount

_ROUNDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A memory as a file has it; fields as in `Memory`, None where the file says nothing.

    Unless `preceding_known`, what was said before it is the record before it in its session.
    """

    content: str
    id: str | None = None
    memory_type: MemoryType | None = None
    importance: float | None = None
    tags: list[str] = field(default_factory=list)
    session_id: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    event_time: int | None = None
    created_at: int | None = None
    updated_at: int | None = None
    sequence: int | None = None
    expires_at: int | None = None
    subject: str | None = None
    valid_until: int | None = None
    superseded_by: str | None = None
    superseded_kind: SupersededKind | None = None
    superseded_at: int | None = None
    feedback: Feedback = field(default_factory=Feedback)
    preceding: str | None = None
    preceding_known: bool = False


def restore(
    tenant: str, namespace: str, sessions: Sequence[Session], records: Sequence[Record]
) -> None:
    """Writes what the file says, over what stands under the same ids; a repeat changes nothing.

    A record without an id gets the one that storing its text would give it. A session id
    that another namespace of the tenant holds becomes another one, the same each time.
    Raises ConflictError where other writers keep getting in between.
    """
    named = {session.id for session in sessions}
    named |= {record.session_id for record in records if record.session_id is not None}
    standing = session_table.find_all(tenant, named)
    ids = {
        id: id
        if id not in standing or standing[id].namespace == namespace
        else _other_id(tenant, namespace, id)
        for id in named
    }
    for session in sessions:
        session_table.restore(replace(session, id=ids[session.id]))
    drafts = _drafts(tenant, namespace, records, ids)
    _write(tenant, namespace, drafts)
    speaking = (actor_of(record.content, record.metadata) for record in records)
    namespace_table.add_actors(tenant, namespace, {actor for actor in speaking if actor})
    for session_id in ids.values():
        recount(tenant, namespace, session_id)


def _other_id(tenant: str, namespace: str, session_id: str) -> str:
    digest = hashlib.sha256("\x1f".join((tenant, namespace, session_id)).encode())
    return f"ses_{digest.hexdigest()[:32]}"


def _drafts(
    tenant: str, namespace: str, records: Sequence[Record], session_ids: Mapping[str, str]
) -> dict[str, tuple[Record, Memory]]:
    """The memory that each record makes, by its id; of several with one id the last."""
    now, now_ns = int(time()), time_ns()
    said: dict[str | None, str] = {}
    drafts: dict[str, tuple[Record, Memory]] = {}
    for index, record in enumerate(records):
        session_id = session_ids[record.session_id] if record.session_id else None
        turn = as_preceding(record.content, record.metadata)
        before = None if record.preceding_known or turn is None else said.get(session_id)
        if turn is not None and session_id is not None:
            said[session_id] = turn
        created_at = now if record.created_at is None else record.created_at
        ordered = now_ns if record.created_at is None else record.created_at * 10**9
        draft = Memory(
            id=record.id or _derived_id(tenant, namespace, record, session_id),
            tenant=tenant,
            namespace=namespace,
            content=record.content,
            memory_type=record.memory_type or DEFAULT_TYPE,
            importance=DEFAULT_IMPORTANCE if record.importance is None else record.importance,
            tags=record.tags,
            session_id=session_id,
            metadata=record.metadata,
            event_time=created_at if record.event_time is None else record.event_time,
            created_at=created_at,
            updated_at=created_at if record.updated_at is None else record.updated_at,
            sequence=ordered + index if record.sequence is None else record.sequence,
            expires_at=record.expires_at,
            subject=record.subject,
            valid_until=record.valid_until,
            superseded_by=record.superseded_by,
            superseded_kind=record.superseded_kind,
            superseded_at=record.superseded_at,
            feedback=record.feedback,
            written_at=now_ns,
            preceding=record.preceding if record.preceding_known else before,
        )
        drafts[draft.id] = (record, draft)
    return drafts


def _derived_id(tenant: str, namespace: str, record: Record, session_id: str | None) -> str:
    return memory_id(
        tenant=tenant,
        namespace=namespace,
        session_id=session_id,
        content=record.content,
        event_time=record.event_time,
    )


def _write(tenant: str, namespace: str, drafts: Mapping[str, tuple[Record, Memory]]) -> None:
    """Writes what is not there already as it should be."""
    pending = dict(drafts)
    for _ in range(_ROUNDS):
        standing = memory_index.find_all(tenant, namespace, pending)
        wanted = [_as_dated(*draft, standing.get(id)) for id, draft in pending.items()]
        new = [memory for memory in wanted if memory.id not in standing]
        changed = [
            memory
            for memory in wanted
            if memory.id in standing and memory != standing[memory.id].memory
        ]
        texts = [context_text(memory) for memory in (*new, *changed)]
        vectors = embedder().passages(texts)
        taken = memory_index.create(new, vectors[: len(new)]) if new else []
        missed = {memory.id for memory, stood in zip(new, taken, strict=True) if stood is not None}
        for memory, vector in zip(changed, vectors[len(new) :], strict=True):
            try:
                memory_index.replace(standing[memory.id], memory, vector)
            except ConflictError:
                missed.add(memory.id)
        pending = {id: draft for id, draft in pending.items() if id in missed}
        if not pending:
            return
    raise ConflictError("other writers kept changing the same memories; repeat the request")


def _as_dated(record: Record, draft: Memory, stood: Stored | None) -> Memory:
    """The draft; one that the file gives no date keeps the date it got the first time."""
    if stood is None or record.created_at is not None:
        return draft
    before = stood.memory
    return replace(
        draft,
        event_time=before.event_time if record.event_time is None else record.event_time,
        created_at=before.created_at,
        updated_at=before.updated_at if record.updated_at is None else record.updated_at,
        sequence=before.sequence if record.sequence is None else record.sequence,
    )
