"""What readers of a memory think of it."""

from dataclasses import dataclass, field, replace
from typing import Literal

Signal = Literal["upvote", "downvote", "flag"]

MAX_ENTRIES = 100
_EFFECT = {"upvote": 1.15, "downvote": 0.85, "flag": 1.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    signal: Signal
    timestamp: int
    old_importance: float
    new_importance: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """Counts of all that was said; `entries` are the last `MAX_ENTRIES`, oldest first.

    `flagged` holds from a flag to the next upvote.
    """

    upvotes: int = 0
    downvotes: int = 0
    flags: int = 0
    flagged: bool = False
    entries: list[Entry] = field(default_factory=list)

    def given(self, signal: Signal, *, importance: float, at: int) -> "Feedback":
        """With one more signal, on a memory of this importance; the last entry has the new one."""
        entry = Entry(
            signal=signal,
            timestamp=at,
            old_importance=importance,
            new_importance=min(1.0, importance * _EFFECT[signal]),
        )
        return replace(
            self,
            upvotes=self.upvotes + (signal == "upvote"),
            downvotes=self.downvotes + (signal == "downvote"),
            flags=self.flags + (signal == "flag"),
            flagged=signal == "flag" or (self.flagged and signal != "upvote"),
            entries=[*self.entries, entry][-MAX_ENTRIES:],
        )
