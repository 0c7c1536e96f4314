"""Where a request's time goes, told to the caller in its `Server-Timing` header (W3C)."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Literal

# what the limits ask of DynamoDB counts as both
Part = Literal["embedding", "engine", "dynamodb", "limits", "total"]

_spent: dict[Part, float] = {}


@contextmanager
def timed(part: Part) -> Iterator[None]:
    """Adds the block's wall time to `part`. A function answers one request at a time."""
    started = perf_counter()
    try:
        yield
    finally:
        _spent[part] = _spent.get(part, 0.0) + perf_counter() - started


def reset() -> None:
    _spent.clear()


def spent_ms(part: Part) -> int:
    """Whole milliseconds in `part` since the request began, rounded up."""
    return -int(-_spent.get(part, 0.0) * 1000 // 1)


def server_timing() -> str:
    """The header's value; durations in milliseconds."""
    return ", ".join(f"{part};dur={seconds * 1000:.2f}" for part, seconds in _spent.items())
