"""Files of memories, erasure and audit, as they travel.

Four formats. `jsonl` has all that is known, a record a line, the sessions first; `csv` has the
memories; `mem0` and `zep` are those services' own documents, as far as a memory fits them.
"""

import csv
import io
import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from typing import Annotated, Any, Literal

from pydantic import (
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
)

from cross_session.domain.audit import AuditEvent
from cross_session.domain.erasure import Erasure
from cross_session.domain.feedback import MAX_ENTRIES, Entry, Feedback, Signal
from cross_session.domain.memory import Memory, MemoryType, SupersededKind
from cross_session.domain.session import MAX_IDLE_TIMEOUT_SECS, EndedReason, Session
from cross_session.errors import InvalidRequestError, PayloadTooLargeError
from cross_session.restore import Record
from cross_session.strict_json import strict_json
from cross_session.walk import Place
from cross_session.wire.base import (
    Content,
    Importance,
    MaybeSessionId,
    MemoryId,
    Metadata,
    Moment,
    Namespace,
    NumberOnly,
    SessionId,
    Subject,
    Summary,
    Tags,
    UnixSeconds,
)

Format = Literal["jsonl", "csv", "mem0", "zep"]
MEDIA_TYPES: dict[Format, str] = {
    "jsonl": "application/x-ndjson",
    "csv": "text/csv; charset=utf-8",
    "mem0": "application/json",
    "zep": "application/json",
}
MAX_IMPORT = 1_000  # embedding takes 10 ms a text, and a request 30 s at most

MAX_UNIX_MILLIS = 9_999_999_999_999
MAX_AUDIT_EXPORT = 10_000

AuditFormat = Literal["json", "csv"]
FileData = str | list[Any] | dict[str, Any]
Preceding = Annotated[str, Field(max_length=1_000)]
EventType = Annotated[str, Field(pattern=r"^[a-z][a-z_]{0,63}$")]
UnixMillis = Annotated[int, Field(ge=0, le=MAX_UNIX_MILLIS), NumberOnly]
AuditCursor = Annotated[str, Field(pattern=r"^\d{13}-[0-9a-f]{16}$")]

