"""What a function does before its first request, when Lambda gives it more CPU and nobody waits."""

import os
from collections.abc import Callable


def load_at_init(*loads: Callable[[], object]) -> None:
    """Calls each in Lambda, else none: elsewhere they are loaded when they are needed."""
    if "AWS_LAMBDA_INITIALIZATION_TYPE" in os.environ:
        for load in loads:
            load()
