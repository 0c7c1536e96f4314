"""HTTP: memories and recall."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, tzinfo
from http import HTTPStatus
from time import time
from typing import Annotated, Any, TypeVar, get_args
from zoneinfo import ZoneInfo

from aws_lambda_powertools.event_handler import Response, content_types
from aws_lambda_powertools.event_handler.openapi.params import Path, Query
from aws_lambda_powertools.utilities.typing import LambdaContext

from cross_session import metrics
from cross_session.adapters import memory_index, namespace_table, session_table, table
from cross_session.adapters.embeddings import embedder
from cross_session.cold_start import load_at_init
from cross_session.consolidate import DEFAULT_THRESHOLD, consolidate
from cross_session.domain.access import NAMESPACE_PATTERN, Scope
from cross_session.domain.context_block import context_block
from cross_session.domain.memory import Memory, MemoryType
from cross_session.domain.ranking import worth_telling
from cross_session.domain.selection import Selection
from cross_session.domain.sentences import telling_words
from cross_session.errors import (
    EngineUnavailableError,
    InvalidRequestError,
    NotFoundError,
    TableUnavailableError,
)
from cross_session.forget import forget
from cross_session.http_api import RETRY_AFTER_SECS, Api
from cross_session.recall import Recalled, beside, recall, summaries
from cross_session.rehearse import rehearse
from cross_session.remember import Remembered, remember
from cross_session.revise import revise
from cross_session.summarize import summarize
from cross_session.timing import spent_ms
from cross_session.wire.base import MEMORY_ID_PATTERN, SESSION_ID_PATTERN, MomentInQuery
from cross_session.wire.memories import (
    BatchStored,
    Consolidate,
    Context,
    ContextBlockOut,
    FilteredMemories,
    Folded,
    Forget,
    ForgetBatch,
    Forgotten,
    Hit,
    Hits,
    ImportanceSet,
    MemoriesConsolidated,
    MemoriesSummarized,
    MemoryOut,
    MemoryPage,
    MemoryPreview,
    MemoryStored,
    NamespaceStats,
    Ready,
    Recall,
    RecallBatch,
    ResolvedTimeOut,
    Result,
    Results,
    Search,
    SessionSummary,
    SetImportance,
    StoreBatch,
    StoredMemory,
    StoreMemory,
    Summarize,
    UpdateMemory,
    WakeUp,
)

app = Api()
load_at_init(table.connect, table.client, embedder)

CONTEXT_CANDIDATES = 50  # 800 tokens hold about twenty memories of one sentence

StoreAnswer = TypeVar("StoreAnswer", MemoryStored, BatchStored)
MemoryId = Annotated[str, Path(pattern=MEMORY_ID_PATTERN)]
AgentId = Annotated[str, Path(pattern=NAMESPACE_PATTERN)]
MaybeNamespace = Annotated[str, Query(pattern=f"^$|{NAMESPACE_PATTERN}")]
Preview = Annotated[int | None, Query(ge=1, le=100_000)]


@app.post("/v1/memory/store", status_code=201, tags=["memories"])
def store_memory(body: StoreMemory) -> Response[MemoryStored]:
    """Stores a memory; the next recall finds it. The same one again is the same memory.
    Answers 202 where it is kept but not yet found, as OpenSearch is away."""
    tenant = app.authorize(Scope.WRITE, body.owner).tenant
    remembered = remember(tenant, body.owner, [body.to_note()])
    session = remembered.sessions.get(body.session_id or "")
    [memory] = _stored(remembered)
    folded = Folded.of(remembered.memories[0])
    return _taken(
        MemoryStored(
            memory=memory,
            indexed=memory.indexed,
            embedding_time_ms=spent_ms("embedding"),
            session_state=session.state if session else None,
            deduplicated=folded is not None,
            survivor_id=folded.survivor_id if folded else None,
            warnings=body.warnings() + remembered.warnings,
        )
    )


@app.post("/v1/memories/store/batch", status_code=201, tags=["memories"])
def store_batch(body: StoreBatch) -> Response[BatchStored]:
    """Stores up to 1,000 memories; the next recall finds each. Answers 202 where some are kept
    but not yet found, as OpenSearch is away."""
    tenant = app.authorize(Scope.WRITE, body.owner).tenant
    remembered = remember(tenant, body.owner, body.notes())
    stored = _stored(remembered)
    return _taken(
        BatchStored(
            stored=stored,
            indexed=all(memory.indexed for memory in stored),
            stored_count=len(stored),
            total_embedding_time_ms=spent_ms("embedding"),
            ended_sessions=[id for id, session in remembered.sessions.items() if session.ended_at],
            deduplicated=[
                folded
                for memory in remembered.memories
                if (folded := Folded.of(memory)) is not None
            ],
            warnings=body.all_warnings() + remembered.warnings,
        )
    )


@app.post("/v1/memory/recall", tags=["memories"])
def recall_memories(body: Recall) -> Hits | Results:
    """Recalls the memories that answer a question, from all sessions, best first."""
    return _recall(body)


@app.post("/v1/memory/search", tags=["memories"])
def search_memories(body: Search) -> Hits | Results:
    """Recalls, with ten memories rather than five unless told otherwise."""
    return _recall(body)


def _recall(body: Recall) -> Hits | Results:
    tenant = app.authorize(Scope.READ, body.owner).tenant
    with metrics.measured("RecallLatency"):
        found = recall(
            tenant,
            body.owner,
            body.query,
            limit=body.top_k,
            selection=body.selection(),
            routing=body.routing,
            vector_weight=body.vector_weight,
            rerank=body.rerank is not False,
            now=_moment(body.now),
            timezone=_zone(body.timezone),
        )
    rehearse(tenant, body.owner, [one.memory for one in found.ranked])
    common: dict[str, Any] = {
        "total_found": len(found.ranked),
        "resolved_time": ResolvedTimeOut.of(found.resolved_time),
        "summaries": _summaries(tenant, body.owner, found) if body.include_summaries else None,
        "warnings": body.warnings(),
    }
    around = beside(tenant, body.owner, found.ranked) if body.around else {}
    common |= {
        "query_embedding_time_ms": spent_ms("embedding"),
        "search_time_ms": spent_ms("engine"),
    }
    shaped = Hit if body.namespace is None else Result
    hits, context = _shaped(shaped, found, around, body)
    common["context_memories"] = context if body.around == "separate" else None
    if body.namespace is None:
        return Hits(memories=hits, **common)
    return Results(results=hits, **common)


def _shaped(
    shape: type[Hit] | type[Result],
    found: Recalled,
    around: Mapping[str, Sequence[Memory]],
    body: Recall,
) -> tuple[list[Any], list[Any]]:
    """The hits, with their neighbours behind them if inline; and the neighbours if apart."""
    hits: list[Any] = []
    context: list[Any] = []
    for one in found.ranked:
        hits.append(shape.of(one, explain=body.explain is True))
        near = [shape.beside(memory, one) for memory in around.get(one.memory.id, ())]
        (hits if body.around == "inline" else context).extend(near)
    return hits, context


def _summaries(tenant: str, namespace: str, found: Recalled) -> list[SessionSummary]:
    return [
        SessionSummary(
            session_id=session.id,
            summary=summary,
            started_at=session.started_at,
            ended_at=session.ended_at,
        )
        for session, summary in summaries(tenant, namespace, found.ranked)
    ]


@app.post("/v1/memories/recall/batch", tags=["memories"])
def recall_batch(body: RecallBatch) -> FilteredMemories:
    """Lists memories by a filter, newest first; no question is asked."""
    tenant = app.authorize(Scope.READ, body.owner).tenant
    now = int(time())
    selection = replace(body.filter.selection(), as_of=body.as_of)
    memories, filtered = memory_index.listed(
        tenant, body.owner, selection, limit=body.limit, now=now
    )
    all_of_then = Selection(as_of=body.as_of)
    total = memory_index.listed(tenant, body.owner, all_of_then, limit=0, now=now)[1]
    return FilteredMemories(
        memories=[MemoryOut.of(memory) for memory in memories],
        total=total,
        filtered=filtered,
        truncated=filtered > len(memories),
        warnings=body.warnings(),
    )


@app.post("/v1/context", tags=["memories"])
def context(body: Context) -> ContextBlockOut:
    """Recalls what matters as one block for the system prompt, within a budget of tokens."""
    tenant = app.authorize(Scope.READ, body.owner).tenant
    timezone = _zone(body.timezone)
    found = recall(
        tenant,
        body.owner,
        body.query,
        limit=CONTEXT_CANDIDATES,
        selection=Selection(session_id=body.session_id, as_of=body.as_of),
        now=_moment(body.now),
        timezone=timezone,
    )
    block = context_block(
        [one.memory for one in worth_telling(found.ranked)],
        budget=body.token_budget,
        count_tokens=embedder().tokens,
        timezone=timezone,
        about=telling_words(body.query),
    )
    rehearse(tenant, body.owner, block.memories)
    return ContextBlockOut(
        block=block.text,
        tokens=block.tokens,
        memories=[MemoryOut.of(memory) for memory in block.memories],
        resolved_time=ResolvedTimeOut.of(found.resolved_time),
        warnings=body.warnings(),
    )


@app.get("/v1/memory/get/<memory_id>", tags=["memories"])
def get_memory(
    memory_id: MemoryId, namespace: MaybeNamespace = "", agent_id: MaybeNamespace = ""
) -> MemoryOut:
    """Reads a memory by its id, a superseded one too."""
    return MemoryOut.of(_own(memory_id, namespace or agent_id, Scope.READ))


@app.put("/v1/memory/update/<memory_id>", tags=["memories"])
def update_memory(
    memory_id: MemoryId,
    body: UpdateMemory,
    namespace: MaybeNamespace = "",
    agent_id: MaybeNamespace = "",
) -> MemoryOut:
    """Sets the given fields of a memory; new content is found by its new meaning at once."""
    changes = body.changes()
    if not changes:
        raise InvalidRequestError(
            "body", "sets nothing: content, metadata, memory_type, importance or tags"
        )
    owner = namespace or agent_id or body.namespace or body.agent_id or ""
    memory = _own(memory_id, owner, Scope.WRITE)
    return MemoryOut.of(revise(memory.tenant, memory.namespace, memory.id, changes))


@app.post("/v1/memory/importance", tags=["memories"])
def set_importance(body: SetImportance) -> ImportanceSet:
    """Sets the importance of one memory, or of several."""
    tenant = app.authorize(Scope.WRITE, body.owner).tenant
    changes = {"importance": body.importance}
    revised = [revise(tenant, body.owner, id, changes) for id in body.ids]
    return ImportanceSet(
        updated_count=len(revised), memories=[MemoryOut.of(memory) for memory in revised]
    )


@app.post("/v1/memory/forget", tags=["memories"])
def forget_memories(body: Forget) -> Forgotten:
    """Deletes the memories that fit every selector given; with none given it refuses."""
    tenant = app.authorize(Scope.WRITE, body.owner).tenant
    return Forgotten(deleted_count=forget(tenant, body.owner, body.selection()))


@app.delete("/v1/memories/forget/batch", tags=["memories"])
def forget_batch(body: ForgetBatch) -> Forgotten:
    """Deletes the memories that fit the filter; an empty one is refused."""
    tenant = app.authorize(Scope.WRITE, body.owner).tenant
    return Forgotten(deleted_count=forget(tenant, body.owner, body.filter.selection()))


@app.post("/v1/memory/consolidate", tags=["memories"])
def consolidate_memories(body: Consolidate) -> MemoriesConsolidated:
    """Merges the named memories or, with none named, the largest group of near-duplicates."""
    tenant = app.authorize(Scope.WRITE, body.owner).tenant
    merged = consolidate(
        tenant,
        body.owner,
        memory_ids=body.memory_ids or (),
        threshold=body.threshold or DEFAULT_THRESHOLD,
        memory_type=body.target_type,
    )
    return MemoriesConsolidated(
        consolidated_memory=MemoryOut.of(merged.memory) if merged else None,
        source_memory_ids=[source.id for source in merged.sources] if merged else [],
        memories_removed=len(merged.sources) if merged else 0,
    )


@app.post("/v1/knowledge/summarize", tags=["knowledge"])
def summarize_memories(body: Summarize) -> MemoriesSummarized:
    """Stores a memory that says in short what the named ones say; they stay as they are."""
    tenant = app.authorize(Scope.WRITE, body.owner).tenant
    memory, count = summarize(
        tenant,
        body.owner,
        memory_ids=body.memory_ids,
        memory_type=body.target_type,
        now=int(time()),
    )
    return MemoriesSummarized(summary=memory.content, source_count=count, new_memory_id=memory.id)


@app.get("/v1/sessions/<session_id>/memories", tags=["sessions"])
def list_session_memories(
    session_id: Annotated[str, Path(pattern=SESSION_ID_PATTERN)],
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    offset: Annotated[int, Query(ge=0)] = 0,
    content_preview_chars: Preview = None,
    include_derived: Annotated[bool, Query()] = False,
) -> MemoryPage:
    """Lists a session's memories, in the order they were stored."""
    caller = app.authorize(Scope.READ)
    session = session_table.get(caller.tenant, session_id)
    if not caller.may_touch(session.namespace):
        raise NotFoundError("session")
    memories, total = memory_index.listed(
        session.tenant,
        session.namespace,
        Selection(session_id=session.id, derived=include_derived),
        limit=limit,
        offset=offset,
        oldest_first=True,
        now=int(time()),
    )
    return MemoryPage(memories=_previews(memories, content_preview_chars), total=total)


