"""On demand: dead letters back into their queues."""

import os
from time import monotonic

from aws_lambda_powertools.utilities.typing import LambdaContext

from cross_session.adapters import dead_letters

_DEAD_LETTERS = "_DEAD_LETTER_QUEUE_URL"
_LONGEST_SECONDS = 20  # then it is to be invoked again: its own time is 30


def handler(_event: object, _context: LambdaContext | None) -> dict[str, dict[str, int]]:
    """Of each queue, by name: how many dead letters it `moved`, and how many are `left`."""
    until = monotonic() + _LONGEST_SECONDS
    return {
        name.lower(): _redrive(url, os.environ[f"{name}_QUEUE_URL"], until=until)
        for name, url in sorted(_dead_letter_queues().items())
    }


def _dead_letter_queues() -> dict[str, str]:
    return {
        variable.removesuffix(_DEAD_LETTERS): url
        for variable, url in os.environ.items()
        if variable.endswith(_DEAD_LETTERS)
    }


def _redrive(dead_letters_url: str, queue_url: str, *, until: float) -> dict[str, int]:
    moved = 0
    while monotonic() < until and (more := dead_letters.move(dead_letters_url, queue_url)):
        moved += more
    return {"moved": moved, "left": dead_letters.left_in(dead_letters_url)}
