"""What is written down of each change, told by the route that made it."""

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from time import time
from typing import Any

from cross_session.adapters import audit_table
from cross_session.domain.access import Principal
from cross_session.domain.audit import AuditEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Touched:
    """What a call changed; without a namespace, that of the caller's authorization."""

    namespace: str | None = None
    memory_ids: tuple[str, ...] = ()
    session_id: str | None = None
    importance: float | None = None
    reason: str | None = None


ALL = "*"  # stands for the namespace where a change concerns the whole tenant: its keys

# Reads the answer's body and the request's, both JSON; None where nothing changed.
Reader = Callable[[Any, Any], Touched | None]


def _memories(*memories: Mapping[str, Any]) -> Touched | None:
    if not memories:
        return None
    sessions = {memory["session_id"] for memory in memories}
    return Touched(
        namespace=memories[0]["namespace"],
        memory_ids=tuple(memory["id"] for memory in memories),
        session_id=sessions.pop() if len(sessions) == 1 else None,
        importance=memories[0]["importance"] if len(memories) == 1 else None,
    )


def _forgotten(answer: Any, request: Any) -> Touched | None:
    if answer["deleted_count"] == 0:
        return None
    selectors = [name for name in request if name not in ("namespace", "agent_id")]
    return Touched(
        memory_ids=tuple(request.get("memory_ids") or ()),
        session_id=request.get("session_id") or None,
        reason=f"{answer['deleted_count']} by {', '.join(selectors)}",
    )


def _consolidated(answer: Any, _request: Any) -> Touched | None:
    merged = answer["consolidated_memory"]
    if merged is None:
        return None
    sources = tuple(answer["source_memory_ids"])
    return Touched(
        namespace=merged["namespace"],
        memory_ids=(merged["id"], *sources),
        reason=f"{len(sources)} merged into {merged['id']}",
    )


def _by_id(answer: Any, _request: Any) -> Touched:
    """A memory that is known by its id alone: of the namespace that the caller was let into."""
    return Touched(memory_ids=(answer["memory_id"],), importance=answer["new_importance"])


def _deduplicated(answer: Any, _request: Any) -> Touched | None:
    if answer["removed_count"] == 0:
        return None
    ids = tuple(id for group in answer["groups"] for id in group)
    return Touched(memory_ids=ids, reason=f"{answer['removed_count']} folded")


def _key(answer: Any, _request: Any) -> Touched:
    """A key of the tenant's; where it is for one namespace, that is the caller's word."""
    return Touched(reason=answer.get("key_id"))


def _session(answer: Any, _request: Any) -> Touched:
    session = answer["session"]
    return Touched(
        namespace=session["namespace"],
        session_id=session["id"],
        reason=session["ended_reason"],
    )


# By API Gateway's route key: the event, and what tells whom it touched. Event names are the
# protocol's where it has one.
AUDITED: dict[str, tuple[str, Reader]] = {
    "POST /v1/memory/store": ("stored", lambda answer, _: _memories(answer["memory"])),
    "POST /v1/memories/store/batch": ("stored", lambda answer, _: _memories(*answer["stored"])),
    "PUT /v1/memory/update/{memory_id}": ("updated", lambda answer, _: _memories(answer)),
    "POST /v1/memory/importance": (
        "importance_updated",
        lambda answer, _: _memories(*answer["memories"]),
    ),
    "POST /v1/memory/forget": ("forgotten", _forgotten),
    "DELETE /v1/memories/forget/batch": ("forgotten", _forgotten),
    "POST /v1/memory/consolidate": ("consolidated", _consolidated),
    "POST /v1/knowledge/summarize": (
        "summarized",
        lambda answer, _: Touched(memory_ids=(answer["new_memory_id"],)),
    ),
    "POST /v1/knowledge/deduplicate": ("deduplicated", _deduplicated),
    "POST /v1/memory/deduplicated/{memory_id}/restore": (
        "restored",
        lambda answer, _: _memories(answer),
    ),
    "POST /v1/memory/feedback": ("feedback", _by_id),
    "POST /v1/memories/{memory_id}/feedback": ("feedback", _by_id),
    "PATCH /v1/memories/{memory_id}/importance": ("importance_updated", _by_id),
    "POST /v1/agents": (
        "namespace_created",
        lambda answer, _: Touched(namespace=answer["agent_id"]),
    ),
    "PUT /v1/namespaces/{namespace}/memory_policy": ("policy_set", lambda _answer, _: Touched()),
    "POST /admin/keys": ("key_created", _key),
    "PATCH /admin/keys/{key_id}": ("key_updated", _key),
    "DELETE /admin/keys/{key_id}": ("key_deleted", _key),
    "POST /admin/keys/{key_id}/deactivate": ("key_deactivated", _key),
    "POST /admin/keys/{key_id}/rotate": ("key_rotated", _key),
    "POST /v1/namespaces/{namespace}/keys": ("key_created", _key),
    "PATCH /v1/namespaces/{namespace}/keys/{key_id}": ("key_updated", _key),
    "DELETE /v1/namespaces/{namespace}/keys/{key_id}": ("key_deleted", _key),
    "POST /v1/sessions/start": ("session_started", _session),
    "POST /v1/sessions/{session_id}/end": ("session_ended", _session),
    "DELETE /v1/namespaces/{namespace}": (
        "erased",
        lambda answer, _: Touched(reason=f"{answer['state']}: {answer['receipt_id']}"),
    ),
    "GET /v1/export": ("exported", lambda _answer, _: Touched()),
    "POST /v1/import": (
        "imported",
        lambda answer, _: Touched(reason=f"{answer['imported']} of {answer['total']}"),
    ),
}


def record(
    route_key: str, caller: Principal, namespace: str | None, *, request: str, answer: str
) -> None:
    """Writes down what a call changed, if its route is one that changes something.

    `namespace` is the one that the caller was let into, `request` and `answer` are the bodies.
    """
    if route_key not in AUDITED:
        return
    event_type, read = AUDITED[route_key]
    touched = read(_parsed(answer), _parsed(request))
    if touched is None:
        return
    known = asdict(touched)
    known["namespace"] = touched.namespace or namespace or ALL
    at_ms = int(time() * 1000)
    audit_table.put(
        AuditEvent(
            id=f"{at_ms:013d}-{secrets.token_hex(8)}",
            tenant=caller.tenant,
            actor=caller.key_id,
            event_type=event_type,
            at_ms=at_ms,
            **known,
        )
    )


def _parsed(body: str) -> Any:
    """None for what is no JSON: a file, or nothing."""
    try:
        return json.loads(body)
    except ValueError:
        return None