@app.get("/v1/agents/<agent_id>/memories", tags=["agents"])
def list_agent_memories(
    agent_id: AgentId,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 50,
    offset: Annotated[int, Query(ge=0)] = 0,
    memory_type: Annotated[MemoryType | None, Query()] = None,
    subject: Annotated[str, Query(max_length=256)] = "",
    as_of: Annotated[MomentInQuery, Query()] = None,
    content_preview_chars: Preview = None,
    include_derived: Annotated[bool, Query()] = False,
) -> list[MemoryOut | MemoryPreview]:
    """Lists a namespace's memories, newest first, as a bare array. `as_of`, in Unix seconds or RFC
    3339, lists what held then."""
    tenant = app.authorize(Scope.READ, agent_id).tenant
    memories, _ = memory_index.listed(
        tenant,
        agent_id,
        Selection(
            memory_type=memory_type,
            subject=subject or None,
            as_of=as_of,
            derived=include_derived,
        ),
        limit=limit,
        offset=offset,
        now=int(time()),
    )
    return _previews(memories, content_preview_chars)


@app.get("/v1/agents/<agent_id>/stats", tags=["agents"])
def namespace_stats(agent_id: AgentId) -> NamespaceStats:
    """Counts what a namespace holds."""
    tenant = app.authorize(Scope.READ, agent_id).tenant
    now = int(time())
    statistics = memory_index.statistics(tenant, agent_id, now=now)
    sessions = list(session_table.newest(tenant, agent_id, now=now))
    return NamespaceStats(
        namespace=agent_id,
        agent_id=agent_id,
        total_memories=statistics.total,
        memories_by_type=statistics.by_type,
        total_sessions=len(sessions),
        active_sessions=sum(session.state == "active" for session in sessions),
        avg_importance=statistics.average_importance,
        oldest_memory_at=statistics.oldest_at,
        newest_memory_at=statistics.newest_at,
    )


