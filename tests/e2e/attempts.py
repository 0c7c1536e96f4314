"""A request of every route, aimed at what somebody has."""

from dataclasses import dataclass
from typing import Any

import httpx

from infra.routes import ROUTES, Route

# What is sent with each route that takes a body; {…} are the target's.
BODIES: dict[tuple[str, str], dict[str, Any] | None] = {
    ("POST", "/v1/sessions/start"): {"metadata": {"by": "another"}},
    ("POST", "/v1/sessions/{session_id}/end"): {"summary": "ended by another"},
    ("POST", "/v1/sessions/{session_id}/touch"): None,
    ("POST", "/v1/memory/store"): {"content": "stored"},
    ("POST", "/v1/memories/store/batch"): {
        "memories": [{"id": "{memory_id}", "content": "The launch is never"}]
    },
    ("POST", "/v1/memory/recall"): {"query": "launch", "include_summaries": True, "top_k": 100},
    ("POST", "/v1/memory/search"): {"query": "launch", "routing": "bm25", "neighborhood": 1},
    ("POST", "/v1/context"): {"query": "launch", "session_id": "{session_id}"},
    ("POST", "/v1/memories/recall/batch"): {"limit": 100},
    ("PUT", "/v1/memory/update/{memory_id}"): {"content": "changed"},
    ("POST", "/v1/memory/importance"): {"memory_ids": ["{memory_id}"], "importance": 0.01},
    ("POST", "/v1/memory/forget"): {"memory_ids": ["{memory_id}"]},
    ("POST", "/v1/memory/consolidate"): {"threshold": 0.5},
    ("POST", "/v1/knowledge/summarize"): {"memory_ids": ["{memory_id}", "other"]},
    ("POST", "/admin/keys"): {"name": "another's", "scope": "read"},
    ("PATCH", "/admin/keys/{key_id}"): {"name": "another's"},
    ("DELETE", "/admin/keys/{key_id}"): None,
    ("POST", "/admin/keys/{key_id}/deactivate"): None,
    ("POST", "/admin/keys/{key_id}/rotate"): {"grace_secs": 0},
    ("POST", "/v1/namespaces/{namespace}/keys"): {"name": "another's", "scope": "read"},
    ("PATCH", "/v1/namespaces/{namespace}/keys/{key_id}"): {"name": "another's"},
    ("DELETE", "/v1/namespaces/{namespace}/keys/{key_id}"): None,
    ("DELETE", "/v1/memories/forget/batch"): {"filter": {"memory_type": "episodic"}},
    ("POST", "/v1/memory/feedback"): {"memory_id": "{memory_id}", "signal": "downvote"},
    ("POST", "/v1/memories/{memory_id}/feedback"): {"signal": "flag"},
    ("PATCH", "/v1/memories/{memory_id}/importance"): {"importance": 0.01},
    ("POST", "/v1/knowledge/deduplicate"): {"threshold": 0.5},
    ("POST", "/v1/memory/deduplicated/{memory_id}/restore"): None,
    ("POST", "/v1/agents"): {},
    ("PUT", "/v1/namespaces/{namespace}/memory_policy"): {"working_ttl_seconds": 1},
    ("DELETE", "/v1/namespaces/{namespace}"): None,
    ("POST", "/v1/import"): {"data": '{"content": "imported"}'},
    ("POST", "/v1/audit/export"): {},
}
READING = {
    "/v1/memory/recall",
    "/v1/memory/search",
    "/v1/memories/recall/batch",
    "/v1/context",
    "/v1/audit/export",
}  # POST for the size of a question
CLOSED = [route for route in ROUTES if not route.public]


@dataclass(frozen=True)
class Target:
    """Somebody's namespace, and the ids of what is in it."""

    namespace: str
    memory_id: str
    session_id: str
    key_id: str
    job_id: str

    def fill(self, value: Any) -> Any:
        """`value` with the ids in the places named in braces."""
        match value:
            case str() if value.startswith("{") and value[1:-1] in vars(self):
                return vars(self)[value[1:-1]]
            case dict():
                return {name: self.fill(one) for name, one in value.items()}
            case list():
                return [self.fill(one) for one in value]
            case _:
                return value


def changes(route: Route) -> bool:
    return route.method != "GET" and route.path not in READING


def attempt(http: httpx.Client, route: Route, target: Target) -> httpx.Response:
    """Asks for the target's, as its owner would."""
    path = route.path.format(**vars(target), agent_id=target.namespace)
    owner = {"namespace": target.namespace}
    body = None if route.method == "GET" else BODIES[route.method, route.path]
    named = "{namespace}" in route.path or route.path.startswith(("/admin/", "/v1/sessions/{"))
    if body is not None:
        body = target.fill(body) | ({} if named else owner)
    headers = {"Idempotency-Key": "everybody's"} if changes(route) else {}
    return http.request(route.method, path, params=owner, json=body, headers=headers)
