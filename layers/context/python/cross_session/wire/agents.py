"""Namespaces as they travel: what there are, and what each does with its memories."""

from dataclasses import asdict
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from cross_session.domain.policy import Decay, MemoryPolicy
from cross_session.wire.base import MAX_TTL_SECS, Whole

Ttl = Annotated[
    Annotated[int, Field(ge=1, le=MAX_TTL_SECS), Whole] | None,
    Field(default=None, description="For a memory that is stored without an end; null is none"),
]
Threshold = Annotated[float, Field(gt=0, le=1, description="Cosine")]
PerMinute = Annotated[int, Field(ge=1, le=1_000_000), Whole] | None


class Policy(BaseModel):
    """Takes the place of the whole present one; what is absent is as it is by default."""

    model_config = ConfigDict(extra="forbid", strict=True)

    working_ttl_seconds: Ttl
    episodic_ttl_seconds: Ttl
    semantic_ttl_seconds: Ttl
    procedural_ttl_seconds: Ttl
    working_decay: Decay = Field(default="exponential", description="Of importance, at a wake-up")
    episodic_decay: Decay = "exponential"
    semantic_decay: Decay = "exponential"
    procedural_decay: Decay = "exponential"
    spaced_repetition_factor: Annotated[float, Field(ge=0, le=1_000)] = Field(
        default=0.0, description="Base intervals that a memory's end is put off at each recall"
    )
    spaced_repetition_base_interval_seconds: Annotated[int, Field(ge=1, le=31_536_000), Whole] = (
        86_400
    )
    consolidation_enabled: bool = Field(
        default=False, description="Fold repeats into what they repeat, in the background"
    )
    consolidation_threshold: Threshold = 0.92
    consolidation_interval_hours: Annotated[int, Field(ge=1, le=8_760), Whole] = 24
    consolidated_count: Annotated[int, Whole] = Field(
        default=0, description="Folded in the background so far; what is sent is not read"
    )
    rate_limit_enabled: bool = Field(
        default=False, description="Hold all callers together to the two limits; null is none"
    )
    rate_limit_stores_per_minute: PerMinute = None
    rate_limit_recalls_per_minute: PerMinute = None
    dedup_on_store: bool = Field(
        default=False, description="Fold a memory into what it repeats when it is stored"
    )
    dedup_threshold: Threshold = 0.92

    @classmethod
    def of(cls, policy: MemoryPolicy) -> "Policy":
        return cls(**asdict(policy))

    def to_policy(self) -> MemoryPolicy:
        return MemoryPolicy(**self.model_dump())


class AgentOut(BaseModel):
    namespace: str
    agent_id: str = Field(description="The same as `namespace`")
    memory_count: int = Field(description="Of those that can be recalled")
    session_count: int
    active_sessions: int
    vector_count: int = Field(description="The same as `memory_count`")


class AgentCreated(BaseModel):
    namespace: str
    agent_id: str = Field(description="The same as `namespace`")
    created: bool = Field(description="False where it was there")
    dimension: int
    model: str


class NamespaceList(BaseModel):
    """By name."""

    namespaces: list[str]
    kinds: dict[str, Literal["agent"]]


class FeedbackSummary(BaseModel):
    namespace: str
    agent_id: str = Field(description="The same as `namespace`")
    upvotes: int
    downvotes: int
    flags: int
    total_feedback: int
    health_score: float = Field(description="The mean importance of what can be recalled")


class FeedbackHealth(BaseModel):
    namespace: str
    agent_id: str = Field(description="The same as `namespace`")
    health_score: float = Field(description="The same as `avg_importance`")
    memory_count: int
    avg_importance: float = Field(description="0 where there is nothing to recall")
