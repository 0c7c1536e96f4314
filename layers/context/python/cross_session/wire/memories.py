"""Memories, as they travel. Times are Unix seconds."""

from dataclasses import asdict
from time import time
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StrictBool

from cross_session import __version__
from cross_session.domain.explanation import sentence
from cross_session.domain.memory import Memory, MemoryType, SupersededKind
from cross_session.domain.ranking import Ranked
from cross_session.domain.selection import Selection
from cross_session.domain.session import SessionState
from cross_session.errors import InvalidRequestError
from cross_session.recall import ResolvedTime, Routing
from cross_session.remember import Note
from cross_session.wire.base import (
    MAX_TTL_SECS,
    Content,
    Importance,
    MaybeSessionId,
    MemoryId,
    Metadata,
    Moment,
    Namespace,
    NumberOnly,
    Owned,
    Query,
    Subject,
    Tags,
    UnixSeconds,
)

MAX_BATCH = 1_000
MAX_TOP_K = 100
MAX_TOKEN_BUDGET = 32_000


def _null_is_default(default: Any) -> BeforeValidator:
    return BeforeValidator(lambda value: default if value is None else value)


class _Lenient(BaseModel):
    """Takes fields it does not know and names them in the answer's `warnings`."""

    model_config = ConfigDict(extra="allow")

    lang: str | None = None

    def warnings(self) -> list[str]:
        unknown = [f"{field}: not supported, ignored" for field in self.model_extra or ()]
        if self.lang is not None and not self.lang.lower().startswith("en"):
            unknown.append(f"lang: the embedding model is English; {self.lang!r} recalls worse")
        return unknown


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, OSError, ValueError) as error:
        raise ValueError(f"{name!r} is no IANA time zone, as Europe/Berlin is one") from error
    return name


TimeZone = Annotated[
    str,
    AfterValidator(_zone),
    Field(description="The caller's, by its IANA name; UTC if absent"),
]


AsOf = Annotated[
    Moment | None,
    Field(default=None, description="Of what held then, instead of what is current"),
]


class NoteIn(_Lenient):
    content: Content
    memory_type: MemoryType | None = Field(default=None, description="episodic if absent")
    importance: Importance | None = Field(default=None, description="0.5 if absent")
    metadata: Metadata | None = None
    session_id: MaybeSessionId = None
    tags: Tags | None = None
    ttl_seconds: Annotated[int, Field(gt=0, le=MAX_TTL_SECS), NumberOnly] | None = None
    expires_at: UnixSeconds | None = Field(default=None, description="Wins over ttl_seconds")
    event_time: Moment | None = Field(
        default=None, description="When it happened: Unix seconds or RFC 3339; now if absent"
    )
    subject: Subject = Field(
        default=None,
        description="What it gives the value of; the newest value by event_time is the current one",
    )
    supersedes: MemoryId | None = Field(default=None, description="The memory whose place it takes")

    def to_note(self, id: str | None = None) -> Note:
        expires_at = self.expires_at
        if expires_at is None and self.ttl_seconds is not None:
            expires_at = int(time()) + self.ttl_seconds
        return Note(
            content=self.content,
            memory_type=self.memory_type,
            importance=self.importance,
            tags=None if self.tags is None else list(dict.fromkeys(self.tags)),
            session_id=self.session_id,
            metadata=self.metadata,
            event_time=self.event_time,
            expires_at=expires_at,
            subject=self.subject,
            supersedes=self.supersedes,
            id=id,
        )


class StoreMemory(NoteIn, Owned):
    model_config = ConfigDict(extra="allow")


class BatchItem(NoteIn):
    id: MemoryId | None = Field(
        default=None, description="Names the memory: a later item with this id takes its place"
    )


