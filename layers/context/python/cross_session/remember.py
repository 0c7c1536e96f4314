"""Notes in, memories stored."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from time import time_ns
from typing import Any

from cross_session import metrics
from cross_session.adapters import (
    circuit,
    memory_index,
    namespace_table,
    session_table,
    spill_queue,
    tombstones,
)
from cross_session.adapters.embeddings import MAX_TOKENS, embedder
from cross_session.adapters.memory_index import Stored
from cross_session.domain.draft import Draft
from cross_session.domain.memory import DEFAULT_IMPORTANCE, DEFAULT_TYPE, Memory, MemoryType
from cross_session.domain.search_text import actor_of, as_preceding, context_text
from cross_session.domain.selection import Selection
from cross_session.domain.session import Session
from cross_session.errors import ConflictError, EngineUnavailableError, NotFoundError
from cross_session.recount import recount, recounted_since
from cross_session.settings import spill_queue_url

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
    """One memory a note, in order; the known sessions that notes named; what to tell the caller.

    `waiting` has the ids of the memories that SQS keeps until the index is back.
    """

    memories: list[Memory]
    sessions: dict[str, Session]
    warnings: list[str]
    waiting: frozenset[str]


@dataclass(slots=True)
class _Progress:
    """What is stored so far, by the draft's place, and how it changes what sessions hold."""

    memories: dict[int, Memory] = field(default_factory=dict)
    stored_in: Counter[str | None] = field(default_factory=Counter)
    repeated_in: set[str | None] = field(default_factory=set)


def remember(tenant: str, namespace: str, notes: Sequence[Note]) -> Remembered:
    """Stores the notes; each can be recalled once this returns, but for those that wait.

    A note whose like was stored before (same session, content and event time) is that
    memory: it takes the other fields that the note gives, and keeps its id and its place.
    Raises ConflictError where other writers keep getting in between, and EngineUnavailableError
    or QueueUnavailableError where nothing takes the notes.
    """
    try:
        return _remember(tenant, namespace, notes)
    except ConflictError:
        raise
    except Exception:
        metrics.count("StoreFailure")
        raise


