"""What a caller has used of the service, and how much more it may."""

from dataclasses import dataclass

WINDOW_SECONDS = 60
DAY_SECONDS = 86_400
MAX_RATE_LIMIT = 1_000_000
MAX_DAILY_QUOTA = 1_000_000_000


@dataclass(slots=True, kw_only=True)
class Usage:
    """Counts of requests; those over a limit are in `rate_limited` alone."""

    successful: int = 0
    failed: int = 0
    rate_limited: int = 0
    bytes_sent: int = 0
    latency_us: int = 0
    last_used_at: int | None = None

    @property
    def answered(self) -> int:
        return self.successful + self.failed

    @property
    def total(self) -> int:
        return self.answered + self.rate_limited

    @property
    def average_latency_ms(self) -> float:
        return round(self.latency_us / self.answered / 1_000, 3) if self.answered else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """Of one request: `remaining` counts it as used. `retry_after` seconds where it is refused."""

    limit: int
    remaining: int
    reset_at: int
    quota_limit: int | None
    quota_used: int
    refused: str | None = None
    retry_after: int = 0


def next_share(limit: int, last: int) -> int:
    """How much of a window's `limit` is taken at a time, after `last` in the same window.

    A hundredth first, so that many environments with little to do leave something for each
    other; then twice as much each time, to a twentieth, so that busy ones seldom ask.
    """
    return max(1, min(last * 2, limit // 20) if last else limit // 100)