@app.get("/v1/agents/<agent_id>/wake-up", tags=["agents"])
def wake_up(
    agent_id: AgentId,
    top_n: Annotated[int, Query(ge=1, le=100)] = 20,
    min_importance: Annotated[float, Query(ge=0, le=1)] = 0.0,
) -> WakeUp:
    """Lists what to know at a start: by importance, halved after two weeks. The namespace's policy
    tells how it goes on; what was flagged is halved each day."""
    tenant = app.authorize(Scope.READ, agent_id).tenant
    policy = namespace_table.recent(tenant, agent_id).policy
    memories, total = memory_index.most_important(
        tenant,
        agent_id,
        min_importance=min_importance,
        decays={kind: policy.decay(kind) for kind in get_args(MemoryType)},
        limit=top_n,
        now=int(time()),
    )
    return WakeUp(
        namespace=agent_id,
        agent_id=agent_id,
        memories=[MemoryOut.of(memory) for memory in memories],
        total_available=total,
    )


@app.get("/health/ready", tags=["service"])
def ready() -> Response[Ready]:
    """Tells whether memories can be stored and recalled now; needs no key."""
    checks = {"table": _check(session_table.check), "index": _check(memory_index.check)}
    is_ready = all(state == "ok" for state in checks.values())
    return Response(
        HTTPStatus.OK if is_ready else HTTPStatus.SERVICE_UNAVAILABLE,
        content_types.APPLICATION_JSON,
        Ready(ready=is_ready, checks=checks),
        headers={} if is_ready else {"Retry-After": str(RETRY_AFTER_SECS)},
    )


