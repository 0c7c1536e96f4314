"""HTTP: session records."""

import hashlib
import secrets
from itertools import islice
from time import time
from typing import Annotated, Any

from aws_lambda_powertools.event_handler.openapi.params import Header, Path, Query
from aws_lambda_powertools.utilities.typing import LambdaContext

from cross_session.adapters import ended_sessions, namespace_table, session_table, table
from cross_session.cold_start import load_at_init
from cross_session.domain.access import NAMESPACE_PATTERN, Scope
from cross_session.domain.session import DEFAULT_IDLE_TIMEOUT_SECS, Session
from cross_session.errors import NotFoundError, QueueUnavailableError
from cross_session.http_api import Api, logger
from cross_session.wire.base import SESSION_ID_PATTERN
from cross_session.wire.sessions import (
    EndSession,
    SessionEnded,
    SessionOut,
    SessionPage,
    SessionStarted,
    SessionTouched,
    StartSession,
)

app = Api()
load_at_init(table.connect)

SessionId = Annotated[str, Path(pattern=SESSION_ID_PATTERN)]
Limit = Annotated[int, Query(ge=1, le=500)]
Offset = Annotated[int, Query(ge=0, le=1_000_000)]


@app.post("/v1/sessions/start", status_code=201, tags=["sessions"])
def start_session(
    body: StartSession, idempotency_key: Annotated[str, Header(max_length=256)] = ""
) -> SessionStarted:
    """Starts a session."""
    tenant = app.authorize(Scope.WRITE, body.owner).tenant
    now_ms = int(time() * 1000)
    timeout = body.idle_timeout_secs
    session = Session(
        id=_session_id(tenant, body.owner, idempotency_key),
        tenant=tenant,
        namespace=body.owner,
        started_at_ms=now_ms,
        last_activity_at=now_ms // 1000,
        idle_timeout_secs=DEFAULT_IDLE_TIMEOUT_SECS if timeout is None else timeout,
        metadata=body.metadata or {},
    )
    stored = session_table.create(session).as_of(now_ms // 1000)
    if not namespace_table.recent(tenant, body.owner).there:
        namespace_table.create(tenant, body.owner)
    return SessionStarted(session=SessionOut.of(stored))


@app.post("/v1/sessions/<session_id>/end", tags=["sessions"])
def end_session(session_id: SessionId, body: EndSession | None = None) -> SessionEnded:
    """Ends a session. One that has ended stays as it was. A summary of it follows."""
    _own(session_id, Scope.WRITE)
    summary = body.summary if body else None
    session = session_table.end(
        app.caller.tenant,
        session_id,
        summary=summary or None,
        auto_summarize=body is None or body.auto_summarize is not False,
        now=int(time()),
    )
    if session.consolidated_at is None:
        try:
            ended_sessions.send(session)
        except QueueUnavailableError as error:
            logger.warning("the sweep will have it consolidated", exc_info=error)
    return SessionEnded(session=SessionOut.of(session), memory_count=session.memory_count)


@app.post("/v1/sessions/<session_id>/touch", tags=["sessions"])
def touch_session(session_id: SessionId) -> SessionTouched:
    """Keeps a session from falling idle. One that has ended stays so."""
    _own(session_id, Scope.WRITE)
    session = session_table.touch(app.caller.tenant, session_id, now=int(time()))
    return SessionTouched(
        session=SessionOut.of(session),
        session_state=session.state,
        idle_deadline_at=session.idle_deadline_at,
    )


@app.get("/v1/sessions", tags=["sessions"])
def list_sessions(
    namespace: Annotated[str, Query(pattern=f"^$|{NAMESPACE_PATTERN}")] = "",
    agent_id: Annotated[str, Query(pattern=f"^$|{NAMESPACE_PATTERN}")] = "",
    active_only: Annotated[bool, Query()] = False,
    limit: Limit = 50,
    offset: Offset = 0,
) -> SessionPage:
    """Lists sessions, newest first: of one namespace, or of all that the key may read."""
    owner = namespace or agent_id or app.caller.sole_namespace
    caller = app.authorize(Scope.READ, owner)
    sessions = [
        session
        for session in session_table.newest(
            caller.tenant, owner, active_only=active_only, now=int(time())
        )
        if caller.may_touch(session.namespace)
    ]
    page = sessions[offset : offset + limit]
    return SessionPage(sessions=[SessionOut.of(session) for session in page], total=len(sessions))


@app.get("/v1/sessions/<session_id>", tags=["sessions"])
def get_session(session_id: SessionId) -> SessionOut:
    """Reads a session."""
    return SessionOut.of(_own(session_id, Scope.READ).as_of(int(time())))


@app.get("/v1/agents/<agent_id>/sessions", tags=["agents"])
def list_agent_sessions(
    agent_id: Annotated[str, Path(pattern=NAMESPACE_PATTERN)],
    active_only: Annotated[bool, Query()] = False,
    limit: Limit = 50,
) -> list[SessionOut]:
    """Lists a namespace's sessions, newest first, as a bare array."""
    tenant = app.authorize(Scope.READ, agent_id).tenant
    sessions = session_table.newest(tenant, agent_id, active_only=active_only, now=int(time()))
    return [SessionOut.of(session) for session in islice(sessions, limit)]


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return app.answer(event, context)


def _own(session_id: str, scope: Scope) -> Session:
    """The session, if it is the caller's. Another's looks absent."""
    caller = app.authorize(scope)
    session = session_table.get(caller.tenant, session_id)
    if not caller.may_touch(session.namespace):
        raise NotFoundError("session")
    return session


def _session_id(tenant: str, namespace: str, idempotency_key: str) -> str:
    """From the key where there is one: a function that died before its answer was kept left
    this session, and the repeat finds it."""
    if not idempotency_key:
        return f"ses_{secrets.token_hex(16)}"
    parts = "\x1f".join((tenant, namespace, idempotency_key))
    return f"ses_{hashlib.sha256(parts.encode()).hexdigest()[:32]}"
