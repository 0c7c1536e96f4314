"""JSON as RFC 8259 has it, and only numbers that come back as they went in."""

import json
from math import isinf
from typing import Any, NoReturn


def strict_json(text: str) -> Any:
    """Raises json.JSONDecodeError, and RecursionError for what is nested too deep."""
    try:
        return json.loads(text, parse_constant=_refuse, parse_float=_finite)
    except json.JSONDecodeError:
        raise
    except ValueError as error:  # an integer of more digits than Python reads
        raise json.JSONDecodeError(str(error), "", 0) from error


def _finite(number: str) -> float:
    value = float(number)
    return _refuse(number) if isinf(value) else value


def _refuse(number: str) -> NoReturn:
    raise json.JSONDecodeError(f"{number} is not a number of JSON", number, 0)
