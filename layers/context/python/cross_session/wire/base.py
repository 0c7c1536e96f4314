"""The field types and bounds that requests share. Null and empty mean absent."""

import json
import re
from datetime import datetime
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    model_validator,
)

from cross_session.default_owner import default_owner
from cross_session.domain.access import NAMESPACE_PATTERN
from cross_session.errors import InvalidRequestError

MAX_METADATA_FIELDS = 100
MAX_METADATA_BYTES = 32_768
MAX_METADATA_DEPTH = 20
MAX_TTL_SECS = 100 * 366 * 86_400
MAX_YEAR_9999 = 253_402_300_799

MEMORY_ID_PATTERN = SESSION_ID_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}$"


def _depth(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(_depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(_depth, value), default=0)
    return 0


def _bounded(metadata: dict[str, Any]) -> dict[str, Any]:
    if len(metadata) > MAX_METADATA_FIELDS:
        raise ValueError(f"has {len(metadata)} fields; {MAX_METADATA_FIELDS} are allowed")
    if _depth(metadata) > MAX_METADATA_DEPTH:
        raise ValueError(f"is nested deeper than {MAX_METADATA_DEPTH} levels")
    try:
        size = len(json.dumps(metadata, ensure_ascii=False).encode())
    except UnicodeEncodeError as error:
        raise ValueError("has text that is not valid Unicode") from error
    if size > MAX_METADATA_BYTES:
        raise ValueError(f"is {size:,} bytes of JSON; {MAX_METADATA_BYTES:,} are allowed")
    return metadata


def _at_most_bytes(limit: int) -> AfterValidator:
    def check(text: str) -> str:
        if (size := len(text.encode())) > limit:
            raise ValueError(f"is {size:,} bytes; {limit:,} are allowed")
        return text

    return AfterValidator(check)


def _moment(value: Any) -> Any:
    """RFC 3339 text to Unix seconds; anything else is left to the field's type."""
    if not isinstance(value, str):
        return value
    try:
        moment = datetime.fromisoformat(value.upper())
    except ValueError as error:
        raise ValueError("is neither Unix seconds nor RFC 3339 (2026-11-24T09:30:00Z)") from error
    if moment.tzinfo is None:
        raise ValueError("has no UTC offset (2026-11-24T09:30:00Z)")
    return int(moment.timestamp())


def _moment_in_query(value: Any) -> Any:
    """A query has no numbers: digits are Unix seconds there."""
    is_number = isinstance(value, str) and re.fullmatch(r"-?\d{1,18}", value)
    return int(value) if is_number else _moment(value or None)


def _number(value: Any) -> Any:
    """Pydantic would take true for 1 and "1" for 1."""
    if isinstance(value, bool | str):
        raise ValueError("is no number")
    return value


def _whole(value: Any) -> Any:
    """2.0 is an integer in JSON Schema, and none to a strict model."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _empty_is_absent(value: Any) -> Any:
    return None if value in ("", [], {}) else value


Namespace = Annotated[str, Field(pattern=NAMESPACE_PATTERN, examples=["user-bob"])]
SessionId = Annotated[str, Field(pattern=SESSION_ID_PATTERN)]
MaybeSessionId = Annotated[SessionId | None, BeforeValidator(_empty_is_absent)]
Metadata = Annotated[dict[str, Any], AfterValidator(_bounded)]
# Stands behind a Field with bounds, which would be lost to the description before it
NumberOnly = BeforeValidator(_number)
Whole = BeforeValidator(_whole)
UnixSeconds = Annotated[int, Field(ge=0, le=MAX_YEAR_9999), NumberOnly]
_Instant = Annotated[int, Field(ge=-62_135_596_800, le=MAX_YEAR_9999)]
_Rfc3339 = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
Moment = Annotated[
    _Instant,
    NumberOnly,
    BeforeValidator(_moment, json_schema_input_type=_Instant | _Rfc3339),
]
MomentInQuery = Annotated[
    Annotated[int, Field(ge=-62_135_596_800, le=MAX_YEAR_9999)] | None,
    BeforeValidator(_moment_in_query, json_schema_input_type=int | str | None),
]
Importance = Annotated[float, Field(ge=0, le=1), NumberOnly]
Content = Annotated[str, Field(min_length=1), _at_most_bytes(100_000)]
Query = Annotated[str, Field(min_length=1), _at_most_bytes(10_000)]
Summary = Annotated[str, _at_most_bytes(10_000)]
Tag = Annotated[str, Field(min_length=1, max_length=256)]
Tags = Annotated[list[Tag], Field(max_length=100)]
Subject = Annotated[
    Annotated[str, Field(min_length=1, max_length=256, examples=["backend.database"])] | None,
    BeforeValidator(_empty_is_absent),
]
MemoryId = Annotated[str, Field(pattern=MEMORY_ID_PATTERN)]


class Owned(BaseModel):
    """Says whose memories are meant: `namespace`, or its synonym `agent_id`.

    A caller that has just one namespace needs to say neither.
    """

    model_config = ConfigDict(extra="ignore")

    namespace: Namespace | None = None
    agent_id: Namespace | None = None

    @model_validator(mode="after")
    def _one_owner(self) -> "Owned":
        if self.namespace is None and self.agent_id is None:
            self.namespace = default_owner.get()
        if self.namespace is None and self.agent_id is None:
            raise InvalidRequestError("namespace", "is required (agent_id is its synonym)")
        if None not in (self.namespace, self.agent_id) and self.namespace != self.agent_id:
            raise InvalidRequestError("agent_id", "differs from namespace; send one of them")
        return self

    @property
    def owner(self) -> str:
        owner = self.namespace or self.agent_id
        assert owner is not None  # noqa: S101 - the validator saw to it
        return owner
