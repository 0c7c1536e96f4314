"""A question in, the memories that answer it out."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from functools import partial
from time import time
from typing import Literal

from cross_session.adapters import circuit, memory_index, namespace_table, session_table
from cross_session.adapters.embeddings import embedder
from cross_session.domain.memory import Memory
from cross_session.domain.question import Question, read
from cross_session.domain.ranking import DEFAULT_VECTOR_WEIGHT, Ranked, Weights, fuse, rank
from cross_session.domain.selection import Selection
from cross_session.domain.session import Session
from cross_session.domain.supersession import outdated
from cross_session.domain.temporal import SessionReference
from cross_session.limits import hold_to_policy

Routing = Literal["hybrid", "vector", "bm25"]

_WEIGHTS = Weights()
_SESSIONS_LOOKED_AT = 200


@dataclass(frozen=True, slots=True)
class ResolvedTime:
    """When a question was understood to mean: [start, end) in Unix seconds, None is open.

    `source` tells whether the calendar or an earlier session gave it.
    """

    phrase: str
    start: int | None
    end: int | None
    source: Literal["calendar", "session"]
    session_id: str | None = None


@dataclass(frozen=True, slots=True)
class Recalled:
    ranked: list[Ranked]
    resolved_time: ResolvedTime | None


def beside(tenant: str, namespace: str, ranked: Sequence[Ranked]) -> dict[str, list[Memory]]:
    """What was said right before and after each recalled memory, by its id.

    What was recalled itself, or stands beside a better one already, is left out.
    """
    memories = [one.memory for one in ranked]
    now = int(time())
    told = {memory.id for memory in memories}
    around: dict[str, list[Memory]] = {}
    for id, found in memory_index.neighbours(tenant, namespace, memories, now=now).items():
        around[id] = [memory for memory in found if memory.id not in told]
        told |= {memory.id for memory in found}
    return around


def summaries(tenant: str, namespace: str, ranked: Sequence[Ranked]) -> list[tuple[Session, str]]:
    """The sessions of the recalled memories that have a summary, the best memory's first.

    The one that the caller gave, else the one that was made.
    """
    ids = dict.fromkeys(one.memory.session_id for one in ranked if one.memory.session_id)
    made = memory_index.summaries_of(tenant, namespace, list(ids)) if ids else {}
    told: list[tuple[Session, str]] = []
    for id in ids:
        session = session_table.find(tenant, id)
        if session is None or session.namespace != namespace:
            continue
        if session.summary:
            told.append((session, session.summary))
        elif id in made:
            told.append((session, made[id].content))
    return told


def recall(
    tenant: str,
    namespace: str,
    query: str,
    *,
    limit: int,
    selection: Selection,
    routing: Routing = "hybrid",
    vector_weight: float | None = None,
    rerank: bool = True,
    now: datetime | None = None,
    timezone: tzinfo = UTC,
) -> Recalled:
    """The `limit` best of the selected memories, best first; none where there are none.

    With `rerank` off, a `vector_weight`, or a routing to one search, the two searches' scores
    alone decide; a search that has no weight is not made. Summaries of old sessions are
    recalled where the question asks for an overview; the selection may ask for all.
    `now` and `timezone` are the caller's: "yesterday" is a day of theirs. Raises
    RateLimitedError where the namespace's policy lets no more recalls through.
    """
    hold_to_policy(tenant, namespace, namespace_table.recent(tenant, namespace).policy, "recalls")
    weight = {"vector": 1.0, "bm25": 0.0}.get(
        routing, DEFAULT_VECTOR_WEIGHT if vector_weight is None else vector_weight
    )

    def find(meaning: str, selection: Selection) -> memory_index.Found:
        search = partial(
            memory_index.candidates,
            tenant,
            namespace,
            text=query if weight < 1 else None,
            context_weight=_WEIGHTS.context,
            vector=embedder().query(meaning) if weight > 0 else None,
            selection=selection,
            now=int(time()),
        )
        found = circuit.guarded("recalls", search)
        # two values of a subject stand only while a store is under way, or was cut off
        replaced = outdated([one.memory for one in found.candidates])
        current = [
            one
            for one in found.candidates
            if one.memory.id not in replaced and (selection.memory_type or _speaks(one.memory))
        ]
        return replace(found, candidates=current)

    if not rerank or vector_weight is not None or routing != "hybrid":
        return Recalled(fuse(find(query, selection).candidates, vector_weight=weight)[:limit], None)
    asked_at = now or datetime.now(UTC)
    actors = namespace_table.actors(tenant, namespace)
    question = read(query, actors=actors, now=asked_at, timezone=timezone)
    found = find(question.nameless, replace(selection, derived=question.asks_overview))
    session = _session(tenant, namespace, question.session, now=int(asked_at.timestamp()))
    ranked = rank(
        found.candidates,
        question,
        corpus=found.corpus,
        now=int(asked_at.timestamp()),
        asked_session=session.id if session else None,
        weights=_WEIGHTS,
    )
    return Recalled(ranked[:limit], _resolved(question, session))


def _speaks(memory: Memory) -> bool:
    """All but the summary of a young session, which would repeat its memories."""
    return memory.memory_type != "summary" or memory.covered_by is not None


def _session(
    tenant: str, namespace: str, reference: SessionReference | None, *, now: int
) -> Session | None:
    """The ended session that the question names; with a topic, one whose metadata has it."""
    if reference is None:
        return None
    newest = session_table.newest(tenant, namespace, now=now)
    looked_at = [one for _, one in zip(range(_SESSIONS_LOOKED_AT), newest, strict=False)]
    fitting = [one for one in looked_at if one.state == "ended" and _is_about(one, reference.topic)]
    if not fitting:
        return None
    return fitting[0] if reference.ordinal == "last" else fitting[-1]


def _is_about(session: Session, topic: str | None) -> bool:
    if topic is None:
        return True
    told = " ".join(str(value) for value in session.metadata.values()).lower()
    return all(word in told for word in topic.lower().split())


def _resolved(question: Question, session: Session | None) -> ResolvedTime | None:
    if session is not None and question.session is not None:
        end = session.ended_at
        return ResolvedTime(question.session.phrase, session.started_at, end, "session", session.id)
    if question.window is None:
        return None
    start, end_at = question.window.start, question.window.end
    return ResolvedTime(
        question.window.phrase,
        None if start is None else int(start.timestamp()),
        None if end_at is None else int(end_at.timestamp()),
        "calendar",
    )
