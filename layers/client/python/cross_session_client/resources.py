"""What each call says on the wire. Written once, sent by both clients.

An argument that is None is unset and not sent. `since`, `until` and `event_time` are
timezone-aware datetimes or RFC 3339 text.
"""

import math
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

from cross_session_client.objects import (
    Forgotten,
    Memory,
    MemoryList,
    MemoryType,
    NamespaceStats,
    NewMemory,
    RecalledMemories,
    Routing,
    Session,
    SessionList,
    StoredBatch,
    StoredMemory,
    TouchedSession,
)
from cross_session_client.sending import AnySender, Call, Endpoint, Resource


class Sessions(Resource[AnySender]):
    """One conversation each: from the user's connecting to their leaving."""

    @Endpoint
    def start(
        self,
        namespace: str,
        *,
        metadata: Mapping[str, Any] | None = None,
        idle_timeout_secs: int | None = None,
    ) -> Call[Session]:
        """A new session. It ends by itself when idle for `idle_timeout_secs` (0: never)."""
        body = given(namespace=namespace, metadata=metadata, idle_timeout_secs=idle_timeout_secs)
        return Call("POST", "/v1/sessions/start", json=body, result="session")

    @Endpoint
    def end(
        self,
        session_id: str,
        *,
        summary: str | None = None,
        auto_summarize: bool | None = None,
    ) -> Call[Session]:
        """The session as it ended. Ending it again changes nothing.

        A summary of it follows, which `summary` opens, unless `auto_summarize` is False.
        """
        path = f"/v1/sessions/{_segment('session_id', session_id)}/end"
        body = given(summary=summary, auto_summarize=auto_summarize)
        return Call("POST", path, json=body, result="session")

    @Endpoint
    def touch(self, session_id: str) -> Call[TouchedSession]:
        """Puts off the idle timeout. An ended session stays ended, and says so."""
        return Call("POST", f"/v1/sessions/{_segment('session_id', session_id)}/touch")

    @Endpoint
    def get(self, session_id: str) -> Call[Session]:
        """Raises NotFoundError if there is none, or none of yours."""
        return Call("GET", f"/v1/sessions/{_segment('session_id', session_id)}")

    @Endpoint
    def list(
        self,
        namespace: str | None = None,
        *,
        active_only: bool | None = None,
        limit: int | None = None,
        offset: int | None = None,
    ) -> Call[SessionList]:
        """Newest first; `total` counts those beyond `limit` too."""
        params = given(namespace=namespace, active_only=active_only, limit=limit, offset=offset)
        return Call("GET", "/v1/sessions", params)

    @Endpoint
    def memories(
        self, session_id: str, *, limit: int | None = None, offset: int | None = None
    ) -> Call[MemoryList]:
        """What was stored in the session; at most 500 a page."""
        path = f"/v1/sessions/{_segment('session_id', session_id)}/memories"
        return Call("GET", path, given(limit=limit, offset=offset))