def _check(answers: Callable[[], None]) -> str:
    try:
        answers()
    except (EngineUnavailableError, TableUnavailableError) as error:
        return str(error)
    return "ok"


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return app.answer(event, context, public=event["routeKey"] == "GET /health/ready")


def _stored(remembered: Remembered) -> list[StoredMemory]:
    return [
        StoredMemory.of_store(memory, indexed=memory.id not in remembered.waiting)
        for memory in remembered.memories
    ]


def _taken(answer: StoreAnswer) -> Response[StoreAnswer]:
    status = HTTPStatus.CREATED if answer.indexed else HTTPStatus.ACCEPTED
    return Response(status, content_types.APPLICATION_JSON, answer)


def _moment(unix_seconds: int | None) -> datetime | None:
    return None if unix_seconds is None else datetime.fromtimestamp(unix_seconds, UTC)


def _zone(name: str | None) -> tzinfo:
    return UTC if name is None else ZoneInfo(name)


def _own(memory_id: str, namespace: str, scope: Scope) -> Memory:
    """The memory, if it is the caller's; without a namespace, of any that the key opens."""
    namespace = namespace or app.caller.sole_namespace or ""
    caller = app.authorize(scope, namespace or None)
    if not namespace:
        readable = [
            one
            for one in memory_index.namespaces_of(caller.tenant, memory_id)
            if caller.may_touch(one)
        ]
        if not readable:
            raise NotFoundError("memory")
        if len(readable) > 1:
            raise InvalidRequestError("namespace", "is required: several hold this id")
        namespace = readable[0]
    return memory_index.get(caller.tenant, namespace, memory_id, now=int(time())).memory


def _previews(memories: list[Memory], characters: int | None) -> list[MemoryOut | MemoryPreview]:
    if characters is None:
        return [MemoryOut.of(memory) for memory in memories]
    return [MemoryPreview.cut(memory, characters) for memory in memories]
