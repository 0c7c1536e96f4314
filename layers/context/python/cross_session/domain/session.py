"""A session: from the moment a user connects until it is ended or falls idle."""

from dataclasses import dataclass, field, replace
from typing import Any, Literal

DEFAULT_IDLE_TIMEOUT_SECS = 4 * 3600
MAX_IDLE_TIMEOUT_SECS = 30 * 86_400
CONSOLIDATION_RETRY_SECS = 15 * 60  # then one that is not done is tried again

EndedReason = Literal["client", "idle"]
SessionState = Literal["active", "ended"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Times are Unix seconds, but for the start, whose milliseconds order sessions.

    An `idle_timeout_secs` of 0 means: never idle. `last_said` is what its next memory's
    `preceding` will be. `auto_summarize` False keeps a summary from being made of it, and
    `consolidated_at` is when that was last done. `recounted_at_ns` is when `memory_count`
    was last taken from the index instead of being added to.
    """

    id: str
    tenant: str
    namespace: str
    started_at_ms: int
    last_activity_at: int
    idle_timeout_secs: int = DEFAULT_IDLE_TIMEOUT_SECS
    metadata: dict[str, Any] = field(default_factory=dict)
    memory_count: int = 0
    ended_at: int | None = None
    ended_reason: EndedReason | None = None
    summary: str | None = None
    last_said: str | None = None
    auto_summarize: bool = True
    consolidated_at: int | None = None
    recounted_at_ns: int = field(default=0, compare=False)

    @property
    def started_at(self) -> int:
        return self.started_at_ms // 1000

    @property
    def idle_deadline_at(self) -> int | None:
        """When the session ends by itself if nothing more happens; None if it can't."""
        if self.ended_at is not None or self.idle_timeout_secs == 0:
            return None
        return self.last_activity_at + self.idle_timeout_secs

    @property
    def state(self) -> SessionState:
        return "active" if self.ended_at is None else "ended"

    def as_of(self, now: int) -> "Session":
        """The session as a reader sees it at `now`: one past its idle deadline has ended then."""
        deadline = self.idle_deadline_at
        if deadline is None or deadline > now:
            return self
        return replace(self, ended_at=deadline, ended_reason="idle")
