"""What is left of a namespace that was erased: the counts of what went."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """Under way until it has an `erased_at`; times are Unix seconds."""

    receipt_id: str
    namespace: str
    requested_at: int
    erased_at: int | None = None
    sessions: int = 0
    memories: int = 0
    records: int = 0
