"""The things the service answers with, and the one it is given in numbers: new memories.

Times are Unix seconds. Answers are the server's JSON as it came: a newer server may add keys.
"""

from datetime import datetime
from typing import Any, Literal, NotRequired, TypedDict

MemoryType = Literal["episodic", "semantic", "procedural", "working", "summary"]
Routing = Literal["auto", "vector", "bm25", "hybrid"]
SessionState = Literal["active", "ended"]


class Session(TypedDict):
    session_id: str
    namespace: str
    metadata: dict[str, Any]
    started_at: int
    ended_at: int | None
    ended_reason: Literal["client", "idle"] | None
    summary: str | None
    memory_count: int
    last_activity_at: int
    idle_timeout_secs: int | None


class SessionList(TypedDict):
    sessions: list[Session]
    total: int


class TouchedSession(TypedDict):
    session: Session
    session_state: SessionState
    idle_deadline_at: int | None


class Memory(TypedDict):
    id: str
    namespace: str
    content: str
    memory_type: MemoryType
    importance: float
    tags: list[str]
    session_id: str | None
    metadata: dict[str, Any]
    created_at: int
    updated_at: NotRequired[int]
    expires_at: NotRequired[int | None]
    subject: NotRequired[str | None]
    valid_until: NotRequired[int | None]
    superseded_by: NotRequired[str | None]


class MemoryList(TypedDict):
    memories: list[Memory]
    total: int


class NewMemory(TypedDict):
    """One item of `store_batch`; its fields mean what `store`'s arguments do. None is unset."""

    content: str
    id: NotRequired[str | None]
    metadata: NotRequired[dict[str, Any] | None]
    session_id: NotRequired[str | None]
    importance: NotRequired[float | None]
    memory_type: NotRequired[MemoryType | None]
    tags: NotRequired[list[str] | None]
    ttl_seconds: NotRequired[int | None]
    expires_at: NotRequired[datetime | int | None]
    event_time: NotRequired[datetime | str | None]
    subject: NotRequired[str | None]
    supersedes: NotRequired[str | None]


class StoredMemory(TypedDict):
    """`indexed` is false when the memory is safe but waits for the search engine to come back."""

    memory: Memory
    session_state: NotRequired[SessionState]
    indexed: NotRequired[bool]
    warnings: NotRequired[list[str]]


class StoredBatchItem(TypedDict):
    id: str
    content: str
    tags: list[str]
    importance: float
    created_at: int


class StoredBatch(TypedDict):
    """`stored` has the order of the request; `ended_sessions` names those that were over."""

    stored: list[StoredBatchItem]
    stored_count: int
    ended_sessions: NotRequired[list[str]]
    warnings: NotRequired[list[str]]


class Recalled(TypedDict):
    """A memory that was found. A higher `score` is a better match, within one answer only."""

    id: str
    content: str
    score: float
    importance: float
    metadata: dict[str, Any]
    created_at: int
    session_id: str | None
    memory_type: MemoryType
    tags: list[str]
    explanation: NotRequired[dict[str, Any] | None]


class ResolvedTime(TypedDict):
    """Which time a question was understood to name: [start, end) in Unix seconds, None is open."""

    phrase: str
    start: int | None
    end: int | None
    source: Literal["calendar", "session"]
    session_id: str | None


class RecalledMemories(TypedDict):
    """`results` are best first."""

    results: list[Recalled]
    resolved_time: NotRequired[ResolvedTime | None]
    total_found: NotRequired[int]
    warnings: NotRequired[list[str]]


class ContextBlock(TypedDict):
    """`block` goes into the system prompt as it is; empty where there is nothing to say."""

    block: str
    tokens: int
    memories: list[Memory]
    resolved_time: ResolvedTime | None


class Forgotten(TypedDict):
    deleted_count: int


class NamespaceStats(TypedDict):
    total_memories: int
    memories_by_type: dict[str, int]
    total_sessions: int
    active_sessions: int
    avg_importance: NotRequired[float | None]
    oldest_memory_at: NotRequired[int | None]
    newest_memory_at: NotRequired[int | None]


class Health(TypedDict):
    status: str
    healthy: bool
    version: str
    uptime_seconds: NotRequired[float]
