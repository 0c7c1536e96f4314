"""HTTP: which namespaces there are, and what each does with its memories."""

from collections.abc import Iterator
from heapq import merge
from itertools import islice
from time import time
from typing import Annotated, Any

from aws_lambda_powertools.event_handler.openapi.params import Path, Query
from aws_lambda_powertools.utilities.typing import LambdaContext

from cross_session.adapters import memory_index, namespace_table, session_table, table
from cross_session.adapters.index_schema import DIMENSIONS, MODEL
from cross_session.cold_start import load_at_init
from cross_session.domain.access import NAMESPACE_PATTERN, Principal, Scope
from cross_session.errors import InvalidRequestError
from cross_session.http_api import Api
from cross_session.wire.agents import (
    AgentCreated,
    AgentOut,
    FeedbackHealth,
    FeedbackSummary,
    NamespaceList,
    Policy,
)
from cross_session.wire.base import Owned

app = Api()
load_at_init(table.connect)

Namespace = Annotated[str, Path(pattern=NAMESPACE_PATTERN)]
MaybeNamespace = Annotated[str, Query(pattern=f"^$|{NAMESPACE_PATTERN}")]
Offset = Annotated[int, Query(ge=0, le=1_000_000)]


@app.get("/v1/agents", tags=["agents"])
def list_agents(
    limit: Annotated[int, Query(ge=1, le=500)] = 100, offset: Offset = 0
) -> list[AgentOut]:
    """Lists the namespaces that the key may read with what they hold, by name, as a bare array."""
    caller = app.authorize(Scope.READ)
    names = list(islice(_readable(caller), offset, offset + limit))
    now = int(time())
    counts = memory_index.counts(caller.tenant, names, now=now)
    return [_counted(caller.tenant, name, counts.get(name, 0), now=now) for name in names]


def _counted(tenant: str, namespace: str, memories: int, *, now: int) -> AgentOut:
    sessions = list(session_table.newest(tenant, namespace, now=now))
    return AgentOut(
        namespace=namespace,
        agent_id=namespace,
        memory_count=memories,
        session_count=len(sessions),
        active_sessions=sum(session.state == "active" for session in sessions),
        vector_count=memories,
    )


@app.post("/v1/agents", tags=["agents"])
def create_agent(body: Owned) -> AgentCreated:
    """Lists a namespace before its first memory. One that is there stays as it is."""
    tenant = app.authorize(Scope.WRITE, body.owner).tenant
    return AgentCreated(
        namespace=body.owner,
        agent_id=body.owner,
        created=namespace_table.create(tenant, body.owner),
        dimension=DIMENSIONS,
        model=MODEL,
    )


@app.get("/v1/namespaces", tags=["agents"])
def list_namespaces(
    limit: Annotated[int, Query(ge=1, le=10_000)] = 1_000, offset: Offset = 0
) -> NamespaceList:
    """Lists the names of the namespaces that the key may read."""
    names = list(islice(_readable(app.authorize(Scope.READ)), offset, offset + limit))
    return NamespaceList(namespaces=names, kinds=dict.fromkeys(names, "agent"))


@app.get("/v1/namespaces/<namespace>/memory_policy", tags=["agents"])
def get_policy(namespace: Namespace) -> Policy:
    """Reads what a namespace does with its memories."""
    tenant = app.authorize(Scope.READ, namespace).tenant
    return Policy.of(namespace_table.get(tenant, namespace).policy)


@app.put("/v1/namespaces/<namespace>/memory_policy", tags=["agents"])
def set_policy(namespace: Namespace, body: Policy) -> Policy:
    """Sets what a namespace does with its memories from now on. Needs an admin's key."""
    tenant = app.authorize(Scope.ADMIN, namespace).tenant
    return Policy.of(namespace_table.set_policy(tenant, namespace, body.to_policy()))


@app.get("/v1/agents/<agent_id>/feedback/summary", tags=["feedback"])
def feedback_summary(agent_id: Namespace) -> FeedbackSummary:
    """Counts what was said of a namespace's memories."""
    tenant = app.authorize(Scope.READ, agent_id).tenant
    counts = memory_index.feedback_counts(tenant, agent_id)
    statistics = memory_index.statistics(tenant, agent_id, now=int(time()))
    return FeedbackSummary(
        namespace=agent_id,
        agent_id=agent_id,
        upvotes=counts.upvotes,
        downvotes=counts.downvotes,
        flags=counts.flags,
        total_feedback=counts.upvotes + counts.downvotes + counts.flags,
        health_score=statistics.average_importance or 0.0,
    )


@app.get("/v1/feedback/health", tags=["feedback"])
def feedback_health(
    namespace: MaybeNamespace = "", agent_id: MaybeNamespace = ""
) -> FeedbackHealth:
    """Tells the mean importance of what a namespace has to recall."""
    owner = namespace or agent_id
    caller = app.authorize(Scope.READ, owner or None)
    if not owner:
        raise InvalidRequestError("namespace", "is required (agent_id is its synonym)")
    statistics = memory_index.statistics(caller.tenant, owner, now=int(time()))
    mean = statistics.average_importance or 0.0
    return FeedbackHealth(
        namespace=owner,
        agent_id=owner,
        health_score=mean,
        memory_count=statistics.total,
        avg_importance=mean,
    )


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return app.answer(event, context)


def _readable(caller: Principal) -> Iterator[str]:
    """The names, in order, looked up no further than the caller's grants reach."""
    grants = ("*",) if caller.namespaces is None else caller.namespaces
    found = merge(
        *(namespace_table.listed(caller.tenant, prefix=grant.removesuffix("*")) for grant in grants)
    )
    last = None
    for name in found:
        if name != last and caller.may_touch(name):
            yield name
        last = name
