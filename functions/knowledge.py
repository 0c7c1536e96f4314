"""HTTP: what keeps memories in order: feedback, repeats, putting back what was superseded."""

from time import time
from typing import Annotated, Any

from aws_lambda_powertools.event_handler.openapi.params import Path, Query
from aws_lambda_powertools.utilities.typing import LambdaContext

from cross_session.adapters import memory_index, namespace_table, table
from cross_session.adapters.embeddings import embedder
from cross_session.cold_start import load_at_init
from cross_session.deduplicate import MOST, deduplicate
from cross_session.domain.access import NAMESPACE_PATTERN, Scope
from cross_session.errors import InvalidRequestError
from cross_session.http_api import Api
from cross_session.rate import rate
from cross_session.revise import revise
from cross_session.supersede import restore
from cross_session.wire.base import MEMORY_ID_PATTERN
from cross_session.wire.memories import MemoryOut
from cross_session.wire.upkeep import (
    Deduplicate,
    DeduplicatedOut,
    FeedbackGiven,
    FeedbackHistory,
    FeedbackIn,
    ImportancePatched,
    MemoryFeedbackIn,
    PatchImportance,
    Restorable,
    RestorableList,
)

app = Api()
load_at_init(table.connect, embedder)

MemoryId = Annotated[str, Path(pattern=MEMORY_ID_PATTERN)]
MaybeNamespace = Annotated[str, Query(pattern=f"^$|{NAMESPACE_PATTERN}")]


@app.post("/v1/memory/feedback", tags=["feedback"])
def give_feedback(body: MemoryFeedbackIn) -> FeedbackGiven:
    """Tells what a memory is worth. An upvote raises its importance by 15 %, a downvote lowers it
    by 15 %, a flag lets it fade from wake-ups within days until the next upvote."""
    return _rated(body, body.memory_id)


@app.post("/v1/memories/<memory_id>/feedback", tags=["feedback"])
def give_memory_feedback(memory_id: MemoryId, body: FeedbackIn) -> FeedbackGiven:
    """Tells what this memory is worth."""
    return _rated(body, memory_id)


def _rated(body: FeedbackIn, memory_id: str) -> FeedbackGiven:
    tenant = app.authorize(Scope.WRITE, body.owner).tenant
    memory = rate(tenant, body.owner, memory_id, body.signal)
    return FeedbackGiven(memory_id=memory.id, new_importance=memory.importance, signal=body.signal)


@app.get("/v1/memories/<memory_id>/feedback", tags=["feedback"])
def feedback_history(
    memory_id: MemoryId, namespace: MaybeNamespace = "", agent_id: MaybeNamespace = ""
) -> FeedbackHistory:
    """Lists what was said of a memory, oldest first."""
    tenant, owner = _owner(Scope.READ, namespace or agent_id)
    memory = memory_index.get(tenant, owner, memory_id, now=int(time())).memory
    return FeedbackHistory(memory_id=memory.id, entries=memory.feedback.entries)


@app.patch("/v1/memories/<memory_id>/importance", tags=["memories"])
def patch_importance(memory_id: MemoryId, body: PatchImportance) -> ImportancePatched:
    """Sets the importance of this memory."""
    tenant = app.authorize(Scope.WRITE, body.owner).tenant
    before = memory_index.get(tenant, body.owner, memory_id, now=int(time())).memory.importance
    memory = revise(tenant, body.owner, memory_id, {"importance": body.importance})
    return ImportancePatched.to(memory, before=before)


@app.post("/v1/knowledge/deduplicate", tags=["knowledge"])
def deduplicate_memories(body: Deduplicate) -> DeduplicatedOut:
    """Folds each memory into the older one it repeats. Both alike and saying nothing new: other
    numbers, names or negations make it another statement. What is folded can be restored."""
    tenant = app.authorize(Scope.WRITE, body.owner).tenant
    threshold = body.threshold
    if threshold is None:
        threshold = namespace_table.get(tenant, body.owner).policy.dedup_threshold
    done = deduplicate(
        tenant,
        body.owner,
        threshold=threshold,
        memory_type=body.memory_type,
        dry_run=body.dry_run,
    )
    return DeduplicatedOut.of(done, most=MOST)


@app.get("/v1/memory/deduplicated", tags=["memories"])
def list_restorable(
    namespace: MaybeNamespace = "",
    agent_id: MaybeNamespace = "",
    limit: Annotated[int, Query(ge=1, le=1_000)] = 1_000,
    offset: Annotated[int, Query(ge=0)] = 0,
) -> RestorableList:
    """Lists what is no longer current and can be restored: merged, repeated, replaced, undone."""
    tenant, owner = _owner(Scope.READ, namespace or agent_id)
    memories, count = memory_index.superseded(
        tenant, owner, limit=limit, offset=offset, now=int(time())
    )
    return RestorableList(
        namespace=owner,
        agent_id=owner,
        memories=[Restorable.of(memory) for memory in memories],
        count=count,
    )


@app.post("/v1/memory/deduplicated/<memory_id>/restore", tags=["memories"])
def restore_memory(
    memory_id: MemoryId, namespace: MaybeNamespace = "", agent_id: MaybeNamespace = ""
) -> MemoryOut:
    """Makes a memory current again, as it was. A value that was replaced takes its place back, and
    what came after it gives way; that can be restored in turn."""
    tenant, owner = _owner(Scope.WRITE, namespace or agent_id)
    return MemoryOut.of(restore(tenant, owner, memory_id))


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return app.answer(event, context)


def _owner(scope: Scope, namespace: str) -> tuple[str, str]:
    """The caller's tenant and the namespace, which must be named."""
    caller = app.authorize(scope, namespace or None)
    if not namespace:
        raise InvalidRequestError("namespace", "is required (agent_id is its synonym)")
    return caller.tenant, namespace
