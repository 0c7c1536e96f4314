"""What of a memory is searched: when it happened, who said it, and what was said before."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from cross_session.domain.memory import Memory

# A word or three and a colon at the start: "Ada: …", "Dr. Ada Lovelace: …"
_SPEAKER = re.compile(r"(?P<name>[A-Z][\w.'-]*(?: [A-Z][\w.'-]*){0,2}):\s")
_NO_SPEAKERS = frozenset(
    "action answer april august bug context decision done fact fix friday goal idea info issue"
    " january july june key march may monday next note outcome plan preference question reminder"
    " result risk saturday status summary sunday task thursday todo topic tuesday update warning"
    " wednesday".split()
)
_LONGEST_NAME = 40
_LONGEST_PRECEDING = 1_000  # characters; the model reads no further than about 2,000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def actor_of(content: str, metadata: Mapping[str, Any]) -> str | None:
    """Who said it: `metadata.actor`, else a name and a colon that the content begins with."""
    if named := _named_actor(metadata):
        return named
    match = _SPEAKER.match(content)
    if match is None or len(match["name"]) > _LONGEST_NAME:
        return None
    first = match["name"].split()[0].lower()
    return None if first in _NO_SPEAKERS else match["name"]


def said_by(actor: str, content: str, metadata: Mapping[str, Any]) -> bool:
    """Whether `actor_of` is this one, without looking for a name."""
    named = _named_actor(metadata)
    return named == actor if named else content.startswith(f"{actor}: ")


def _named_actor(metadata: Mapping[str, Any]) -> str | None:
    actor = metadata.get("actor")
    return actor.strip() or None if isinstance(actor, str) else None


def kind_of(metadata: Mapping[str, Any]) -> str | None:
    """What a note is, as its writer says: `metadata.type`, "decision" or "status". A turn of
    a chat has none."""
    kind = metadata.get("type")
    return kind if isinstance(kind, str) and kind else None


def spoken(content: str, metadata: Mapping[str, Any]) -> str:
    """The content, with its actor's name before it."""
    actor = actor_of(content, metadata)
    if actor is None or content.startswith(f"{actor}:"):
        return content
    return f"{actor}: {content}"


def as_preceding(content: str, metadata: Mapping[str, Any]) -> str | None:
    """What the session's next memory keeps of this one; a note stands alone and leaves nothing."""
    return None if kind_of(metadata) else spoken(content, metadata)[:_LONGEST_PRECEDING]


def search_text(memory: Memory) -> str:
    """What BM25 finds a memory by: its day as people write it, and what was said by whom."""
    day = _EPOCH + timedelta(seconds=memory.event_time)
    return f"{day.day} {day:%B %Y} {spoken(memory.content, memory.metadata)}"


def context_text(memory: Memory) -> str:
    """What is embedded: a turn of a chat says little without the turn before it."""
    own = spoken(memory.content, memory.metadata)
    return own if memory.preceding is None else f"{memory.preceding}\n{own}"
