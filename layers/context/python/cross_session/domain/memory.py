"""A memory: something worth knowing in a later session."""

import hashlib
from dataclasses import dataclass, field
from typing import Any, Literal

from cross_session.domain.feedback import Feedback

DEFAULT_IMPORTANCE = 0.5

MemoryType = Literal["episodic", "semantic", "procedural", "working", "summary"]
DEFAULT_TYPE: MemoryType = "episodic"

# Why a memory is no longer current: merged into another; said before; an older value of its
# subject; named by its successor; undone, as what had taken its place was put back.
SupersededKind = Literal["consolidation", "deduplication", "subject", "supersedes", "restoration"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Times are Unix seconds; `importance` lies in 0..1.

    `sequence` orders what was stored within one second: nanoseconds since 1970.

    `event_time` is when the thing happened, `created_at` when it was stored.
    `preceding` is what the session's memory before this one said, cut short; None for a
    note, which stands alone. `written_at`, in nanoseconds since 1970, is when its last write
    was accepted: one that comes late must not undo it.

    `subject` is what it gives a value of, "backend.database": the newest is the current one.
    A memory with `superseded_by` is kept and can be read by its id, but is recalled only
    `as_of` a time from `event_time` until `valid_until`. `superseded_at` is by the clock.
    `covered_by` is the summary of its session, once that is old; a summary's own id, then.
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
    subject: str | None = None
    valid_until: int | None = None
    superseded_by: str | None = None
    superseded_kind: SupersededKind | None = None
    superseded_at: int | None = None
    feedback: Feedback = field(default_factory=Feedback)
    covered_by: str | None = None
    preceding: str | None = None
    written_at: int = field(default=0, compare=False)

    @property
    def covered(self) -> bool:
        """Whether a summary, another memory, speaks for it."""
        return self.covered_by not in (None, self.id)

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
