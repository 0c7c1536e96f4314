"""Memories, as they travel. Times are Unix seconds."""

from time import time
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from cross_session.domain.memory import Memory, MemoryType
from cross_session.domain.ranking import DEFAULT_VECTOR_WEIGHT
from cross_session.domain.selection import Selection
from cross_session.domain.session import SessionState
from cross_session.errors import InvalidRequestError
from cross_session.recall import Recalled, Routing
from cross_session.remember import Note
from cross_session.wire.base import (
    Content,
    Importance,
    MaybeSessionId,
    MemoryId,
    Metadata,
    Moment,
    Namespace,
    Owned,
    Query,
    Tags,
    UnixSeconds,
)

MAX_BATCH = 1_000
MAX_TOP_K = 100
MAX_TTL_SECS = 100 * 366 * 86_400


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


class NoteIn(_Lenient):
    content: Content
    memory_type: MemoryType | None = Field(default=None, description="episodic if absent")
    importance: Importance | None = Field(default=None, description="0.5 if absent")
    metadata: Metadata | None = None
    session_id: MaybeSessionId = None
    tags: Tags | None = None
    ttl_seconds: Annotated[int, Field(gt=0, le=MAX_TTL_SECS)] | None = None
    expires_at: UnixSeconds | None = Field(default=None, description="Wins over ttl_seconds")
    event_time: Moment | None = Field(
        default=None, description="When it happened: Unix seconds or RFC 3339; now if absent"
    )

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
    top_k: Annotated[int, Field(ge=1, le=MAX_TOP_K), _null_is_default(5)] = 5
    memory_type: MemoryType | None = None
    min_importance: Importance | None = None
    tags: Tags | None = Field(default=None, description="Any of them")
    session_id: MaybeSessionId = None
    since: Moment | None = Field(default=None, description="Of event_time, included")
    until: Moment | None = Field(default=None, description="Of event_time, included")
    metadata: Metadata | None = Field(default=None, description="Each field equal to this")
    neighborhood: bool | None = None
    neighborhood_mode: Literal["inline", "separate", "off"] | None = None
    routing: Annotated[
        Routing, BeforeValidator(lambda value: "hybrid" if value in (None, "auto") else value)
    ] = "hybrid"
    vector_weight: Annotated[float, Field(ge=0, le=1), _null_is_default(DEFAULT_VECTOR_WEIGHT)] = (
        DEFAULT_VECTOR_WEIGHT
    )

    def warnings(self) -> list[str]:
        asked = {
            "neighborhood": self.neighborhood,
            "neighborhood_mode": self.neighborhood_mode == "inline",
        }
        return super().warnings() + [
            f"{field}: not supported, ignored" for field, wanted in asked.items() if wanted
        ]

    def selection(self) -> Selection:
        return Selection(
            memory_type=self.memory_type,
            min_importance=self.min_importance,
            any_tags=tuple(self.tags or ()),
            session_id=self.session_id,
            since=self.since,
            until=None if self.until is None else self.until + 1,
            metadata=self.metadata or {},
        )


class Search(Recall):
    top_k: Annotated[int, Field(ge=1, le=MAX_TOP_K), _null_is_default(10)] = 10


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


def _several_or_none(ids: list[str]) -> list[str]:
    if len(set(ids)) == 1:
        raise ValueError("needs two or more memories to consolidate")
    return ids


class Consolidate(Owned):
    memory_ids: (
        Annotated[list[MemoryId], Field(max_length=100), AfterValidator(_several_or_none)] | None
    ) = None
    threshold: Annotated[float, Field(gt=0, le=1)] | None = None
    target_type: MemoryType | None = None


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
    superseded_by: str | None

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
            superseded_by=memory.superseded_by,
        )


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


class MemoryStored(BaseModel):
    memory: MemoryOut
    embedding_time_ms: int
    session_state: SessionState | None = None
    warnings: list[str] = []


class BatchStored(BaseModel):
    stored: list[MemoryOut] = Field(description="One an item, in order")
    stored_count: int
    total_embedding_time_ms: int
    ended_sessions: list[str] = Field(description="Named sessions that had ended")
    warnings: list[str] = []


class Hit(BaseModel):
    """A recalled memory, nested; all four scores that clients look for are the same one."""

    memory: MemoryOut
    score: float
    rank_score: float
    smart_score: float
    weighted_score: float
    vector_score: float | None = Field(description="Cosine; null if only its words matched")
    text_score: float | None = Field(description="BM25; null if only its meaning matched")

    @classmethod
    def of(cls, recalled: Recalled) -> "Hit":
        return cls(
            memory=MemoryOut.of(recalled.memory),
            score=recalled.score,
            rank_score=recalled.score,
            smart_score=recalled.score,
            weighted_score=recalled.score,
            vector_score=recalled.cosine,
            text_score=recalled.bm25,
        )


class Result(MemoryOut):
    """A recalled memory, flat."""

    score: float
    vector_score: float | None
    text_score: float | None

    @classmethod
    def of_recalled(cls, recalled: Recalled) -> "Result":
        return cls(
            **MemoryOut.of(recalled.memory).model_dump(),
            score=recalled.score,
            vector_score=recalled.cosine,
            text_score=recalled.bm25,
        )


class _RecallAnswer(BaseModel):
    total_found: int
    query_embedding_time_ms: int
    search_time_ms: int
    warnings: list[str] = []


class Hits(_RecallAnswer):
    """To a request that says `agent_id`."""

    memories: list[Hit]


class Results(_RecallAnswer):
    """To a request that says `namespace`."""

    results: list[Result]


class MemoryPage(BaseModel):
    memories: list[MemoryOut | MemoryPreview]
    total: int


class Forgotten(BaseModel):
    deleted_count: int


class MemoriesConsolidated(BaseModel):
    consolidated_memory: MemoryOut | None = Field(description="Null where no two were alike")
    source_memory_ids: list[str]
    memories_removed: int = Field(description="Of the sources, from recall; each can still be read")


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
