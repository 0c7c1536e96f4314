"""HTTP: what is done to a namespace as a whole: export, import, erase; and its audit."""

import json
import secrets
from collections.abc import Iterator
from time import time
from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Response, content_types
from aws_lambda_powertools.event_handler.openapi.params import Path, Query
from aws_lambda_powertools.utilities.typing import LambdaContext

from cross_session.adapters import audit_table, import_table
from cross_session.domain.access import NAMESPACE_PATTERN, Principal, Scope
from cross_session.domain.audit import AuditEvent
from cross_session.erase import erase
from cross_session.errors import InvalidRequestError, PayloadTooLargeError
from cross_session.http_api import Api
from cross_session.restore import restore
from cross_session.walk import Place, walk
from cross_session.wire.portability import (
    MAX_AUDIT_EXPORT,
    MAX_UNIX_MILLIS,
    MEDIA_TYPES,
    AuditEventOut,
    AuditFormat,
    AuditPage,
    ErasureOut,
    ExportAudit,
    File,
    Format,
    ImportFile,
    ImportOut,
    audit_csv,
    footer,
    header,
    line,
    place_of,
    to_cursor,
)

MAX_ANSWER_BYTES = 6_000_000  # as JSON; a Lambda's answer may have 6 MiB
NEXT_CURSOR = "X-Next-Cursor"

app = Api(takes_files=True)

MaybeNamespace = Annotated[str, Query(pattern=f"^$|{NAMESPACE_PATTERN}")]
MaybeEventType = Annotated[str, Query(pattern="^$|^[a-z][a-z_]{0,63}$")]
From = Annotated[
    int, Query(alias="from", ge=0, le=MAX_UNIX_MILLIS, description="Unix milliseconds, included")
]
To = Annotated[
    int, Query(alias="to", ge=0, le=MAX_UNIX_MILLIS, description="Unix milliseconds, included")
]
EventCursor = Annotated[str, Query(pattern=r"^$|^\d{13}-[0-9a-f]{16}$")]
ExportLimit = Annotated[int, Query(ge=1, le=MAX_AUDIT_EXPORT)]


@app.delete(
    "/v1/namespaces/<namespace>",
    tags=["namespaces"],
    responses={
        200: {"description": "A receipt: all is gone"},
        202: {"description": "Too much for one request: ask again until the answer is 200"},
    },
)
def erase_namespace(
    namespace: Annotated[str, Path(pattern=NAMESPACE_PATTERN)],
) -> Response[ErasureOut]:
    """Erases a namespace: its memories, sessions, summaries and all that is kept of it. Needs
    an admin key, or the end user's own token. A large one takes several requests; the counts of
    all are in the receipt."""
    tenant = app.authorize(_whole(), namespace).tenant
    erasure = ErasureOut.of(erase(tenant, namespace))
    return Response(
        status_code=200 if erasure.verified else 202,
        content_type=content_types.APPLICATION_JSON,
        headers={} if erasure.verified else {"Retry-After": "1"},
        body=erasure,
    )


@app.get("/v1/export", tags=["namespaces"])
def export_memories(
    namespace: MaybeNamespace = "",
    agent_id: MaybeNamespace = "",
    format: Annotated[Format, Query()] = "jsonl",
    limit: Annotated[int | None, Query(ge=1, le=10_000)] = None,
    cursor: Annotated[
        str, Query(max_length=512, description=f"What the page before gave in {NEXT_CURSOR}")
    ] = "",
    sessions: Annotated[
        bool | None,
        Query(
            description="Whether a jsonl file has the sessions, too: if absent, yes for a request"
            " that says `namespace`, no for one that says `agent_id`, whose clients expect"
            " memories alone"
        ),
    ] = None,
) -> Response[str]:
    """Answers a namespace as a file. One that is too large for an answer is refused with 413,
    unless `limit` or `cursor` asks for pages; each page is a file of its own."""
    owner = _owner(namespace, agent_id)
    tenant = app.authorize(Scope.READ, owner).tenant
    records = walk(
        tenant,
        owner,
        after=place_of(cursor),
        sessions=format == "jsonl" and (bool(namespace) if sessions is None else sessions),
        superseded=format in ("jsonl", "csv"),
        now=int(time()),
    )
    rows: list[str] = []
    size = 0
    reached = Place()
    more = False
    for place, record in records:
        text = line(record, format, first=not rows)
        size += _size(text)
        if len(rows) == limit or size > MAX_ANSWER_BYTES:
            more = True
            break
        rows.append(text)
        reached = place
    if more and limit is None and not cursor:
        raise PayloadTooLargeError(
            "this namespace is too large for one answer: ask for pages with limit=1000, and for"
            f" each next one with the cursor that the last gave in {NEXT_CURSOR}"
        )
    return Response(
        status_code=200,
        content_type=MEDIA_TYPES[format],
        headers={NEXT_CURSOR: to_cursor(reached)} if more else {},
        body="".join([header(format), *rows, footer(format)]),
    )


