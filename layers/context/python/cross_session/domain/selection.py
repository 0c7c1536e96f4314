"""Which of a namespace's memories are meant."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from cross_session.domain.memory import Memory, MemoryType

MAX_TERM_BYTES = 512  # a longer metadata value is kept and returned, but can't be filtered by


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Every predicate that is set must hold; one with none set selects all.

    Times are Unix seconds, half-open: `since` <= event_time < `until`, and
    `created_after` <= created_at < `created_before`. Each
    field of `metadata`, nested ones too, must be equal; of a list, each member must be there.
    `as_of` selects what held then instead of what is current, whenever it was stored.
    Reads leave session summaries out unless `derived` or `memory_type` asks for them.
    """

    ids: tuple[str, ...] = ()
    memory_type: MemoryType | None = None
    min_importance: float | None = None
    max_importance: float | None = None
    any_tags: tuple[str, ...] = ()
    all_tags: tuple[str, ...] = ()
    session_id: str | None = None
    subject: str | None = None
    as_of: int | None = None
    since: int | None = None
    until: int | None = None
    created_after: int | None = None
    created_before: int | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    derived: bool = False

    def __bool__(self) -> bool:
        return self != Selection()

    def selects(self, memory: Memory) -> bool:
        """Whether the memory fits, `as_of` apart, told without the index, which tells the same."""
        terms = frozenset(metadata_terms(memory.metadata))
        return (
            (not self.ids or memory.id in self.ids)
            and self.memory_type in (None, memory.memory_type)
            and _within(memory.importance, self.min_importance, self.max_importance)
            and (not self.any_tags or not set(self.any_tags).isdisjoint(memory.tags))
            and set(self.all_tags) <= set(memory.tags)
            and self.session_id in (None, memory.session_id)
            and self.subject in (None, memory.subject)
            and _from_until(memory.event_time, self.since, self.until)
            and _from_until(memory.created_at, self.created_after, self.created_before)
            and all(term in terms for term in metadata_terms(self.metadata))
        )


def metadata_terms(metadata: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """`field=value` for each value, nested fields by their dotted path, values as JSON.

    A list has a term for each of its members. 5 and 5.0 are one number.
    """
    for field_name, value in metadata.items():
        path = f"{prefix}{field_name}"
        if isinstance(value, dict):
            yield from metadata_terms(value, f"{path}.")
        elif isinstance(value, list):
            for member in value:
                yield from metadata_terms({path: member})
        else:
            whole = isinstance(value, float) and value.is_integer()
            yield f"{path}={json.dumps(int(value) if whole else value, ensure_ascii=False)}"


def too_long(term: str) -> bool:
    return len(term.encode()) > MAX_TERM_BYTES


def _within(value: float, least: float | None, most: float | None) -> bool:
    return (least is None or value >= least) and (most is None or value <= most)


def _from_until(moment: int, start: int | None, end: int | None) -> bool:
    return (start is None or moment >= start) and (end is None or moment < end)