class StoreBatch(_Lenient, Owned):
    model_config = ConfigDict(extra="allow")

    memories: list[BatchItem] = Field(min_length=1, max_length=MAX_BATCH)

    def notes(self) -> list[Note]:
        return [item.to_note(item.id) for item in self.memories]

    def all_warnings(self) -> list[str]:
        of_items = [
            f"memories[{index}].{warning}"
            for index, item in enumerate(self.memories)
            for warning in item.warnings()
        ]
        return self.warnings() + of_items


class Recall(_Lenient, Owned):
    model_config = ConfigDict(extra="allow")

    query: Query
    top_k: Annotated[int, Field(ge=1, le=MAX_TOP_K), NumberOnly, _null_is_default(5)] = 5
    memory_type: MemoryType | None = None
    min_importance: Importance | None = None
    tags: Tags | None = Field(default=None, description="Any of them")
    session_id: MaybeSessionId = None
    since: Moment | None = Field(default=None, description="Of event_time, included")
    until: Moment | None = Field(default=None, description="Of event_time, included")
    metadata: Metadata | None = Field(default=None, description="Each field equal to this")
    subject: Subject = None
    as_of: AsOf = None
    timezone: TimeZone | None = None
    now: Moment | None = Field(default=None, description="The caller's; the clock's if absent")
    explain: StrictBool | None = Field(default=None, description="Tell each hit's parts and why")
    rerank: StrictBool | None = Field(
        default=None, description="False leaves the order to the two searches' scores alone"
    )
    neighborhood: StrictBool | None = Field(default=None, description="True means inline")
    neighborhood_mode: Literal["inline", "separate", "off"] | None = Field(
        default=None,
        description="What was said right before and after each hit: inline puts it behind its"
        " hit, separate into context_memories; off if absent",
    )
    include_summaries: StrictBool | None = Field(
        default=None, description="Give the summaries of the hits' sessions too"
    )
    routing: Annotated[
        Routing, BeforeValidator(lambda value: "hybrid" if value in (None, "auto") else value)
    ] = "hybrid"
    vector_weight: Annotated[float, Field(ge=0, le=1), NumberOnly] | None = Field(
        default=None, description="Of meaning against words; if given, these two alone decide"
    )

    @property
    def around(self) -> Literal["inline", "separate"] | None:
        """Where the hits' neighbours go; None leaves them out."""
        if self.neighborhood_mode is not None:
            return None if self.neighborhood_mode == "off" else self.neighborhood_mode
        return "inline" if self.neighborhood else None

    def selection(self) -> Selection:
        return Selection(
            memory_type=self.memory_type,
            min_importance=self.min_importance,
            any_tags=tuple(self.tags or ()),
            session_id=self.session_id,
            since=self.since,
            until=None if self.until is None else self.until + 1,
            metadata=self.metadata or {},
            subject=self.subject,
            as_of=self.as_of,
        )


class Search(Recall):
    top_k: Annotated[int, Field(ge=1, le=MAX_TOP_K), NumberOnly, _null_is_default(10)] = 10


class Context(_Lenient, Owned):
    model_config = ConfigDict(extra="allow")

    query: Query = Field(description="The user's first message, or what the session is about")
    token_budget: Annotated[
        int, Field(ge=1, le=MAX_TOKEN_BUDGET), NumberOnly, _null_is_default(800)
    ] = 800
    session_id: MaybeSessionId = Field(default=None, description="Of this session alone")
    as_of: AsOf = None
    timezone: TimeZone | None = None
    now: Moment | None = None


class Filter(BaseModel):
    """Every predicate that is given must hold."""

    model_config = ConfigDict(extra="forbid")

    tags: Tags | None = Field(default=None, description="All of them")
    min_importance: Importance | None = None
    max_importance: Importance | None = None
    created_after: UnixSeconds | None = None
    created_before: UnixSeconds | None = None
    memory_type: MemoryType | None = None
    session_id: MaybeSessionId = None
    subject: Subject = None

    def selection(self) -> Selection:
        return Selection(
            all_tags=tuple(self.tags or ()),
            min_importance=self.min_importance,
            max_importance=self.max_importance,
            created_after=self.created_after,
            created_before=self.created_before,
            memory_type=self.memory_type,
            session_id=self.session_id,
            subject=self.subject,
        )


