"""When a failed request is worth repeating, and after how long."""

from cross_session_client.errors import ConnectionFailedError, CrossSessionError

MAX_ATTEMPTS = 3
BACKOFF_BASE_SECONDS = 0.5
LONGEST_WAIT_SECONDS = 30.0

_PASSING_STATUSES = frozenset({429, 500, 502, 503, 504})


def retry_delay(error: CrossSessionError, *, attempt: int, jitter: float) -> float | None:
    """Seconds to wait after attempt number `attempt` (from 1) failed; None: give up.

    Exponential backoff with full jitter (Brooker, "Exponential Backoff And Jitter", AWS 2015):
    `jitter`, random in [0, 1), picks a point between at once and the doubled wait. A Retry-After
    is the least to wait; when it is longer than LONGEST_WAIT_SECONDS the caller hears of it now,
    since waiting less than asked would only fail again.

    Repeating is safe: reads change nothing, writes carry an Idempotency-Key.
    """
    passing = isinstance(error, ConnectionFailedError) or error.status in _PASSING_STATUSES
    asked_for = error.retry_after or 0.0
    if not passing or attempt >= MAX_ATTEMPTS or asked_for > LONGEST_WAIT_SECONDS:
        return None
    return max(asked_for, jitter * BACKOFF_BASE_SECONDS * 2.0**attempt)
