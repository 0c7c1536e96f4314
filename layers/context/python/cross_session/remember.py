"""Notes in, memories stored."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from time import time, time_ns
from typing import Any

from cross_session.adapters import memory_index, namespace_table, session_table
from cross_session.adapters.embeddings import MAX_TOKENS, embedder
from cross_session.adapters.memory_index import Stored
from cross_session.domain.memory import (
    DEFAULT_IMPORTANCE,
    DEFAULT_TYPE,
    Memory,
    MemoryType,
    memory_id,
)
from cross_session.domain.search_text import actor_of, as_preceding, context_text
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
    preceding = _preceding(tenant, namespace, notes)
    drafts = [
        _draft(tenant, namespace, note, now=now, sequence=sequence + index, preceding=before)
        for index, (note, before) in enumerate(zip(notes, preceding, strict=True))
    ]
    vectors = embedder().passages([context_text(draft) for draft in drafts])
    memories: dict[int, Memory] = {}
    stored_in = Counter({note.session_id: 0 for note in notes})
    attempts = dict.fromkeys(range(len(notes)), 0)
    for _ in range(_ROUNDS):
        tried = [
            _with_id(drafts[index], notes[index], attempt) for index, attempt in attempts.items()
        ]
        standing = memory_index.create(tried, [vectors[index] for index in attempts])
        pending: dict[int, int] = {}
        for (index, attempt), draft, stood in zip(attempts.items(), tried, standing, strict=True):
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
    namespace_table.add_actors(
        tenant,
        namespace,
        {actor for draft in drafts if (actor := actor_of(draft.content, draft.metadata))},
    )
    last_said = {
        draft.session_id: said
        for draft in drafts
        if (said := as_preceding(draft.content, draft.metadata))
    }
    sessions, unknown = _count(tenant, namespace, stored_in, last_said, now=now)
    labels = [
        f"session_id: {id} is no session of this namespace; kept as a label" for id in unknown
    ]
    return Remembered(
        [memories[index] for index in range(len(notes))], sessions, labels + _cut_short(notes)
    )


def _preceding(tenant: str, namespace: str, notes: Sequence[Note]) -> list[str | None]:
    """What each turn's session said right before it; None for a note, and at a start."""
    said: dict[str, str | None] = {}
    preceding: list[str | None] = []
    for note in notes:
        turn = as_preceding(note.content, note.metadata or {})
        if note.session_id is None or turn is None:
            preceding.append(None)
            continue
        if note.session_id not in said:
            said[note.session_id] = _last_said(tenant, namespace, note.session_id)
        before = said[note.session_id]
        preceding.append(None if before == turn else before)
        said[note.session_id] = turn
    return preceding


def _last_said(tenant: str, namespace: str, session_id: str) -> str | None:
    session = session_table.find(tenant, session_id)
    return session.last_said if session and session.namespace == namespace else None


def _draft(
    tenant: str, namespace: str, note: Note, *, now: int, sequence: int, preceding: str | None
) -> Memory:
    """The memory that the note makes, still without an id."""
    return Memory(
        id="",
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
        preceding=preceding,
    )


def _with_id(draft: Memory, note: Note, attempt: int) -> Memory:
    derived = memory_id(
        tenant=draft.tenant,
        namespace=draft.namespace,
        session_id=draft.session_id,
        content=draft.content,
        event_time=note.event_time,
        attempt=attempt,
    )
    return replace(draft, id=note.id or derived)


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
        if restated.content != before.content:
            restated = replace(restated, preceding=draft.preceding)
        if restated == replace(before, updated_at=restated.updated_at):
            return before
    same_text = context_text(restated) == context_text(before)
    memory_index.replace(stood, restated, None if same_text else vector)
    return restated


def _count(
    tenant: str,
    namespace: str,
    stored_in: Mapping[str | None, int],
    last_said: Mapping[str | None, str],
    *,
    now: int,
) -> tuple[dict[str, Session], list[str]]:
    """Tells each session how many more it holds; the known ones, and the unknown ids."""
    sessions: dict[str, Session] = {}
    unknown: list[str] = []
    for session_id, count in stored_in.items():
        if session_id is None:
            continue
        try:
            sessions[session_id] = session_table.add_memories(
                tenant,
                namespace,
                session_id,
                count=count,
                last_said=last_said.get(session_id) if count > 0 else None,
                now=now,
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
        if len(note.content) > MAX_TOKENS and embedder().tokens(note.content) > MAX_TOKENS
    ]
