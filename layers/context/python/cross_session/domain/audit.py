"""Who did what, when, to which memory or session; never what it said."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEvent:
    """`actor` is the id of the key that asked, `at_ms` Unix milliseconds."""

    id: str
    tenant: str
    namespace: str
    event_type: str
    actor: str
    at_ms: int
    memory_ids: tuple[str, ...] = ()
    session_id: str | None = None
    importance: float | None = None
    reason: str | None = None