class RecallBatch(_Lenient, Owned):
    model_config = ConfigDict(extra="allow")

    filter: Annotated[Filter, _null_is_default({})] = Field(default_factory=Filter)
    limit: Annotated[int, Field(ge=1, le=1_000), NumberOnly, _null_is_default(100)] = 100
    as_of: AsOf = None


class ForgetBatch(Owned):
    filter: Filter = Field(description="At least one predicate")


class UpdateMemory(BaseModel):
    model_config = ConfigDict(extra="ignore")

    namespace: Namespace | None = None
    agent_id: Namespace | None = None
    content: Content | None = None
    metadata: Metadata | None = None
    memory_type: MemoryType | None = None
    importance: Importance | None = None
    tags: Tags | None = Field(default=None, description="Takes the place of all present ones")

    def changes(self) -> dict[str, Any]:
        """The fields that the caller set."""
        return self.model_dump(exclude={"namespace", "agent_id"}, exclude_none=True)


class Forget(Owned):
    memory_ids: Annotated[list[MemoryId], Field(max_length=MAX_BATCH)] | None = None
    tags: Tags | None = Field(default=None, description="Any of them")
    session_id: MaybeSessionId = None
    before_timestamp: UnixSeconds | None = Field(default=None, description="Of created_at")

    def selection(self) -> Selection:
        return Selection(
            ids=tuple(self.memory_ids or ()),
            any_tags=tuple(self.tags or ()),
            session_id=self.session_id,
            created_before=self.before_timestamp,
        )


class SetImportance(Owned):
    memory_id: MemoryId | None = None
    memory_ids: Annotated[list[MemoryId], Field(max_length=100)] | None = None
    importance: Importance

    @property
    def ids(self) -> list[str]:
        ids = self.memory_ids or ([self.memory_id] if self.memory_id else [])
        if not ids:
            raise InvalidRequestError("memory_id", "is required (or several as memory_ids)")
        return ids


def _several(ids: list[str]) -> list[str]:
    if len(set(ids)) == 1:
        raise ValueError("needs two or more memories")
    return ids


class Consolidate(Owned):
    memory_ids: (
        Annotated[list[MemoryId], Field(max_length=100), AfterValidator(_several)] | None
    ) = None
    threshold: Annotated[float, Field(gt=0, le=1), NumberOnly] | None = None
    target_type: MemoryType | None = None


class Summarize(Owned):
    memory_ids: Annotated[
        list[MemoryId], Field(min_length=2, max_length=100), AfterValidator(_several)
    ]
    target_type: MemoryType | None = Field(default=None, description="semantic if absent")


class MemoryOut(BaseModel):
    id: str
    namespace: str
    agent_id: str = Field(description="The same as `namespace`")
    content: str
    memory_type: MemoryType
    importance: float
    tags: list[str]
    session_id: str | None
    metadata: dict[str, Any]
    event_time: int
    created_at: int
    updated_at: int
    last_accessed_at: int = Field(description="When it was stored: reads are not written down")
    access_count: int = 0
    expires_at: int | None
    subject: str | None
    valid_until: int | None = Field(description="It held from event_time until then")
    superseded_by: str | None
    superseded_kind: SupersededKind | None
    covered_by: str | None = Field(
        description="The summary of its session, once that is old; a summary's own id, then"
    )

    @classmethod
    def of(cls, memory: Memory) -> "MemoryOut":
        return cls(
            id=memory.id,
            namespace=memory.namespace,
            agent_id=memory.namespace,
            content=memory.content,
            memory_type=memory.memory_type,
            importance=memory.importance,
            tags=memory.tags,
            session_id=memory.session_id,
            metadata=memory.metadata,
            event_time=memory.event_time,
            created_at=memory.created_at,
            updated_at=memory.updated_at,
            last_accessed_at=memory.created_at,
            expires_at=memory.expires_at,
            subject=memory.subject,
            valid_until=memory.valid_until,
            superseded_by=memory.superseded_by,
            superseded_kind=memory.superseded_kind,
            covered_by=memory.covered_by,
        )