@app.post("/v1/import", tags=["namespaces"])
def import_memories(
    body: ImportFile,
    namespace: MaybeNamespace = "",
    agent_id: MaybeNamespace = "",
    format: Annotated[Format | None, Query()] = None,
) -> ImportOut:
    """Puts a file's memories and sessions back as they were, up to 1,000 records a request. The
    same file again changes nothing."""
    owner = _owner(namespace, agent_id or body.namespace or body.agent_id or "")
    tenant = app.authorize(Scope.WRITE, owner).tenant
    started_at = int(time())
    kind = format or body.format or "jsonl"
    file = File.read(body.data, kind, tenant=tenant, namespace=owner, now=started_at)
    restore(tenant, owner, file.sessions, file.records)
    skipped = len(file.errors)
    done = ImportOut(
        job_id=f"imp_{secrets.token_hex(8)}_{owner}",
        status="failed" if skipped and not file.kept else "done",
        namespace=owner,
        agent_id=owner,
        format=kind,
        total=file.kept + skipped,
        imported=file.kept,
        skipped=skipped,
        imported_count=file.kept,
        skipped_count=skipped,
        errors=file.errors,
        started_at=started_at,
        finished_at=int(time()),
    )
    import_table.put(tenant, owner, done.job_id, done.model_dump(), now=started_at)
    return done


@app.get("/v1/import/<job_id>/status", tags=["namespaces"])
def import_status(
    job_id: Annotated[str, Path(pattern=f"^imp_[0-9a-f]{{16}}_{NAMESPACE_PATTERN[1:]}")],
) -> ImportOut:
    """Tells what became of an import, for a week."""
    owner = job_id.split("_", 2)[2]
    tenant = app.authorize(Scope.READ, owner).tenant
    return ImportOut.model_validate(import_table.get(tenant, owner, job_id))


@app.get("/v1/audit", tags=["namespaces"])
def list_audit(
    namespace: MaybeNamespace = "",
    agent_id: MaybeNamespace = "",
    event_type: MaybeEventType = "",
    from_ms: From = 0,
    to_ms: To = MAX_UNIX_MILLIS,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
    cursor: EventCursor = "",
) -> AuditPage:
    """Lists who did what and when, newest first: in one namespace, or in all that the key may
    touch. Needs an admin key."""
    return _audit(namespace or agent_id, event_type, from_ms, to_ms, limit, cursor)


@app.get("/v1/audit/export", tags=["namespaces"])
def export_audit(
    namespace: MaybeNamespace = "",
    agent_id: MaybeNamespace = "",
    format: Annotated[AuditFormat, Query()] = "json",
    event_type: MaybeEventType = "",
    from_ms: From = 0,
    to_ms: To = MAX_UNIX_MILLIS,
    limit: ExportLimit = MAX_AUDIT_EXPORT,
    cursor: EventCursor = "",
) -> Response[str]:
    """Answers up to 10,000 events as JSON or CSV. Where there are more, `X-Next-Cursor` has the
    cursor for the next ones."""
    page = _audit(namespace or agent_id, event_type, from_ms, to_ms, limit, cursor)
    return _audit_file(page, format)


@app.post("/v1/audit/export", tags=["namespaces"])
def export_audit_by_body(body: ExportAudit) -> Response[str]:
    """Answers the same as the GET."""
    owner = body.namespace or body.agent_id or ""
    page = _audit(
        owner, body.event_type or "", body.from_ms, body.to_ms, body.limit, body.cursor or ""
    )
    return _audit_file(page, body.format)


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return app.answer(event, context)


def _whole() -> Scope:
    """What it takes to erase a namespace or read its audit: an end user does so with its own."""
    return Scope.WRITE if app.caller.end_user else Scope.ADMIN


def _owner(namespace: str, agent_id: str) -> str:
    if namespace and agent_id and namespace != agent_id:
        raise InvalidRequestError("agent_id", "differs from namespace; send one of them")
    owner = namespace or agent_id or app.caller.sole_namespace
    if not owner:
        raise InvalidRequestError("namespace", "is required (agent_id is its synonym)")
    return owner


def _size(text: str) -> int:
    """Bytes of the text in the JSON by which a function answers."""
    return len(json.dumps(text, ensure_ascii=False).encode()) - 2


def _audit(
    namespace: str, event_type: str, from_ms: int, to_ms: int, limit: int, cursor: str
) -> AuditPage:
    namespace = namespace or app.caller.sole_namespace or ""
    caller = app.authorize(_whole(), namespace or None)
    events = audit_table.newest(
        caller.tenant,
        namespace or None,
        event_type=event_type or None,
        from_ms=from_ms,
        to_ms=to_ms,
        before=cursor or None,
    )
    page: list[AuditEventOut] = []
    size = 0
    following = None
    for event in _readable(events, caller):
        shown = AuditEventOut.of(event)
        size += _size(shown.model_dump_json())
        if page and (len(page) == limit or size > MAX_ANSWER_BYTES):
            following = page[-1].id
            break
        page.append(shown)
    return AuditPage(events=page, count=len(page), total=len(page), cursor=following)


def _readable(events: Iterator[AuditEvent], caller: Principal) -> Iterator[AuditEvent]:
    return (event for event in events if caller.may_touch(event.namespace))


def _audit_file(page: AuditPage, format: AuditFormat) -> Response[str]:
    as_csv = format == "csv"
    return Response(
        status_code=200,
        content_type=MEDIA_TYPES["csv"] if as_csv else content_types.APPLICATION_JSON,
        headers={NEXT_CURSOR: page.cursor} if page.cursor else {},
        body=audit_csv(page) if as_csv else page.model_dump_json(),
    )