def store_late(draft: Draft) -> None:
    """Stores what waited for the index: once, however often it is tried.

    What was forgotten meanwhile stays forgotten, and what was written meanwhile stands.
    Raises EngineUnavailableError, TableUnavailableError or ConflictError; then to be repeated.
    """
    began = time_ns()
    waited = draft.named()
    if waited.expired(began // 10**9) or tombstones.covers(waited):
        return
    progress = _Progress()
    circuit.guarded(partial(_index, [draft], progress, late=True))
    memory = progress.memories[0]
    _count(waited.tenant, waited.namespace, progress, began=began)
    if tombstones.covers(memory):  # forgotten just before it was written
        memory_index.delete(memory.tenant, memory.namespace, Selection(ids=(memory.id,)))
        _recount(memory.tenant, memory.namespace, {memory.session_id})


def _remember(tenant: str, namespace: str, notes: Sequence[Note]) -> Remembered:
    began = time_ns()
    now = began // 10**9
    preceding = _preceding(tenant, namespace, notes)
    unembedded = [
        _as_memory(tenant, namespace, note, now=now, sequence=began + index, preceding=before)
        for index, (note, before) in enumerate(zip(notes, preceding, strict=True))
    ]
    vectors = embedder().passages([context_text(memory) for memory in unembedded])
    drafts = [
        Draft(memory=memory, given=_given(note), vector=vector)
        for memory, note, vector in zip(unembedded, notes, vectors, strict=True)
    ]
    progress = _Progress()
    waiting: dict[int, Draft] = {}
    try:
        circuit.guarded(partial(_index, drafts, progress, late=False))
    except EngineUnavailableError:
        waiting = {
            place: draft for place, draft in enumerate(drafts) if place not in progress.memories
        }
        spill_queue.send(list(waiting.values()), queue_url=spill_queue_url())
        metrics.count("StoreSpilled", len(waiting))
    namespace_table.add_actors(
        tenant,
        namespace,
        {actor for memory in unembedded if (actor := actor_of(memory.content, memory.metadata))},
    )
    said_in = {id for id, stored in progress.stored_in.items() if stored > 0}
    said_in |= {draft.memory.session_id for draft in waiting.values()}
    last_said = {
        memory.session_id: said
        for memory in unembedded
        if memory.session_id in said_in and (said := as_preceding(memory.content, memory.metadata))
    }
    sessions, unknown = _tell_sessions(
        tenant, namespace, {note.session_id for note in notes}, progress, last_said, began=began
    )
    labels = [
        f"session_id: {id} is no session of this namespace; kept as a label" for id in unknown
    ]
    return Remembered(
        [
            waiting[place].named() if place in waiting else progress.memories[place]
            for place in range(len(notes))
        ],
        sessions,
        labels + _cut_short(notes),
        frozenset(draft.named().id for draft in waiting.values()),
    )


def _index(drafts: Sequence[Draft], progress: _Progress, *, late: bool) -> None:
    """Writes the drafts; `progress` tells what was done even where this raises.

    A `late` one gives way to what was accepted after it.
    """
    attempts = dict.fromkeys(range(len(drafts)), 0)
    for _ in range(_ROUNDS):
        tried = [drafts[place].named(attempt) for place, attempt in attempts.items()]
        standing = memory_index.create(tried, [drafts[place].vector for place in attempts])
        pending: dict[int, int] = {}
        for (place, attempt), memory, stood in zip(attempts.items(), tried, standing, strict=True):
            draft = drafts[place]
            if stood is None:
                progress.memories[place] = memory
                progress.stored_in[memory.session_id] += 1
            elif stood.memory.content != memory.content and "id" not in draft.given:
                pending[place] = attempt + 1
            else:
                try:
                    progress.memories[place] = _restated(stood, memory, draft, late=late)
                except ConflictError:
                    pending[place] = attempt
                else:
                    progress.stored_in[stood.memory.session_id] -= 1
                    progress.stored_in[progress.memories[place].session_id] += 1
                    progress.repeated_in |= {
                        stood.memory.session_id,
                        progress.memories[place].session_id,
                    }
        attempts = pending
        if not attempts:
            return
    raise ConflictError("other writers kept changing the same memories; repeat the request")


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


def _as_memory(
    tenant: str, namespace: str, note: Note, *, now: int, sequence: int, preceding: str | None
) -> Memory:
    return Memory(
        id=note.id or "",
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
        written_at=sequence,
    )


def _given(note: Note) -> frozenset[str]:
    return frozenset(name for name, value in asdict(note).items() if value is not None)


def _restated(stood: Stored, memory: Memory, draft: Draft, *, late: bool) -> Memory:
    """The memory that stood, with what its repeat says differently written to it.

    One that had expired counts no more: `memory`, the draft's own, takes its place.
    """
    before = stood.memory
    if before.expired(memory.created_at):
        restated = memory
    elif late and before.written_at > memory.written_at:
        return before
    else:
        restated = draft.restating(before)
        if restated == replace(before, updated_at=restated.updated_at):
            return before
    same_text = context_text(restated) == context_text(before)
    memory_index.replace(stood, restated, None if same_text else draft.vector)
    return restated


def _tell_sessions(
    tenant: str,
    namespace: str,
    named: AbstractSet[str | None],
    progress: _Progress,
    last_said: Mapping[str | None, str],
    *,
    began: int,
) -> tuple[dict[str, Session], list[str]]:
    """Tells each session how many more it holds; the known ones, and the unknown ids."""
    sessions: dict[str, Session] = {}
    unknown: list[str] = []
    for session_id in named | set(progress.stored_in):
        if session_id is None:
            continue
        try:
            sessions[session_id] = session_table.add_memories(
                tenant,
                namespace,
                session_id,
                count=progress.stored_in[session_id],
                last_said=last_said.get(session_id),
                now=began // 10**9,
            )
        except NotFoundError:
            unknown.append(session_id)
    doubtful = {id for id, session in sessions.items() if recounted_since(session, began)}
    _recount(tenant, namespace, doubtful | progress.repeated_in)
    return sessions, unknown


def _count(tenant: str, namespace: str, progress: _Progress, *, began: int) -> None:
    """Has the sessions count what came late; it is no activity of theirs."""
    doubtful = set(progress.repeated_in)
    for session_id, stored in progress.stored_in.items():
        if session_id is not None and stored:
            with suppress(NotFoundError):
                session = session_table.change_count(tenant, namespace, session_id, by=stored)
                if recounted_since(session, began):
                    doubtful.add(session_id)
    _recount(tenant, namespace, doubtful)


def _recount(tenant: str, namespace: str, session_ids: Iterable[str | None]) -> None:
    for session_id in session_ids:
        if session_id is not None:
            with suppress(NotFoundError):
                recount(tenant, namespace, session_id)


def _cut_short(notes: Sequence[Note]) -> list[str]:
    """Warnings for text past the model's window: found by its words, not by its meaning."""
    return [
        f"content: the vector covers its first {MAX_TOKENS} tokens of a memory of"
        f" {len(note.content):,} characters; the rest is found by words alone"
        for note in notes
        if len(note.content) > MAX_TOKENS and embedder().tokens(note.content) > MAX_TOKENS
    ]