class StoredMemory(MemoryOut):
    indexed: bool = Field(
        description="False while OpenSearch is away: it is kept, and found once that is back"
    )

    @classmethod
    def of_store(cls, memory: Memory, *, indexed: bool) -> "StoredMemory":
        return cls(**MemoryOut.of(memory).model_dump(), indexed=indexed)


class MemoryPreview(MemoryOut):
    content_len: int = Field(description="Characters of the whole content")
    content_truncated: bool

    @classmethod
    def cut(cls, memory: Memory, characters: int) -> "MemoryPreview":
        whole = MemoryOut.of(memory).model_dump()
        return cls(
            **whole | {"content": memory.content[:characters]},
            content_len=len(memory.content),
            content_truncated=len(memory.content) > characters,
        )


class Folded(BaseModel):
    """A memory that says nothing new, and the one that stands for it in recall."""

    id: str
    survivor_id: str

    @classmethod
    def of(cls, memory: Memory) -> "Folded | None":
        if memory.superseded_by is None or memory.superseded_kind != "deduplication":
            return None
        return cls(id=memory.id, survivor_id=memory.superseded_by)


class MemoryStored(BaseModel):
    memory: StoredMemory
    indexed: bool = Field(description="The memory's own")
    embedding_time_ms: int
    session_state: SessionState | None = None
    deduplicated: bool = Field(description="Whether the survivor stands for it in recall")
    survivor_id: str | None
    warnings: list[str] = []


class BatchStored(BaseModel):
    stored: list[StoredMemory] = Field(description="One an item, in order")
    indexed: bool = Field(description="Whether all of them are")
    stored_count: int
    total_embedding_time_ms: int
    ended_sessions: list[str] = Field(description="Named sessions that had ended")
    deduplicated: list[Folded] = Field(description="The stored ones that others stand for")
    warnings: list[str] = []


class Explanation(BaseModel):
    """The parts add up to the score."""

    parts: dict[str, float]
    sentence: str

    @classmethod
    def of(cls, ranked: Ranked) -> "Explanation":
        return cls(parts=dict(ranked.parts), sentence=sentence(ranked))


class _Scored(BaseModel):
    score: float
    vector_score: float | None = Field(description="Cosine; null if only its words matched")
    text_score: float | None = Field(description="BM25; null if only its meaning matched")
    explanation: Explanation | None = Field(description="If the request says `explain`")


class _Beside(BaseModel):
    retrieval: Literal["neighborhood"] | None = Field(
        default=None, description="Of what is there for its neighbour's sake"
    )
    context_of: str | None = Field(default=None, description="The id of that neighbour")


class Hit(_Scored, _Beside):
    """A recalled memory, nested; all four scores that clients look for are the same one."""

    memory: MemoryOut
    rank_score: float
    smart_score: float
    weighted_score: float

    @classmethod
    def of(cls, ranked: Ranked, *, explain: bool) -> "Hit":
        return cls(
            memory=MemoryOut.of(ranked.memory),
            rank_score=ranked.score,
            smart_score=ranked.score,
            weighted_score=ranked.score,
            **_scores(ranked, explain=explain),
        )

    @classmethod
    def beside(cls, memory: Memory, ranked: Ranked) -> "Hit":
        return cls(
            memory=MemoryOut.of(memory),
            rank_score=ranked.score,
            smart_score=ranked.score,
            weighted_score=ranked.score,
            **_neighbour_of(ranked),
        )


class Result(MemoryOut, _Scored, _Beside):
    """A recalled memory, flat."""

    @classmethod
    def of(cls, ranked: Ranked, *, explain: bool) -> "Result":  # type: ignore[override]
        memory = MemoryOut.of(ranked.memory).model_dump()
        return cls(**memory, **_scores(ranked, explain=explain))

    @classmethod
    def beside(cls, memory: Memory, ranked: Ranked) -> "Result":
        return cls(**MemoryOut.of(memory).model_dump(), **_neighbour_of(ranked))


