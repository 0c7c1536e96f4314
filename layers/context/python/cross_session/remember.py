"""Notes in, memories stored."""

from collections import Counter
from collections.abc import Mapping, Sequence
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
from cross_session.deduplicate import fold
from cross_session.domain.draft import Draft
from cross_session.domain.memory import DEFAULT_IMPORTANCE, DEFAULT_TYPE, Memory, MemoryType
from cross_session.domain.policy import MemoryPolicy
from cross_session.domain.search_text import actor_of, as_preceding, context_text
from cross_session.domain.selection import Selection
from cross_session.domain.session import Session
from cross_session.domain.supersession import current
from cross_session.errors import (
    ConflictError,
    EngineUnavailableError,
    InvalidRequestError,
    NotFoundError,
)
from cross_session.limits import hold_to_policy
from cross_session.recount import recount, recounted_since
from cross_session.settings import spill_queue_url
from cross_session.supersede import settle, supersede

_ROUNDS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What a caller asks to have remembered; times as in `Memory`, None where it left a choice.

    `id` names the memory where the caller wants to: a later note with that id takes its
    place, whatever its content. `supersedes` is the id of the memory whose place it takes.
    """

    content: str
    memory_type: MemoryType | None = None
    importance: float | None = None
    tags: list[str] | None = None
    session_id: str | None = None
    metadata: dict[str, Any] | None = None
    event_time: int | None = None
    expires_at: int | None = None
    subject: str | None = None
    supersedes: str | None = None
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
    """What is stored so far, by the draft's place, and how it changes what sessions hold.

    `touched` are memories as they stood before they were said again; `settled` tells whether
    all that was outdated is superseded.
    """

    memories: dict[int, Memory] = field(default_factory=dict)
    touched: list[Memory] = field(default_factory=list)
    settled: bool = False
    warnings: list[str] = field(default_factory=list)
    stored_in: Counter[str | None] = field(default_factory=Counter)
    repeated_in: set[str | None] = field(default_factory=set)


def remember(tenant: str, namespace: str, notes: Sequence[Note]) -> Remembered:
    """Stores the notes; each can be recalled once this returns, but for those that wait.

    A note whose like was stored before (same session, content and event time) is that
    memory: it takes the other fields that the note gives, and keeps its id and its place.
    Raises ConflictError where other writers keep getting in between, InvalidRequestError where
    there is nothing to supersede, and EngineUnavailableError or QueueUnavailableError where
    nothing takes the notes.
    """
    try:
        return _remember(tenant, namespace, notes)
    except (ConflictError, InvalidRequestError):
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
    policy = namespace_table.get(waited.tenant, waited.namespace).policy
    circuit.guarded("stores", partial(_index, [draft], progress, policy, late=True))
    memory = progress.memories[0]
    _count(waited.tenant, waited.namespace, progress, began=began)
    if tombstones.covers(memory):  # forgotten just before it was written
        memory_index.delete(memory.tenant, memory.namespace, Selection(ids=(memory.id,)))
        if memory.session_id is not None:
            recount(memory.tenant, memory.namespace, memory.session_id)


def _remember(tenant: str, namespace: str, notes: Sequence[Note]) -> Remembered:
    began = time_ns()
    now = began // 10**9
    policy = _policy(tenant, namespace)
    hold_to_policy(tenant, namespace, policy, "stores")
    preceding = _preceding(tenant, namespace, notes)
    unembedded = [
        _as_memory(
            tenant,
            namespace,
            note,
            now=now,
            sequence=began + index,
            preceding=before,
            policy=policy,
        )
        for index, (note, before) in enumerate(zip(notes, preceding, strict=True))
    ]
    vectors = embedder().passages([context_text(memory) for memory in unembedded])
    drafts = [
        Draft(memory=memory, given=_given(note), vector=vector, supersedes=note.supersedes)
        for memory, note, vector in zip(unembedded, notes, vectors, strict=True)
    ]
    progress = _Progress()
    waiting: dict[int, Draft] = {}
    try:
        circuit.guarded("stores", partial(_index, drafts, progress, policy, late=False))
    except EngineUnavailableError:
        waiting = {
            place: draft
            for place, draft in enumerate(drafts)
            if place not in progress.memories or (draft.outdates and not progress.settled)
        }
        spill_queue.send(list(waiting.values()), queue_url=spill_queue_url())
        metrics.count("StoreSpilled", len(waiting))
    namespace_table.add_actors(
        tenant,
        namespace,
        {actor for memory in unembedded if (actor := actor_of(memory.content, memory.metadata))},
    )
    said_in = {id for id, stored in progress.stored_in.items() if stored > 0}
    said_in |= {
        draft.memory.session_id
        for place, draft in waiting.items()
        if place not in progress.memories
    }
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
    stored = [
        progress.memories[place] if place in progress.memories else waiting[place].named()
        for place in range(len(notes))
    ]
    warnings = progress.warnings + _replaced_before(notes, stored)
    return Remembered(
        stored,
        sessions,
        warnings + labels + _cut_short(notes),
        frozenset(stored[place].id for place in waiting),
    )


def _policy(tenant: str, namespace: str) -> MemoryPolicy:
    """The namespace's policy; one that is stored into for the first time is listed from now on."""
    known = namespace_table.get(tenant, namespace)
    if not known.there:
        namespace_table.create(tenant, namespace)
    return known.policy


