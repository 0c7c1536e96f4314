"""Which of a namespace's memories are meant."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cross_session.domain.memory import MemoryType


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Every predicate that is set must hold; one with none set selects all.

    Times are Unix seconds, half-open: `since` <= event_time < `until`, and
    `created_after` <= created_at < `created_before`. Each
    field of `metadata`, nested ones too, must be equal; of a list, each member must be there.
    """

    ids: tuple[str, ...] = ()
    memory_type: MemoryType | None = None
    min_importance: float | None = None
    max_importance: float | None = None
    any_tags: tuple[str, ...] = ()
    all_tags: tuple[str, ...] = ()
    session_id: str | None = None
    since: int | None = None
    until: int | None = None
    created_after: int | None = None
    created_before: int | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return self != Selection()
