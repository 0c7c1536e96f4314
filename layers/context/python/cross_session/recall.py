"""A question in, the memories that answer it out."""

from dataclasses import dataclass
from time import time
from typing import Literal

from cross_session.adapters import memory_index
from cross_session.adapters.embeddings import embedder
from cross_session.domain.memory import Memory
from cross_session.domain.ranking import DEFAULT_VECTOR_WEIGHT, fuse
from cross_session.domain.selection import Selection

Routing = Literal["hybrid", "vector", "bm25"]


@dataclass(frozen=True, slots=True)
class Recalled:
    """A memory with its scores: `score` in 0..1 orders the answer, `bm25` has no upper end,
    `cosine` lies in -1..1; None where that search did not find it."""

    memory: Memory
    score: float
    bm25: float | None
    cosine: float | None


def recall(
    tenant: str,
    namespace: str,
    query: str,
    *,
    limit: int,
    selection: Selection,
    routing: Routing = "hybrid",
    vector_weight: float = DEFAULT_VECTOR_WEIGHT,
) -> list[Recalled]:
    """The `limit` best of the selected memories, best first; none where there are none.

    A search that has no weight is not made.
    """
    weight = {"hybrid": vector_weight, "vector": 1.0, "bm25": 0.0}[routing]
    found = memory_index.candidates(
        tenant,
        namespace,
        text=query if weight < 1 else None,
        vector=embedder().query(query) if weight > 0 else None,
        selection=selection,
        now=int(time()),
    )
    scores = fuse(found.bm25, found.cosine, vector_weight=weight)
    best = sorted(scores, key=lambda id: (-scores[id], -found.memories[id].sequence, id))[:limit]
    return [
        Recalled(found.memories[id], scores[id], found.bm25.get(id), found.cosine.get(id))
        for id in best
    ]