_MAX_LONG = 2**63 - 1
_CURSOR: TypeAdapter[tuple[str | None, tuple[int, str] | None]] = TypeAdapter(
    tuple[str | None, tuple[Annotated[int, Field(ge=0, le=_MAX_LONG), NumberOnly], str] | None]
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_SECS = 86_400
_STAMPED_UNTIL = 9_223_372_035  # whose nanoseconds are a long's last
_INTEGER = re.compile(r"-?\d{1,18}")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_COLUMNS = (
    "id content memory_type importance tags session_id metadata event_time created_at"
    " updated_at expires_at superseded_by"
).split()


_Tags = Annotated[Tags, BeforeValidator(lambda tags: [] if tags is None else tags)]
_Metadata = Annotated[
    Metadata, BeforeValidator(lambda metadata: {} if metadata is None else metadata)
]
_Stamp = Annotated[Moment, Field(ge=0, le=_STAMPED_UNTIL)]
_Count = Annotated[int, Field(ge=0, le=2**31 - 1), NumberOnly]


class FeedbackEntry(BaseModel):
    signal: Signal
    timestamp: UnixSeconds
    old_importance: Importance
    new_importance: Importance


class FeedbackRecord(BaseModel):
    upvotes: _Count = 0
    downvotes: _Count = 0
    flags: _Count = 0
    flagged: bool = False
    entries: Annotated[list[FeedbackEntry], Field(max_length=MAX_ENTRIES)] = []

    def to_feedback(self) -> Feedback:
        entries = [Entry(**entry.model_dump()) for entry in self.entries]
        return Feedback(**self.model_dump(exclude={"entries"}), entries=entries)


class MemoryRecord(BaseModel):
    """A memory in a `jsonl` file, or in a row of a `csv` one. Its namespace is the request's."""

    model_config = ConfigDict(extra="ignore")

    record: Literal["memory"] = "memory"
    id: MemoryId | None = None
    content: Content
    memory_type: MemoryType | None = None
    importance: Importance | None = None
    tags: _Tags = []
    session_id: MaybeSessionId = None
    metadata: _Metadata = {}
    event_time: Moment | None = None
    created_at: _Stamp | None = None
    updated_at: _Stamp | None = None
    sequence: Annotated[int, Field(ge=0, le=_MAX_LONG), NumberOnly] | None = None
    expires_at: UnixSeconds | None = None
    subject: Subject = None
    valid_until: Moment | None = None
    superseded_by: MemoryId | None = None
    superseded_kind: SupersededKind | None = None
    superseded_at: UnixSeconds | None = None
    feedback: FeedbackRecord = FeedbackRecord()
    preceding: Preceding | None = None

    @classmethod
    def of(cls, memory: Memory) -> dict[str, Any]:
        known = {name: getattr(memory, name) for name in cls.model_fields if name != "record"}
        return {"record": "memory", **known, "feedback": asdict(memory.feedback)}

    def to_record(self) -> Record:
        fields = {name: getattr(self, name) for name in type(self).model_fields if name != "record"}
        fields["feedback"] = self.feedback.to_feedback()
        return Record(**fields, preceding_known="preceding" in self.model_fields_set)


class SessionRecord(BaseModel):
    """A session in a `jsonl` file. Its memories are counted where it is read."""

    model_config = ConfigDict(extra="ignore")

    record: Literal["session"] = "session"
    id: SessionId
    started_at_ms: Annotated[int, Field(ge=0, le=10**15 - 1), NumberOnly]
    last_activity_at: _Stamp
    idle_timeout_secs: Annotated[int, Field(ge=0, le=MAX_IDLE_TIMEOUT_SECS), NumberOnly]
    metadata: _Metadata = {}
    ended_at: _Stamp | None = None
    ended_reason: EndedReason | None = None
    summary: Summary | None = None
    last_said: Preceding | None = None

    @classmethod
    def of(cls, session: Session) -> dict[str, Any]:
        known = {name: getattr(session, name) for name in cls.model_fields if name != "record"}
        return {"record": "session", **known}

    def to_session(self, tenant: str, namespace: str) -> Session:
        return Session(tenant=tenant, namespace=namespace, **self.model_dump(exclude={"record"}))


class Mem0Memory(BaseModel):
    """A memory as Mem0's `get_all` and exports have it; an expiration is a day."""

    model_config = ConfigDict(extra="ignore")

    id: MemoryId | None = None
    memory: Content = Field(validation_alias=AliasChoices("memory", "text", "content"))
    run_id: MaybeSessionId = None
    metadata: _Metadata = {}
    categories: _Tags = []
    created_at: _Stamp | None = None
    updated_at: _Stamp | None = None
    expiration_date: Annotated[UnixSeconds, BeforeValidator(lambda day: _end_of(day))] | None = None

    @classmethod
    def of(cls, memory: Memory) -> dict[str, Any]:
        return {
            "id": memory.id,
            "memory": memory.content,
            "user_id": memory.namespace,
            "run_id": memory.session_id,
            "metadata": memory.metadata,
            "categories": memory.tags,
            "created_at": _rfc3339(memory.created_at),
            "updated_at": _rfc3339(memory.updated_at),
            "expiration_date": memory.expires_at and _rfc3339(memory.expires_at - 1)[:10],
        }

    def to_record(self) -> Record:
        return Record(
            id=self.id,
            content=self.memory,
            session_id=self.run_id,
            metadata=self.metadata,
            tags=self.categories,
            created_at=self.created_at,
            updated_at=self.updated_at,
            expires_at=self.expiration_date,
        )


class ZepMessage(BaseModel):
    """A message of a Zep session; who speaks is a memory's `metadata.actor`."""

    model_config = ConfigDict(extra="ignore")

    uuid: MemoryId | None = None
    session_id: MaybeSessionId = None
    role: str | None = None
    role_type: str | None = None
    content: Content
    metadata: _Metadata = {}
    created_at: _Stamp | None = None
    updated_at: _Stamp | None = None

    @classmethod
    def of(cls, memory: Memory) -> dict[str, Any]:
        return {
            "uuid": memory.id,
            "session_id": memory.session_id,
            "role": _text(memory.metadata.get("actor")),
            "role_type": _text(memory.metadata.get("role_type")) or "norole",
            "content": memory.content,
            "metadata": memory.metadata,
            "created_at": _rfc3339(memory.created_at),
            "updated_at": _rfc3339(memory.updated_at),
        }

    def to_record(self) -> Record:
        spoken = {"actor": self.role} if self.role else {}
        typed = {"role_type": self.role_type} if self.role_type not in (None, "norole") else {}
        return Record(
            id=self.uuid,
            content=self.content,
            session_id=self.session_id,
            metadata={**spoken, **typed, **self.metadata},
            created_at=self.created_at,
            updated_at=self.updated_at,
        )


@dataclass(slots=True)
class File:
    """What a file holds that can be kept, and of the rest where it stands and what is wrong."""

    sessions: list[Session] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    @property
    def kept(self) -> int:
        return len(self.sessions) + len(self.records)

    @classmethod
    def read(
        cls, data: FileData, format: Format, *, tenant: str, namespace: str, now: int
    ) -> "File":
        """Raises InvalidRequestError where it isn't such a file at all, PayloadTooLargeError
        where it holds more than `MAX_IMPORT`."""
        rows = list(islice(_rows(data, format), MAX_IMPORT + 1))
        if len(rows) > MAX_IMPORT:
            raise PayloadTooLargeError(
                f"the file has more than {MAX_IMPORT:,} records, which is what one import takes:"
                " send it in parts"
            )
        file = cls()
        for where, row in rows:
            try:
                match _read(row(), format):
                    case SessionRecord() as session:
                        file.sessions.append(session.to_session(tenant, namespace))
                    case record:
                        kept = record.to_record()
                        if kept.expires_at is not None and kept.expires_at <= now:
                            raise ValueError("has expired")
                        file.records.append(kept)
            except ValidationError as error:
                file.errors.append(f"{where}: {_told(error)}")
            except RecursionError:
                file.errors.append(f"{where}: is nested too deep")
            except ValueError as error:
                file.errors.append(f"{where}: {error}")
        return file


Row = tuple[str, Callable[[], Any]]


def _read(row: Any, format: Format) -> MemoryRecord | SessionRecord | Mem0Memory | ZepMessage:
    match format:
        case "mem0":
            return Mem0Memory.model_validate(row)
        case "zep":
            return ZepMessage.model_validate(row)
        case "jsonl" if isinstance(row, dict) and row.get("record") == "session":
            return SessionRecord.model_validate(row)
        case _:
            return MemoryRecord.model_validate(row)


def _rows(data: FileData, format: Format) -> Iterator[Row]:
    """Each record of the file with where it stands; what is not JSON tells so when it is read."""
    if isinstance(data, str):
        match format:
            case "jsonl":
                yield from _lines(data)
                return
            case "csv":
                yield from _csv_rows(data)
                return
        try:
            data = strict_json(data)
        except (ValueError, RecursionError) as error:
            raise InvalidRequestError("data", f"is no JSON document: {error}") from error
    if isinstance(data, dict):
        members = ("messages",) if format == "zep" else ("memories", "results")
        data = next((data[name] for name in members if name in data), data)
    if not isinstance(data, list):
        raise InvalidRequestError("data", f"is no {format} document: it has no list of memories")
    for number, row in enumerate(data, start=1):
        yield f"record {number}", partial(_same, row)


def _same(row: Any) -> Any:
    return row


def _lines(text: str) -> Iterator[Row]:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield f"line {number}", partial(strict_json, line)


def _csv_rows(text: str) -> Iterator[Row]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = next(reader, [])
        if "content" not in header:
            raise InvalidRequestError("data", "is no csv file: its first line names no content")
        first = reader.line_num + 1
        for cells in reader:
            if cells:
                yield f"line {first}", partial(_csv_row, dict(zip(header, cells, strict=False)))
            first = reader.line_num + 1
    except csv.Error as error:
        raise InvalidRequestError("data", f"line {reader.line_num}: {error}") from error


def _csv_row(cells: Mapping[str, str]) -> dict[str, Any]:
    row: dict[str, Any] = {name: cell for name, cell in cells.items() if cell != ""}
    for name in ("tags", "metadata", "importance"):
        if name in row:
            row[name] = strict_json(row[name])
    for name in ("event_time", "created_at", "updated_at", "expires_at"):
        if _INTEGER.fullmatch(row.get(name, "")):
            row[name] = int(row[name])
    return row


def _told(error: ValidationError) -> str:
    first = error.errors(include_input=False, include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where}: {first['msg'].removeprefix('Value error, ')}"


def header(format: Format) -> str:
    match format:
        case "csv":
            return _csv_line(_COLUMNS)
        case "mem0":
            return '{"memories": ['
        case "zep":
            return '{"messages": ['
        case "jsonl":
            return ""


def footer(format: Format) -> str:
    return "\n]}\n" if format in ("mem0", "zep") else ""


def line(record: Session | Memory, format: Format, *, first: bool) -> str:
    """A record as it stands in the file, with what parts it from the one before."""
    match format:
        case "csv":
            assert isinstance(record, Memory)  # noqa: S101 - sessions go into jsonl alone
            return _csv_line(_csv_cells(record))
        case "jsonl":
            shape = (
                SessionRecord.of(record) if isinstance(record, Session) else MemoryRecord.of(record)
            )
            # ASCII: line and paragraph separators in a text end no line of the file
            return json.dumps(shape) + "\n"
        case "mem0" | "zep":
            assert isinstance(record, Memory)  # noqa: S101
            shape = (Mem0Memory if format == "mem0" else ZepMessage).of(record)
            return ("\n" if first else ",\n") + json.dumps(shape, ensure_ascii=False)


def _csv_cells(memory: Memory) -> list[Any]:
    cells = {name: getattr(memory, name) for name in _COLUMNS}
    cells["tags"] = json.dumps(memory.tags, ensure_ascii=False)
    cells["metadata"] = json.dumps(memory.metadata, ensure_ascii=False)
    return list(cells.values())


def _csv_line(cells: Iterable[Any]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text).writerow(cells)
    return text.getvalue()


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _rfc3339(unix_seconds: int) -> str:
    return (_EPOCH + timedelta(seconds=unix_seconds)).isoformat().replace("+00:00", "Z")


def _end_of(day: Any) -> Any:
    """The moment at which a day is over; other times are left as they are."""
    if not isinstance(day, str):
        return day
    if _DATE.fullmatch(day):
        return (
            int((datetime.fromisoformat(f"{day}T00:00:00Z") - _EPOCH).total_seconds()) + _DAY_SECS
        )
    return int(datetime.fromisoformat(day.upper()).timestamp())


def to_cursor(place: Place) -> str:
    """Opaque to callers, and good in a URL as it is."""
    return (
        urlsafe_b64encode(json.dumps([place.session, place.memory]).encode()).decode().rstrip("=")
    )


def place_of(cursor: str) -> Place:
    """Of an empty one the start. Raises InvalidRequestError for one that we never gave."""
    if not cursor:
        return Place()
    try:
        text = urlsafe_b64decode(cursor.encode() + b"==").decode()
        session, memory = _CURSOR.validate_json(text)
    except ValueError as error:
        raise InvalidRequestError("cursor", "is none of ours") from error
    return Place(session=session, memory=memory)


class ImportFile(BaseModel):
    """What a form's file becomes, too. `format` and the namespace may stand in the query."""

    model_config = ConfigDict(extra="ignore")

    data: FileData = Field(description="The file's text, or its records")
    format: Format | None = None
    namespace: Namespace | None = None
    agent_id: Namespace | None = None


class ImportOut(BaseModel):
    """`done`, or `failed` where nothing could be kept. Sessions count as records, too."""

    job_id: str
    status: Literal["done", "failed"]
    namespace: str
    agent_id: str = Field(description="The same as `namespace`")
    format: Format
    total: int
    imported: int
    skipped: int
    imported_count: int = Field(description="The same as `imported`")
    skipped_count: int = Field(description="The same as `skipped`")
    errors: list[str] = Field(description="Of each skipped record: where it stands and why")
    started_at: int
    finished_at: int


class ErasureOut(BaseModel):
    """A receipt once the state is `erased`; until then ask again."""

    state: Literal["erasing", "erased"]
    receipt_id: str
    namespace: str
    requested_at: int
    erased_at: int | None
    verified: bool = Field(description="Whether a re-read after the last deletion found nothing")
    sessions: int
    memories: int
    records: int = Field(description="What was kept of the namespace itself: actors, imports…")

    @classmethod
    def of(cls, erasure: Erasure) -> "ErasureOut":
        done = erasure.erased_at is not None
        return cls(state="erased" if done else "erasing", verified=done, **asdict(erasure))


class AuditEventOut(BaseModel):
    id: str
    event_type: str
    namespace: str
    agent_id: str = Field(description="The same as `namespace`")
    actor: str = Field(description="The id of the key that asked")
    timestamp: int = Field(description="Unix milliseconds")
    memory_id: str | None = Field(description="The first of `memory_ids`")
    memory_ids: list[str]
    session_id: str | None
    importance: float | None
    reason: str | None

    @classmethod
    def of(cls, event: AuditEvent) -> "AuditEventOut":
        return cls(
            id=event.id,
            event_type=event.event_type,
            namespace=event.namespace,
            agent_id=event.namespace,
            actor=event.actor,
            timestamp=event.at_ms,
            memory_id=event.memory_ids[0] if event.memory_ids else None,
            memory_ids=list(event.memory_ids),
            session_id=event.session_id,
            importance=event.importance,
            reason=event.reason,
        )


class AuditPage(BaseModel):
    """Newest first."""

    events: list[AuditEventOut]
    count: int
    total: int = Field(description="The same as `count`: those of this page")
    cursor: str | None = Field(description="For the next page; null where this is the last")


class ExportAudit(BaseModel):
    """The query of `GET /v1/audit/export`, as a body."""

    model_config = ConfigDict(extra="ignore", populate_by_name=True)

    format: AuditFormat = "json"
    namespace: Namespace | None = None
    agent_id: Namespace | None = None
    event_type: EventType | None = None
    from_ms: UnixMillis = Field(default=0, alias="from")
    to_ms: UnixMillis = Field(default=MAX_UNIX_MILLIS, alias="to")
    limit: Annotated[int, Field(ge=1, le=MAX_AUDIT_EXPORT), NumberOnly] = MAX_AUDIT_EXPORT
    cursor: AuditCursor | None = None


def audit_csv(page: AuditPage) -> str:
    rows = [event.model_dump() for event in page.events]
    for row in rows:
        row["memory_ids"] = " ".join(row["memory_ids"])
    return "".join(
        [_csv_line(AuditEventOut.model_fields), *(_csv_line(row.values()) for row in rows)]
    )
