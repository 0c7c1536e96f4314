"""What a namespace does with its memories as they age."""

import math
from dataclasses import dataclass
from typing import Literal

from cross_session.domain.memory import MemoryType

Decay = Literal["exponential", "power_law", "logarithmic", "flat"]

HALF_LIFE_DAYS = 14
FLAGGED_HALF_LIFE_DAYS = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryPolicy:
    """The default keeps everything and changes nothing.

    A time to live of None is none. `consolidated_count` is the service's own count.
    """

    working_ttl_seconds: int | None = None
    episodic_ttl_seconds: int | None = None
    semantic_ttl_seconds: int | None = None
    procedural_ttl_seconds: int | None = None
    working_decay: Decay = "exponential"
    episodic_decay: Decay = "exponential"
    semantic_decay: Decay = "exponential"
    procedural_decay: Decay = "exponential"
    spaced_repetition_factor: float = 0.0
    spaced_repetition_base_interval_seconds: int = 86_400
    consolidation_enabled: bool = False
    consolidation_threshold: float = 0.92
    consolidation_interval_hours: int = 24
    consolidated_count: int = 0
    rate_limit_enabled: bool = False
    rate_limit_stores_per_minute: int | None = None
    rate_limit_recalls_per_minute: int | None = None
    dedup_on_store: bool = False
    dedup_threshold: float = 0.92

    def ttl_seconds(self, memory_type: MemoryType) -> int | None:
        ttl: int | None = getattr(self, f"{memory_type}_ttl_seconds", None)
        return ttl

    def decay(self, memory_type: MemoryType) -> Decay:
        decay: Decay = getattr(self, f"{memory_type}_decay", "exponential")
        return decay

    @property
    def extension_seconds(self) -> int:
        """How much longer a memory that has an end lives for each time it is recalled."""
        return int(self.spaced_repetition_factor * self.spaced_repetition_base_interval_seconds)


def kept(decay: Decay, *, age_days: float, flagged: bool = False) -> float:
    """What is left of a memory's importance: half after two weeks, but for `flat`.

    From there `exponential` falls to a quarter after four weeks, `power_law` to a third, and
    `logarithmic` to .39. A flagged memory halves each day, whatever its type.
    """
    half_lives = max(0.0, age_days) / HALF_LIFE_DAYS
    if flagged:
        return float(0.5 ** (max(0.0, age_days) / FLAGGED_HALF_LIFE_DAYS))
    match decay:
        case "exponential":
            return float(0.5**half_lives)
        case "power_law":
            return 1 / (1 + half_lives)
        case "logarithmic":
            return 1 / (1 + math.log2(1 + half_lives))
        case "flat":
            return 1.0