class Memories(Resource[AnySender]):
    """What is worth knowing in later sessions."""

    @Endpoint
    def store(
        self,
        content: str,
        *,
        namespace: str,
        metadata: Mapping[str, Any] | None = None,
        session_id: str | None = None,
        importance: float | None = None,
        memory_type: MemoryType | None = None,
        tags: Iterable[str] | None = None,
        ttl_seconds: int | None = None,
        expires_at: datetime | int | None = None,
        event_time: datetime | str | None = None,
        subject: str | None = None,
        supersedes: str | None = None,
    ) -> Call[StoredMemory]:
        """Durable when it returns; the next recall finds it.

        `session_id` and `importance` (0 to 1) may also stand in `metadata`, from where they are
        moved. `expires_at`, a datetime or Unix seconds, wins over `ttl_seconds`. `event_time` is
        when the thing remembered happened, if not now. The newest value of a `subject`
        ("backend.database") is the current one; `supersedes` is the id of the memory whose place
        this one takes.
        """
        memory = {
            "content": content,
            "metadata": metadata,
            "session_id": session_id,
            "importance": importance,
            "memory_type": memory_type,
            "tags": _listed(tags),
            "ttl_seconds": ttl_seconds,
            "expires_at": expires_at,
            "event_time": event_time,
            "subject": subject,
            "supersedes": supersedes,
        }
        body = {"namespace": namespace, **_new_memory(memory)}
        return Call("POST", "/v1/memory/store", json=body)

    @Endpoint
    def store_batch(self, *, namespace: str, memories: Iterable[NewMemory]) -> Call[StoredBatch]:
        """All of them in one request, at most 1,000."""
        body = {"namespace": namespace, "memories": [_new_memory(memory) for memory in memories]}
        return Call("POST", "/v1/memories/store/batch", json=body)

    @Endpoint
    def recall(
        self,
        query: str,
        *,
        namespace: str,
        top_k: int | None = None,
        memory_type: MemoryType | None = None,
        min_importance: float | None = None,
        tags: Iterable[str] | None = None,
        session_id: str | None = None,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        routing: Routing | None = None,
        vector_weight: float | None = None,
        timezone: str | None = None,
        now: datetime | str | None = None,
        explain: bool | None = None,
        subject: str | None = None,
        as_of: datetime | str | None = None,
    ) -> Call[RecalledMemories]:
        """What matters for `query`, from all sessions unless `session_id` names one.

        `timezone` (an IANA name) and `now` are the user's, so that "yesterday" is. `explain`
        gives each result an `explanation`. Any one of `tags` is enough. `vector_weight` (0 to 1)
        is the share of meaning against words. `as_of` recalls what held then. A namespace nobody
        stored into gives no results, not an error.
        """
        body = given(
            namespace=namespace,
            query=query,
            top_k=top_k,
            memory_type=memory_type,
            min_importance=min_importance,
            tags=_listed(tags),
            session_id=session_id,
            since=rfc3339("since", since),
            until=rfc3339("until", until),
            routing=routing,
            vector_weight=vector_weight,
            timezone=timezone,
            now=rfc3339("now", now),
            explain=explain,
            subject=subject,
            as_of=rfc3339("as_of", as_of),
        )
        return Call("POST", "/v1/memory/recall", json=body, read_only=True)

    @Endpoint
    def search(
        self,
        query: str,
        *,
        namespace: str,
        top_k: int | None = None,
        memory_type: MemoryType | None = None,
        min_importance: float | None = None,
        tags: Iterable[str] | None = None,
        session_id: str | None = None,
        routing: Routing | None = None,
    ) -> Call[RecalledMemories]:
        """The closest matches to `query`, by relevance alone."""
        body = given(
            namespace=namespace,
            query=query,
            top_k=top_k,
            memory_type=memory_type,
            min_importance=min_importance,
            tags=_listed(tags),
            session_id=session_id,
            routing=routing,
        )
        return Call("POST", "/v1/memory/search", json=body, read_only=True)

    @Endpoint
    def get(self, memory_id: str, *, namespace: str) -> Call[Memory]:
        """Raises NotFoundError if there is none, or none of yours."""
        path = f"/v1/memory/get/{_segment('memory_id', memory_id)}"
        return Call("GET", path, {"namespace": namespace})

    @Endpoint
    def update(
        self,
        memory_id: str,
        *,
        namespace: str,
        content: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        memory_type: MemoryType | None = None,
        importance: float | None = None,
        tags: Iterable[str] | None = None,
    ) -> Call[Memory]:
        """The memory as changed. What is given replaces what was there; the rest stays."""
        path = f"/v1/memory/update/{_segment('memory_id', memory_id)}"
        changes = {
            "content": content,
            "metadata": metadata,
            "memory_type": memory_type,
            "importance": importance,
            "tags": _listed(tags),
        }
        return Call("PUT", path, {"namespace": namespace}, json=_lifted(changes))

    @Endpoint
    def forget(
        self,
        *,
        namespace: str,
        memory_ids: Iterable[str] | None = None,
        tags: Iterable[str] | None = None,
        session_id: str | None = None,
        before: datetime | int | None = None,
    ) -> Call[Forgotten]:
        """Deletes what the selectors choose; `before` is a datetime or Unix seconds.

        With no selector the service refuses: ValidationError, and nothing is deleted.
        """
        body = given(
            namespace=namespace,
            memory_ids=_listed(memory_ids),
            tags=_listed(tags),
            session_id=session_id,
            before_timestamp=_unix_seconds("before", before),
        )
        return Call("POST", "/v1/memory/forget", json=body)

    @Endpoint
    def restore(self, memory_id: str, *, namespace: str) -> Call[Memory]:
        """Makes a superseded memory current again; a value that was replaced takes its place back.

        Raises ConflictError where it is current already.
        """
        path = f"/v1/memory/deduplicated/{_segment('memory_id', memory_id)}/restore"
        return Call("POST", path, {"namespace": namespace})

    @Endpoint
    def set_importance(
        self, memory_id: str, *, namespace: str, importance: float
    ) -> Call[dict[str, Any]]:
        """From 0 (barely worth keeping) to 1."""
        body = {"namespace": namespace, "memory_id": memory_id, "importance": importance}
        return Call("POST", "/v1/memory/importance", json=body)

    @Endpoint
    def stats(self, namespace: str) -> Call[NamespaceStats]:
        """Counts of what the namespace holds."""
        return Call("GET", f"/v1/agents/{_segment('namespace', namespace)}/stats")


_LIFTED = ("session_id", "importance")


def _new_memory(memory: Mapping[str, Any]) -> dict[str, Any]:
    return _lifted(
        {
            **memory,
            "expires_at": _unix_seconds("expires_at", memory.get("expires_at")),
            "event_time": rfc3339("event_time", memory.get("event_time")),
        }
    )


def _lifted(memory: Mapping[str, Any]) -> dict[str, Any]:
    """The memory with `session_id` and `importance` beside its metadata instead of in it.

    What is given beside the metadata wins. Metadata that held nothing else is left out, so that an
    update of the importance alone doesn't empty it.
    """
    metadata = memory.get("metadata")
    if not metadata:
        return given(**memory)
    lifted = {name: metadata[name] for name in _LIFTED if name in metadata}
    rest = {name: value for name, value in metadata.items() if name not in _LIFTED}
    return given(**{**lifted, **given(**memory), "metadata": rest or None})


def given(**arguments: Any) -> dict[str, Any]:
    return {name: value for name, value in arguments.items() if value is not None}


def _segment(argument: str, value: str) -> str:
    """One percent-encoded path segment; what would name another path is refused."""
    if value in {"", ".", ".."}:
        raise ValueError(f"{argument} can't be {value!r}")
    return quote(value, safe="")


def rfc3339(argument: str, time: datetime | str | None) -> str | None:
    return _aware(argument, time).isoformat() if isinstance(time, datetime) else time


def _unix_seconds(argument: str, time: datetime | int | None) -> int | None:
    """Rounded down, so that `before` never reaches further than it says."""
    if isinstance(time, datetime):
        return math.floor(_aware(argument, time).timestamp())
    return time


def _aware(argument: str, time: datetime) -> datetime:
    if time.utcoffset() is None:
        raise ValueError(f"{argument} must be timezone-aware, or it names no instant: {time!r}")
    return time


def _listed(values: Iterable[str] | None) -> list[str] | None:
    return None if values is None else list(values)
