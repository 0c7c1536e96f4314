"""The Python client of the cross-session memory service.

    with CrossSession(base_url="http://localhost:3300", api_key="dk-...") as client:
        session = client.sessions.start(namespace="user-bob")
        client.memory.store(
            content="Decided to use PostgreSQL",
            namespace="user-bob",
            metadata={"session_id": session["session_id"], "type": "decision", "importance": 0.85},
        )
        context = client.memory.recall(query="Which database?", namespace="user-bob")["results"]
        client.sessions.end(session_id=session["session_id"])

`AsyncCrossSession` has the same calls, awaited. Every failure is a `CrossSessionError`.
"""

from cross_session_client.client import AsyncCrossSession, CrossSession
from cross_session_client.errors import (
    AuthenticationError,
    ConflictError,
    ConnectionFailedError,
    CrossSessionError,
    FeatureNotAvailableError,
    FieldError,
    NotFoundError,
    PayloadTooLargeError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
    ServiceUnavailableError,
    UnexpectedAnswerError,
    ValidationError,
)
from cross_session_client.objects import (
    ContextBlock,
    Forgotten,
    Health,
    Memory,
    MemoryList,
    MemoryType,
    NamespaceStats,
    NewMemory,
    Recalled,
    RecalledMemories,
    ResolvedTime,
    Routing,
    Session,
    SessionList,
    SessionState,
    StoredBatch,
    StoredBatchItem,
    StoredMemory,
    TouchedSession,
)

__all__ = [
    "AsyncCrossSession",
    "AuthenticationError",
    "ConflictError",
    "ConnectionFailedError",
    "ContextBlock",
    "CrossSession",
    "CrossSessionError",
    "FeatureNotAvailableError",
    "FieldError",
    "Forgotten",
    "Health",
    "Memory",
    "MemoryList",
    "MemoryType",
    "NamespaceStats",
    "NewMemory",
    "NotFoundError",
    "PayloadTooLargeError",
    "PermissionDeniedError",
    "RateLimitError",
    "Recalled",
    "RecalledMemories",
    "ResolvedTime",
    "Routing",
    "ServerError",
    "ServiceUnavailableError",
    "Session",
    "SessionList",
    "SessionState",
    "StoredBatch",
    "StoredBatchItem",
    "StoredMemory",
    "TouchedSession",
    "UnexpectedAnswerError",
    "ValidationError",
]
