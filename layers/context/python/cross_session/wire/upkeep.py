"""What keeps memories in order, as it travels: feedback, repeats, restoring."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field, StrictBool, model_validator

from cross_session.deduplicate import Deduplicated
from cross_session.domain.feedback import Entry, Signal
from cross_session.domain.memory import Memory, MemoryType, SupersededKind
from cross_session.wire.base import MAX_YEAR_9999, Importance, MemoryId, NumberOnly, Owned
from cross_session.wire.memories import MemoryOut

_ALIASES = {"positive": "upvote", "negative": "downvote"}


class FeedbackIn(Owned):
    """`feedback` is a synonym of `signal`; positive and negative are an up- and a downvote."""

    signal: Annotated[
        Signal,
        BeforeValidator(
            lambda signal: _ALIASES.get(signal, signal) if isinstance(signal, str) else signal,
            json_schema_input_type=Signal,
        ),
    ]

    @model_validator(mode="before")
    @classmethod
    def _synonym(cls, body: Any) -> Any:
        if isinstance(body, dict) and body.get("signal") is None and "feedback" in body:
            return body | {"signal": body["feedback"]}
        return body


class MemoryFeedbackIn(FeedbackIn):
    memory_id: MemoryId


class PatchImportance(Owned):
    importance: Importance


class FeedbackGiven(BaseModel):
    memory_id: str
    new_importance: float
    signal: Signal


class FeedbackHistory(BaseModel):
    memory_id: str
    entries: list[Entry] = Field(description="The last 100, oldest first")


class ImportancePatched(MemoryOut, FeedbackGiven):
    """The memory, and what clients of the feedback routes look for."""

    @classmethod
    def to(cls, memory: Memory, *, before: float) -> "ImportancePatched":
        return cls(
            **MemoryOut.of(memory).model_dump(),
            memory_id=memory.id,
            new_importance=memory.importance,
            signal="downvote" if memory.importance < before else "upvote",
        )


class Deduplicate(Owned):
    dry_run: StrictBool = False
    threshold: Annotated[float, Field(gt=0, le=1), NumberOnly] | None = Field(
        default=None, description="Of the cosine; the policy's dedup_threshold if absent"
    )
    memory_type: MemoryType | None = None


class DeduplicatedOut(BaseModel):
    duplicates_found: int
    removed_count: int = Field(description="From recall; each can be restored")
    duplicates_skipped_changed: int
    groups: list[list[str]] = Field(description="The first of each stays")
    warnings: list[str] = []

    @classmethod
    def of(cls, done: Deduplicated, *, most: int) -> "DeduplicatedOut":
        return cls(
            duplicates_found=done.found,
            removed_count=done.removed,
            duplicates_skipped_changed=done.skipped,
            groups=done.groups,
            warnings=[]
            if done.complete
            else [f"only the newest {most:,} memories were looked through"],
        )


class Restorable(BaseModel):
    id: str
    kind: SupersededKind
    survivor_id: str = Field(description="What took its place")
    deleted_at: int = Field(description="When it did; nothing was deleted")
    restorable_until: int = Field(description="When it expires, else the last second of 9999")
    session_id: str | None
    subject: str | None

    @classmethod
    def of(cls, memory: Memory) -> "Restorable":
        return cls.model_validate(
            {
                "id": memory.id,
                "kind": memory.superseded_kind,
                "survivor_id": memory.superseded_by,
                "deleted_at": memory.superseded_at,
                "restorable_until": memory.expires_at or MAX_YEAR_9999,
                "session_id": memory.session_id,
                "subject": memory.subject,
            }
        )


class RestorableList(BaseModel):
    """The last superseded first."""

    namespace: str
    agent_id: str = Field(description="The same as `namespace`")
    memories: list[Restorable]
    count: int = Field(description="Of all, those beyond `limit` too")