def _index(
    drafts: Sequence[Draft], progress: _Progress, policy: MemoryPolicy, *, late: bool
) -> None:
    """Writes the drafts, and has them take the place of what they outdate.

    `progress` tells what was done even where this raises. A `late` one gives way to what was
    accepted after it.
    """
    first = drafts[0].memory
    if not late:
        _check_superseded(first.tenant, first.namespace, drafts)
    if policy.dedup_on_store:
        drafts = _folded(drafts, threshold=policy.dedup_threshold)
    _write(drafts, progress, late=late)
    stored = [progress.memories[place] for place in range(len(drafts))]
    successors = {
        draft.supersedes: memory
        for draft, memory in zip(drafts, stored, strict=True)
        if draft.supersedes is not None
    }
    progress.warnings += supersede(first.tenant, first.namespace, successors)
    settle(first.tenant, first.namespace, [*progress.touched, *stored])
    progress.settled = True


def _check_superseded(tenant: str, namespace: str, drafts: Sequence[Draft]) -> None:
    named = {draft.supersedes for draft in drafts if draft.supersedes is not None}
    named -= {draft.memory.id for draft in drafts}  # the caller's own
    if missing := named - memory_index.links(tenant, namespace, list(named)).keys():
        raise InvalidRequestError("supersedes", f"there is no memory {min(missing)}")


def _folded(drafts: Sequence[Draft], *, threshold: float) -> list[Draft]:
    """The drafts; one that repeats another memory is superseded by it from the start.

    One that is to supersede another, or that the caller names, is never folded.
    """
    first = drafts[0].memory
    folded = fold(
        first.tenant,
        first.namespace,
        [draft.named() for draft in drafts],
        [draft.vector for draft in drafts],
        threshold=threshold,
        now=first.created_at,
    )
    return [
        draft
        if draft.supersedes or "id" in draft.given
        else replace(draft, memory=replace(memory, id=""))
        for draft, memory in zip(drafts, folded, strict=True)
    ]


def _write(drafts: Sequence[Draft], progress: _Progress, *, late: bool) -> None:
    last_value = {draft.memory.subject: place for place, draft in enumerate(drafts)}
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
                if (
                    last_value[memory.subject] == place
                    and attempt != memory.sequence
                    and _replaced(stood.memory, memory)
                ):
                    said_already = _current_value(memory)
                    if said_already is None:
                        pending[place] = memory.sequence
                        continue
                    stood = said_already
                try:
                    progress.memories[place] = _restated(stood, memory, draft, late=late)
                except ConflictError:
                    pending[place] = attempt
                else:
                    progress.touched.append(stood.memory)
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