def _neighbour_of(ranked: Ranked) -> dict[str, Any]:
    """A neighbour has no scores of its own: it takes its place by its hit's."""
    return {
        "score": ranked.score,
        "vector_score": None,
        "text_score": None,
        "explanation": None,
        "retrieval": "neighborhood",
        "context_of": ranked.memory.id,
    }


def _scores(ranked: Ranked, *, explain: bool) -> dict[str, Any]:
    return {
        "score": ranked.score,
        "vector_score": ranked.candidate.cosine,
        "text_score": ranked.candidate.bm25,
        "explanation": Explanation.of(ranked) if explain else None,
    }


class ResolvedTimeOut(BaseModel):
    """Which time the question was understood to name: [start, end), null is open."""

    phrase: str
    start: int | None
    end: int | None
    source: Literal["calendar", "session"]
    session_id: str | None

    @classmethod
    def of(cls, resolved: ResolvedTime | None) -> "ResolvedTimeOut | None":
        return cls(**asdict(resolved)) if resolved else None


class SessionSummary(BaseModel):
    session_id: str
    summary: str
    started_at: int
    ended_at: int | None


class _RecallAnswer(BaseModel):
    total_found: int
    resolved_time: ResolvedTimeOut | None = Field(
        description="Memories of that time rank higher; null if the question names none"
    )
    summaries: list[SessionSummary] | None = Field(description="If asked for")
    query_embedding_time_ms: int
    search_time_ms: int
    warnings: list[str] = []


class Hits(_RecallAnswer):
    """To a request that says `agent_id`."""

    memories: list[Hit]
    context_memories: list[Hit] | None = Field(description="If asked for separately")


class Results(_RecallAnswer):
    """To a request that says `namespace`."""

    results: list[Result]
    context_memories: list[Result] | None = Field(description="If asked for separately")


class ContextBlockOut(BaseModel):
    """`block` goes into the system prompt as it is; empty where there is nothing to say."""

    block: str
    tokens: int = Field(description="Of the embedding model's tokenizer")
    memories: list[MemoryOut] = Field(description="Those in the block, in its order")
    resolved_time: ResolvedTimeOut | None
    warnings: list[str] = []


class MemoryPage(BaseModel):
    memories: list[MemoryOut | MemoryPreview]
    total: int


class FilteredMemories(BaseModel):
    """Newest first, without a question."""

    memories: list[MemoryOut]
    total: int = Field(description="In the namespace")
    filtered: int = Field(description="That fit the filter")
    truncated: bool = Field(description="Whether more fit than were asked for")
    warnings: list[str] = []


class WakeUp(BaseModel):
    """What to know at a start, by importance and age alone."""

    namespace: str
    agent_id: str = Field(description="The same as `namespace`")
    memories: list[MemoryOut]
    total_available: int


class Forgotten(BaseModel):
    deleted_count: int


class MemoriesConsolidated(BaseModel):
    consolidated_memory: MemoryOut | None = Field(description="Null where no two were alike")
    source_memory_ids: list[str]
    memories_removed: int = Field(description="Of the sources, from recall; each can still be read")


class MemoriesSummarized(BaseModel):
    summary: str
    source_count: int
    new_memory_id: str


class ImportanceSet(BaseModel):
    updated_count: int
    memories: list[MemoryOut]


class NamespaceStats(BaseModel):
    namespace: str
    agent_id: str = Field(description="The same as `namespace`")
    total_memories: int
    memories_by_type: dict[str, int]
    total_sessions: int
    active_sessions: int
    avg_importance: float | None
    oldest_memory_at: int | None
    newest_memory_at: int | None


class Ready(BaseModel):
    """Each check is "ok", or says what is wrong."""

    ready: bool
    version: str = __version__
    checks: dict[str, str]
