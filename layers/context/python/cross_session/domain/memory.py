"""A memory: something worth knowing in a later session."""

import hashlib
from dataclasses import dataclass, field
from typing import Any, Literal

DEFAULT_IMPORTANCE = 0.5

MemoryType = Literal["episodic", "semantic", "procedural", "working"]
DEFAULT_TYPE: MemoryType = "episodic"


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Times are Unix seconds; `importance` lies in 0..1.

    `sequence` orders what was stored within one second: nanoseconds since 1970.

    `event_time` is when the thing happened, `created_at` when it was stored.
    `preceding` is what the session's memory before this one said, cut short; None for a
    note, which stands alone. A memory with `superseded_by` is kept and can be read by its
    id, but is no longer recalled. `written_at`, in nanoseconds since 1970, is when its last
    write was accepted: one that comes late must not undo it.
    """

    id: str
    tenant: str
    namespace: str
    content: str
    memory_type: MemoryType = DEFAULT_TYPE
    importance: float = DEFAULT_IMPORTANCE
    tags: list[str] = field(default_factory=list)
    session_id: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    event_time: int
    created_at: int
    updated_at: int
    sequence: int
    expires_at: int | None = None
    superseded_by: str | None = None
    preceding: str | None = None
    written_at: int = field(default=0, compare=False)

    def expired(self, now: int) -> bool:
        return self.expires_at is not None and self.expires_at <= now


def memory_id(
    *,
    tenant: str,
    namespace: str,
    session_id: str | None,
    content: str,
    event_time: int | None,
    attempt: int = 0,
) -> str:
    """The id that every repeat of the same store derives: `mem_` and 32 hex digits.

    `event_time` is the caller's own, None if it gave none: the clock must not make a
    repeat look new. `attempt` > 0 gives the next id, for when the first is held by a
    memory whose content was since updated to something else.
    """
    parts = (tenant, namespace, session_id or "", str(event_time), content, str(attempt))
    digest = hashlib.sha256("\x1f".join(parts).encode())
    return f"mem_{digest.hexdigest()[:32]}"
