"""Sessions, as they travel. Times are Unix seconds."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StrictBool

from cross_session.domain.session import (
    DEFAULT_IDLE_TIMEOUT_SECS,
    MAX_IDLE_TIMEOUT_SECS,
    EndedReason,
    Session,
    SessionState,
)
from cross_session.wire.base import Metadata, NumberOnly, Owned, Summary


class StartSession(Owned):
    metadata: Metadata | None = None
    idle_timeout_secs: Annotated[int, Field(ge=0, le=MAX_IDLE_TIMEOUT_SECS), NumberOnly] | None = (
        Field(
            default=None,
            description=f"0 means never; {DEFAULT_IDLE_TIMEOUT_SECS} if absent",
        )
    )


class EndSession(BaseModel):
    model_config = ConfigDict(extra="ignore")

    summary: Summary | None = Field(
        default=None, description="The caller's own; what is made of the session begins with it"
    )
    auto_summarize: StrictBool | None = Field(
        default=None, description="False: no summary is made of the session"
    )


class SessionOut(BaseModel):
    id: str
    session_id: str = Field(description="The same as `id`")
    namespace: str
    agent_id: str = Field(description="The same as `namespace`")
    started_at: int
    ended_at: int | None
    ended_reason: EndedReason | None
    summary: str | None
    metadata: dict[str, Any]
    memory_count: int
    last_activity_at: int
    idle_timeout_secs: int
    idle_since: int | None = Field(description="The last activity of a session that fell idle")

    @classmethod
    def of(cls, session: Session) -> "SessionOut":
        return cls(
            id=session.id,
            session_id=session.id,
            namespace=session.namespace,
            agent_id=session.namespace,
            started_at=session.started_at,
            ended_at=session.ended_at,
            ended_reason=session.ended_reason,
            summary=session.summary,
            metadata=session.metadata,
            memory_count=session.memory_count,
            last_activity_at=session.last_activity_at,
            idle_timeout_secs=session.idle_timeout_secs,
            idle_since=session.last_activity_at if session.ended_reason == "idle" else None,
        )


class SessionStarted(BaseModel):
    session: SessionOut


class SessionEnded(BaseModel):
    session: SessionOut
    memory_count: int


class SessionTouched(BaseModel):
    session: SessionOut
    session_state: SessionState
    idle_deadline_at: int | None


class SessionPage(BaseModel):
    sessions: list[SessionOut]
    total: int