def _replaced(stood: Memory, memory: Memory) -> bool:
    """Whether another value of its subject has taken its place, so that to say it again is news."""
    return memory.subject is not None and stood.superseded_kind in ("subject", "restoration")


def _current_value(memory: Memory) -> Stored | None:
    """The current value of the memory's subject, if it says just the same."""
    newest, _ = memory_index.listed(
        memory.tenant,
        memory.namespace,
        Selection(subject=memory.subject, session_id=memory.session_id),
        limit=1,
        now=memory.created_at,
    )
    if not newest or newest[0].content != memory.content:
        return None
    return memory_index.get(memory.tenant, memory.namespace, newest[0].id, now=memory.created_at)


def _replaced_before(notes: Sequence[Note], stored: Sequence[Memory]) -> list[str]:
    """Warnings for what is not current, though it was just stored."""
    return [
        f"{memory.id} was superseded by {memory.superseded_by} before; it stays so"
        for note, memory in zip(notes, stored, strict=True)
        if memory.superseded_kind in ("supersedes", "restoration")
        or (memory.superseded_kind == "subject" and note.subject is None)
    ]


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
    tenant: str,
    namespace: str,
    note: Note,
    *,
    now: int,
    sequence: int,
    preceding: str | None,
    policy: MemoryPolicy,
) -> Memory:
    memory_type = note.memory_type or DEFAULT_TYPE
    ttl = policy.ttl_seconds(memory_type)
    return Memory(
        id=note.id or "",
        tenant=tenant,
        namespace=namespace,
        content=note.content,
        memory_type=memory_type,
        importance=DEFAULT_IMPORTANCE if note.importance is None else note.importance,
        tags=note.tags or [],
        session_id=note.session_id,
        metadata=note.metadata or {},
        event_time=now if note.event_time is None else note.event_time,
        created_at=now,
        updated_at=now,
        sequence=sequence,
        expires_at=now + ttl if note.expires_at is None and ttl is not None else note.expires_at,
        subject=note.subject,
        preceding=preceding,
        written_at=sequence,
    )


def _given(note: Note) -> frozenset[str]:
    given = {name for name, value in asdict(note).items() if value is not None}
    return frozenset(given - {"supersedes"})


def _restated(stood: Stored, memory: Memory, draft: Draft, *, late: bool) -> Memory:
    """The memory that stood, with what its repeat says differently written to it.

    Said again it is current again, unless the draft is folded too, or what took its place still
    stands. One that had expired counts no more: `memory`, the draft's own, takes its place.
    """
    before = stood.memory
    if before.expired(memory.created_at):
        restated = memory
    elif late and before.written_at > memory.written_at:
        return before
    else:
        restated = draft.restating(before)
        if not _stays_superseded(before, memory):
            restated = current(restated)
        if restated == replace(before, updated_at=restated.updated_at):
            return before
    same_text = context_text(restated) == context_text(before)
    memory_index.replace(stood, restated, None if same_text else draft.vector)
    return restated


def _stays_superseded(before: Memory, memory: Memory) -> bool:
    if before.superseded_kind in ("subject", "supersedes", "restoration"):
        successor = before.superseded_by or ""
        return bool(memory_index.links(before.tenant, before.namespace, [successor]))
    return before.superseded_kind == "deduplication" and memory.superseded_by is not None


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
    for session_id in filter(None, doubtful | progress.repeated_in):
        recount(tenant, namespace, session_id)
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
    for session_id in filter(None, doubtful):
        recount(tenant, namespace, session_id)


def _cut_short(notes: Sequence[Note]) -> list[str]:
    """Warnings for text past the model's window: found by its words, not by its meaning."""
    return [
        f"content: the vector covers its first {MAX_TOKENS} tokens of a memory of"
        f" {len(note.content):,} characters; the rest is found by words alone"
        for note in notes
        if len(note.content) > MAX_TOKENS and embedder().tokens(note.content) > MAX_TOKENS
    ]
