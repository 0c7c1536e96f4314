"""What a question asks for, besides its words."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, tzinfo

from cross_session.domain.temporal import (
    SessionReference,
    TimeRange,
    session_reference,
    time_range,
)

_WHEN = re.compile(r"\W*when\b|\bwhen (?:did|do|does|is|are|was|were|will)\b", re.I)
_HOW_MANY = re.compile(r"\bhow (?:many|much|often|long|old)\b", re.I)
_NOW = re.compile(
    r"\b(?:currently|current|now|status|latest|at the moment|these days|so far|still|up to date"
    r"|as of|going|stands?)\b",
    re.I,
)
_LATELY = (
    r"(?:\s+(?:so far|(?:in the )?last \w+|this \w+|yesterday|today|recently|lately|in \w+))*\W*$"
)
_OVERVIEW = re.compile(
    r"\bcatch (?:me|us) up\b|\bbring (?:me|us) up to (?:speed|date)\b"
    r"|\b(?:recap|overview|summar\w+)\b"
    r"|\bwhere (?:do|did) (?:we|i|things) (?:stand|leave|left)\b"
    r"|\bwhere (?:are|were) we\b(?! \w+ing)"
    r"|\bhow(?:['’]s| is| are| have| has)\b.*\b(?:going|coming along|progress\w*|things)\b"
    r"|\bwhat(?:['’]s| is) (?:new|up|going on)\b"
    r"|\bwhat (?:did|have) (?:we|i) (?:\w+ )?(?:do|done|work(?:ed)? on|talk(?:ed)? about"
    rf"|discuss(?:ed)?|decided?|achieved?|get done|been (?:doing|working on)){_LATELY}"
    rf"|\bwhat (?:has )?happened{_LATELY}",
    re.I,
)
_PRESENT = re.compile(
    r"\b(?:is|are|am|do|does|has|have|can|should|must|(?:who|what|how|where|when)'s"
    r"|who (?:owns|runs|carries|leads))\b",
    re.I,
)
_PAST = re.compile(
    r"\b(?:did|was|were|had|used to|before|originally|first|why|would|might|when|\w+ed)\b", re.I
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """`actors` are those of the namespace whom it names, `nameless` is it without their names.

    `asks_present` holds for the state of a thing ("How do users log in?"), `asks_now` where
    it says so ("… these days"). `asks_overview` holds where many things together are the answer
    ("How is the project going?").
    """

    text: str
    nameless: str
    actors: tuple[str, ...]
    window: TimeRange | None
    session: SessionReference | None
    asks_when: bool
    asks_how_many: bool
    asks_present: bool
    asks_now: bool
    asks_overview: bool


def read(text: str, *, actors: Iterable[str], now: datetime, timezone: tzinfo) -> Question:
    named = tuple(actor for actor in sorted(actors) if _name(actor).search(text))
    window = time_range(text, now=now, timezone=timezone)
    asks_now = window is None and bool(_NOW.search(text))
    asks_when = bool(_WHEN.search(text))
    is_present = bool(_PRESENT.search(text)) and not _PAST.search(text)
    return Question(
        text=text,
        nameless=_without(text, named),
        actors=named,
        window=window,
        session=session_reference(text),
        asks_when=asks_when,
        asks_how_many=bool(_HOW_MANY.search(text)),
        asks_present=asks_now or (window is None and is_present),
        asks_now=asks_now and not asks_when,
        asks_overview=bool(_OVERVIEW.search(text)),
    )


def _name(actor: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w){re.escape(actor)}(?:['’]s)?(?!\w)", re.I)


def _without(text: str, names: tuple[str, ...]) -> str:
    """The text without the names, or itself if nothing else is in it."""
    bare = text
    for name in names:
        bare = _name(name).sub("", bare)
    bare = " ".join(bare.split())
    return bare if re.search(r"\w", bare) else text
