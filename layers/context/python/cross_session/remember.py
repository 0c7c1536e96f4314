"""Notes in, memories stored."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from time import time, time_ns
from typing import Any

from cross_session.adapters import memory_index, session_table
from cross_session.adapters.embeddings import MAX_TOKENS, embedder
from cross_session.adapters.memory_index import Stored
from cross_session.domain.memory import (
    DEFAULT_IMPORTANCE,
    DEFAULT_TYPE,
    Memory,
    MemoryType,
    memory_id,
)
from cross_session.domain.session import Session
from cross_session.errors import ConflictError, NotFoundError

_ROUNDS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What a caller asks to have remembered; times as in `Memory`, None where it left a choice.

    `id` names the memory where the caller wants to: a later note with that id takes its
    place, whatever its content.
    """

    content: str
    memory_type: MemoryType | None = None
    importance: float | None = None
    tags: list[str] | None = None
    session_id: str | None = None
    metadata: dict[str, Any] | None = None
    event_time: int | None = None
    expires_at: int | None = None
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Remembered:
    """One memory a note, in order; the known sessions that notes named; what to tell the caller."""

    memories: list[Memory]
    sessions: dict[str, Session]
    warnings: list[str]


def remember(tenant: str, namespace: str, notes: Sequence[Note]) -> Remembered:
    """Stores the notes; each can be recalled once this returns.

    A note whose like was stored before (same session, content and event time) is that
    memory: it takes the other fields that the note gives, and keeps its id and its place.
    Raises ConflictError where other writers keep getting in between.
    """
    now, sequence = int(time()), time_ns()
    vectors = embedder().passages([note.content for note in notes])
    memories: dict[int, Memory] = {}
    stored_in = Counter({note.session_id: 0 for note in notes})
    attempts = dict.fromkeys(range(len(notes)), 0)
    for _ in range(_ROUNDS):
        drafts = [
            _draft(tenant, namespace, notes[index], attempt, now=now, sequence=sequence + index)
            for index, attempt in attempts.items()
        ]
        standing = memory_index.create(drafts, [vectors[index] for index in attempts])
        pending: dict[int, int] = {}
        for (index, attempt), draft, stood in zip(attempts.items(), drafts, standing, strict=True):
            if stood is None:
                memories[index] = draft
                stored_in[draft.session_id] += 1
            elif stood.memory.content != draft.content and not notes[index].id:
                pending[index] = attempt + 1
            else:
                try:
                    memories[index] = _restated(stood, draft, notes[index], vectors[index])
                except ConflictError:
                    pending[index] = attempt
                else:
                    stored_in[stood.memory.session_id] -= 1
                    stored_in[memories[index].session_id] += 1
        attempts = pending
        if not attempts:
            break
    else:
        raise ConflictError("other writers kept changing the same memories; repeat the request")
    sessions, unknown = _count(tenant, namespace, stored_in, now=now)
    labels = [
        f"session_id: {id} is no session of this namespace; kept as a label" for id in unknown
    ]
    return Remembered(
        [memories[index] for index in range(len(notes))], sessions, labels + _cut_short(notes)
    )


def _draft(
    tenant: str, namespace: str, note: Note, attempt: int, *, now: int, sequence: int
) -> Memory:
    return Memory(
        id=note.id
        or memory_id(
            tenant=tenant,
            namespace=namespace,
            session_id=note.session_id,
            content=note.content,
            event_time=note.event_time,
            attempt=attempt,
        ),
        tenant=tenant,
        namespace=namespace,
        content=note.content,
        memory_type=note.memory_type or DEFAULT_TYPE,
        importance=DEFAULT_IMPORTANCE if note.importance is None else note.importance,
        tags=note.tags or [],
        session_id=note.session_id,
        metadata=note.metadata or {},
        event_time=now if note.event_time is None else note.event_time,
        created_at=now,
        updated_at=now,
        sequence=sequence,
        expires_at=note.expires_at,
    )


def _restated(stood: Stored, draft: Memory, note: Note, vector: list[float]) -> Memory:
    """The memory that stood, with what its repeat says differently written to it.

    Said again, it is current again. One that had expired counts no more: the draft takes
    its place.
    """
    before = stood.memory
    if before.expired(draft.created_at):
        restated = draft
    else:
        given = {
            name: value
            for name, value in asdict(note).items()
            if value is not None and name != "id"
        }
        restated = replace(before, **given, updated_at=draft.updated_at, superseded_by=None)
        if restated == replace(before, updated_at=restated.updated_at):
            return before
    same_text = restated.content == before.content
    memory_index.replace(stood, restated, None if same_text else vector)
    return restated


def _count(
    tenant: str, namespace: str, stored_in: Mapping[str | None, int], *, now: int
) -> tuple[dict[str, Session], list[str]]:
    """Tells each session how many more it holds; the known ones, and the unknown ids."""
    sessions: dict[str, Session] = {}
    unknown: list[str] = []
    for session_id, count in stored_in.items():
        if session_id is None:
            continue
        try:
            sessions[session_id] = session_table.add_memories(
                tenant, namespace, session_id, count=count, now=now
            )
        except NotFoundError:
            unknown.append(session_id)
    return sessions, unknown


def _cut_short(notes: Sequence[Note]) -> list[str]:
    """Warnings for text past the model's window: found by its words, not by its meaning."""
    return [
        f"content: the vector covers its first {MAX_TOKENS} tokens of a memory of"
        f" {len(note.content):,} characters; the rest is found by words alone"
        for note in notes
        if len(note.content) > MAX_TOKENS and embedder().tokens(note.content) >= MAX_TOKENS
    ]
