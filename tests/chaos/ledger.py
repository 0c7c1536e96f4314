"""What one client was told, which the service has to keep."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Wrong = Literal["lost", "duplicated", "resurrected", "leaked", "refused"]
SIGN = "signed by"  # what no other client may read stands behind it


@dataclass
class Entry:
    """A memory as last acknowledged; one that is `waiting` was not yet seen to be indexed."""

    content: str
    importance: float
    session_id: str | None
    waiting: bool
    forgotten: bool = False


@dataclass
class Ledger:
    """Of the one client that writes into a namespace; `signature` stands in its own texts."""

    signature: str
    memories: dict[str, Entry] = field(default_factory=dict)
    sessions: set[str] = field(default_factory=set)
    wrong: list[tuple[Wrong, str]] = field(default_factory=list)

    def live(self) -> dict[str, Entry]:
        return {id: entry for id, entry in self.memories.items() if not entry.forgotten}

    def tell(self, wrong: Wrong, what: str) -> None:
        self.wrong.append((wrong, f"{self.signature}: {what}"))

    def see(self, memories: Iterable[Mapping[str, Any]]) -> None:
        """Holds what a read answered to what was acknowledged before it was asked."""
        for memory in memories:
            id, content = memory["id"], memory["content"]
            entry = self.memories.get(id)
            if SIGN in content and not content.endswith(f"{SIGN} {self.signature}"):
                self.tell("leaked", content)
            elif entry is None:
                self.tell("duplicated", f"{id} is nobody's: {content}")
            elif entry.forgotten:
                self.tell("resurrected", f"{id}: {content}")
            elif (content, memory["importance"]) != (entry.content, entry.importance):
                if not entry.waiting:
                    self.tell("lost", f"{entry} reads {content} {memory['importance']}")
            else:
                entry.waiting = False

    def compare(
        self,
        memories: list[dict[str, Any]],
        summaries: list[dict[str, Any]],
        sessions: Mapping[str, int],
    ) -> None:
        """Holds all that the service has, once nothing waits, to all that was acknowledged.

        `sessions` are the counts of memories by session.
        """
        live = self.live()
        for entry in live.values():
            entry.waiting = False
        self.see(memories)
        found = {memory["id"] for memory in memories}
        for id in live.keys() - found:
            self.tell("lost", f"{id}: {live[id]}")
        for content in _repeated(memory["content"] for memory in memories):
            self.tell("duplicated", content)
        for session_id in _repeated(summary["session_id"] for summary in summaries):
            self.tell("duplicated", f"summary of {session_id}")
        for id in self.sessions - sessions.keys():
            self.tell("lost", f"session {id}")
        for id in sessions.keys() - self.sessions:
            self.tell("duplicated", f"session {id}")
        held = Counter(entry.session_id for entry in live.values())
        for id in self.sessions & sessions.keys():
            if sessions[id] != held[id]:
                wrong: Wrong = "lost" if sessions[id] < held[id] else "duplicated"
                self.tell(wrong, f"session {id} counts {sessions[id]} of {held[id]}")


def _repeated(texts: Iterable[str]) -> Iterator[str]:
    return (text for text, count in Counter(texts).items() if count > 1)
