"""Memories in OpenSearch: one alias, each namespace routed to one shard.

A document's id is made of its tenant, its namespace and the memory's id, so that a read by id
can't reach another owner's memory, whatever id it names.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

from opensearchpy import OpenSearch
from opensearchpy.exceptions import NotFoundError as EngineNotFoundError
from opensearchpy.exceptions import RequestError, TransportError

from cross_session.adapters import opensearch
from cross_session.adapters.index_schema import ALIAS, definition, index_name
from cross_session.domain.feedback import Entry, Feedback
from cross_session.domain.memory import Memory, MemoryType
from cross_session.domain.policy import FLAGGED_HALF_LIFE_DAYS, HALF_LIFE_DAYS, Decay
from cross_session.domain.ranking import FULL_LIST, Candidate
from cross_session.domain.search_text import context_text, search_text
from cross_session.domain.selection import MAX_TERM_BYTES, Selection, metadata_terms, too_long
from cross_session.domain.supersession import Link
from cross_session.errors import (
    ConflictError,
    EngineUnavailableError,
    InvalidRequestError,
    NotFoundError,
)
from cross_session.settings import engine_settings

PAGE = 1_000
_WALK = 200  # a page of the longest contents is 26 MB
_ERASED = 2_000  # a second's work at most, well within the client's timeout
MAX_WINDOW = 10_000  # from + size, OpenSearch's own bound on paging
QUERY_WORDS = 400  # OpenSearch refuses a query of more than 1,024 clauses, one a word

_HAN = r"\u2e80-\u2fff\u3040-\u309f\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_WORD = re.compile(rf"[{_HAN}]|[^\W{_HAN}]+")  # there each character is a word
_STORE_TIMEOUT_SECS = 1.5  # then SQS takes the memory, well within a caller's three seconds
_STORE_TIMEOUT_SECS_EACH = 0.005
_DELETE_TIMEOUT_SECS = 20

_UNREAD = ["vector", "text", "context"]
_READ = {"excludes": _UNREAD}
_ANY = Selection()
_LINK = list(Link.__dataclass_fields__)
_KNN_AT_ONCE = 100
# The same as `policy.kept`, in OpenSearch's scripting language.
_WHAT_IS_LEFT = """
double age = Math.max(0.0, params.now - doc['created_at'].value);
double halves = age / params.half_life;
String decay = params.decays.getOrDefault(doc['memory_type'].value, 'exponential');
double kept = 1.0;
if (doc['feedback.flagged'].size() > 0 && doc['feedback.flagged'].value) {
  kept = Math.pow(0.5, age / params.flagged_half_life);
} else if (decay == 'exponential') {
  kept = Math.pow(0.5, halves);
} else if (decay == 'power_law') {
  kept = 1 / (1 + halves);
} else if (decay == 'logarithmic') {
  kept = 1 / (1 + Math.log(1 + halves) / Math.log(2));
}
return doc['importance'].value * kept;
"""
_SUBJECTS_AT_ONCE = 100
_SUMMARY = {"term": {"memory_type": "summary"}}


@dataclass(frozen=True, slots=True)
class Stored:
    """A memory as it stands, with the version that a careful write names.

    A version is of one index: while memories move to a new one, the numbers of the two may meet.
    """

    memory: Memory
    index: str
    seq_no: int
    primary_term: int


@dataclass(frozen=True, slots=True)
class StoredLink:
    """A link as it stands, with the version that a careful write names, as in `Stored`."""

    link: Link
    index: str
    seq_no: int
    primary_term: int


@dataclass(frozen=True, slots=True)
class Near:
    memory: Memory
    cosine: float


@dataclass(frozen=True, slots=True)
class Found:
    """`corpus` is the number of memories in the shard, by which BM25 weighs a word's rarity."""

    candidates: list[Candidate]
    corpus: int


@dataclass(frozen=True, slots=True)
class Statistics:
    """Of the memories that can be recalled; times are Unix seconds, None where there are none."""

    total: int
    by_type: dict[str, int]
    average_importance: float | None
    oldest_at: int | None
    newest_at: int | None


@dataclass(frozen=True, slots=True)
class FeedbackCounts:
    upvotes: int
    downvotes: int
    flags: int


def create_index() -> None:
    """Creates the first index behind its alias, unless one of ours is there already."""
    settings = engine_settings()
    behind_alias = {"aliases": {ALIAS: {"is_write_index": True}}}
    body = definition(shards=settings.shards, replicas=settings.replicas) | behind_alias
    try:
        with opensearch.engine() as engine:
            # one that lost its alias must not be hidden behind a new, empty one
            if not engine.indices.get(index=f"{ALIAS}-v*"):
                engine.indices.create(index=index_name(1), body=body)
    except RequestError as error:
        if error.error != "resource_already_exists_exception":
            raise


def create(memories: Sequence[Memory], vectors: Sequence[Sequence[float]]) -> list[Stored | None]:
    """Writes the memories whose ids are free, searchable on return.

    One result a memory, in order: None where it was written, else what stands there.
    """
    addresses = [_address(memory.tenant, memory.namespace, memory.id) for memory in memories]
    actions = [{"create": address} for address in addresses]
    outcome = _bulk(
        zip(actions, map(_to_source, memories, vectors), strict=True),
        timeout_secs=_STORE_TIMEOUT_SECS + len(memories) * _STORE_TIMEOUT_SECS_EACH,
    )
    taken = [index for index, item in enumerate(outcome) if item["create"]["status"] == 409]
    results: list[Stored | None] = [None] * len(memories)
    standing = _documents([addresses[index] for index in taken], _READ)
    for index in taken:
        stood = standing.get(addresses[index]["_id"])
        if stood is None:  # forgotten between the two calls, so free again
            (results[index],) = create([memories[index]], [vectors[index]])
        else:
            results[index] = _to_stored(stood)
    return results


def replace(stored: Stored, memory: Memory, vector: Sequence[float] | None) -> None:
    """Writes `memory` over `stored`, searchable on return; no `vector` keeps the present one.

    Raises ConflictError where somebody else wrote since `stored` was read.
    """
    source = _to_source(memory, vector)
    address = _address(memory.tenant, memory.namespace, memory.id)
    version = {"if_seq_no": stored.seq_no, "if_primary_term": stored.primary_term}
    try:
        with opensearch.engine() as engine:
            engine.update(
                index=stored.index,
                id=address["_id"],
                body={"doc": source},
                params={
                    **version,
                    "routing": address["routing"],
                    "refresh": "true",
                    "request_timeout": _STORE_TIMEOUT_SECS,
                },
            )
    except TransportError as error:
        if error.status_code in (404, 409):
            raise ConflictError("the memory was changed meanwhile; read it and repeat") from error
        raise


def get(tenant: str, namespace: str, memory_id: str, *, now: int) -> Stored:
    """The memory as last written, superseded ones too. Raises NotFoundError."""
    address = _address(tenant, namespace, memory_id)
    params = {"routing": address["routing"], "_source_excludes": _UNREAD}
    try:
        found = _ask(lambda engine: engine.get(index=ALIAS, id=address["_id"], params=params))
    except EngineNotFoundError as error:
        raise NotFoundError("memory") from error
    stored = _to_stored(found)
    if stored.memory.expired(now):
        raise NotFoundError("memory")
    return stored


def namespaces_of(tenant: str, memory_id: str) -> list[str]:
    """The tenant's namespaces that hold a memory with this id."""
    mine = [{"term": {"tenant": tenant}}, {"term": {"id": memory_id}}]
    body = {"query": {"bool": {"filter": mine}}, "size": PAGE, "_source": ["namespace"]}
    found = _search(body, routing=None)
    return [hit["_source"]["namespace"] for hit in found["hits"]["hits"]]


def candidates(
    tenant: str,
    namespace: str,
    *,
    text: str | None,
    context_weight: float,
    vector: Sequence[float] | None,
    selection: Selection,
    now: int,
) -> Found:
    """The best `FULL_LIST` by BM25 for `text` and by cosine for `vector`, in one round trip.

    `context_weight` is what a match in the turn before counts beside one in the memory.
    """
    within = owned(tenant, namespace, selection, now=now)
    searches: list[dict[str, Any]] = []
    if text is not None:
        words = _first_words(text)
        matches = [
            {"match": {"text": {"query": words}}},
            {"match": {"context": {"query": words, "boost": context_weight}}},
        ]
        searches.append({"bool": {"should": matches, "minimum_should_match": 1, "filter": within}})
    if vector is not None:
        nearest = {"vector": vector, "k": FULL_LIST, "filter": {"bool": {"filter": within}}}
        searches.append({"knn": {"vector": nearest}})
    bodies = [{"query": search, "size": FULL_LIST, "_source": _READ} for search in searches]
    counting = {"query": {"match_all": {}}, "size": 0, "track_total_hits": True}
    *found, corpus = _msearch(tenant, namespace, [*bodies, counting])
    by_text = found[0]["hits"] if text is not None else []
    by_vector = found[-1]["hits"] if vector is not None else []
    bm25 = {hit["_id"]: hit["_score"] for hit in by_text}
    cosine = {hit["_id"]: 2 * hit["_score"] - 1 for hit in by_vector}
    sources = {hit["_id"]: hit["_source"] for hit in [*by_text, *by_vector]}
    candidates = [
        Candidate(_to_memory(source), bm25.get(id), cosine.get(id))
        for id, source in sources.items()
    ]
    return Found(candidates, corpus["total"]["value"])


def listed(
    tenant: str,
    namespace: str,
    selection: Selection,
    *,
    limit: int,
    offset: int = 0,
    oldest_first: bool = False,
    now: int,
) -> tuple[list[Memory], int]:
    """A page of memories, newest first unless asked, and how many there are in all."""
    filters = owned(tenant, namespace, selection, now=now)
    order = [{"sequence": "asc" if oldest_first else "desc"}, {"id": "asc"}]
    return _page(tenant, namespace, filters, order, limit=limit, offset=offset)


def oldest_first(
    tenant: str,
    namespace: str,
    *,
    after: tuple[int, str] | None,
    superseded: bool,
    now: int,
) -> Iterator[Memory]:
    """All memories that live, however many, from behind the `sequence` and id of `after` on."""
    within = _predicates(tenant, namespace, Selection()) if superseded else None
    filters = within or owned(tenant, namespace, Selection(), now=now)
    body: dict[str, Any] = {
        "query": {"bool": {"filter": filters}},
        "sort": [{"sequence": "asc"}, {"id": "asc"}],
        "size": _WALK,
        "_source": _READ,
    }
    while True:
        if after is not None:
            body["search_after"] = list(after)
        hits = _search(body, routing=_routing(tenant, namespace))["hits"]["hits"]
        for hit in hits:
            memory = _to_memory(hit["_source"])
            if not memory.expired(now):
                yield memory
        if len(hits) < _WALK:
            return
        after = (hits[-1]["sort"][0], hits[-1]["sort"][1])


def find_all(tenant: str, namespace: str, ids: Iterable[str]) -> dict[str, Stored]:
    """Those of the memories that are there, by id, as last written; expired ones too."""
    wanted = [_address(tenant, namespace, id) for id in ids]
    stored = map(_to_stored, _documents(wanted, _READ).values())
    return {one.memory.id: one for one in stored}


def neighbours(
    tenant: str, namespace: str, memories: Sequence[Memory], *, now: int
) -> dict[str, list[Memory]]:
    """Of each memory of a session, the one right before it and the one right after, by its id."""
    of_sessions = [memory for memory in memories if memory.session_id is not None]
    if not of_sessions:
        return {}
    bodies: list[dict[str, Any]] = []
    for memory in of_sessions:
        within = owned(tenant, namespace, Selection(session_id=memory.session_id), now=now)
        for bound, order in (("lt", "desc"), ("gt", "asc")):
            beyond = {"range": {"sequence": {bound: memory.sequence}}}
            query = {"bool": {"filter": [*within, beyond]}}
            sort = [{"sequence": order}]
            bodies.append({"query": query, "sort": sort, "size": 1, "_source": _READ})
    hits = _msearch(tenant, namespace, bodies)
    found = [[_to_memory(hit["_source"]) for hit in one["hits"]] for one in hits]
    return {
        memory.id: found[2 * index] + found[2 * index + 1]
        for index, memory in enumerate(of_sessions)
    }


def most_important(
    tenant: str,
    namespace: str,
    *,
    min_importance: float,
    decays: Mapping[MemoryType, Decay],
    limit: int,
    now: int,
) -> tuple[list[Memory], int]:
    """The first by what `policy.kept` leaves of their importance, and how many there are in all."""
    selection = Selection(min_importance=min_importance)
    body = {
        "query": {
            "script_score": {
                "query": {"bool": {"filter": owned(tenant, namespace, selection, now=now)}},
                "script": {
                    "source": _WHAT_IS_LEFT,
                    "params": {
                        "now": float(now),
                        "half_life": HALF_LIFE_DAYS * 86_400.0,
                        "flagged_half_life": FLAGGED_HALF_LIFE_DAYS * 86_400.0,
                        "decays": dict(decays),
                    },
                },
            }
        },
        "size": limit,
        "track_total_hits": True,
        "_source": _READ,
    }
    hits = _search(body, routing=_routing(tenant, namespace))["hits"]
    return [_to_memory(hit["_source"]) for hit in hits["hits"]], hits["total"]["value"]


def with_vectors(
    tenant: str,
    namespace: str,
    *,
    selection: Selection = _ANY,
    limit: int,
    now: int,
) -> list[tuple[Stored, list[float]]]:
    """The newest memories with their versions and vectors."""
    found: list[tuple[Stored, list[float]]] = []
    after: list[Any] = []
    while len(found) < limit:
        body = {
            "query": {"bool": {"filter": owned(tenant, namespace, selection, now=now)}},
            "sort": [{"sequence": "desc"}, {"id": "asc"}],
            "size": min(PAGE, limit - len(found)),
            "seq_no_primary_term": True,
            "_source": {"excludes": ["text", "context"]},
        } | ({"search_after": after} if after else {})
        hits = _search(body, routing=_routing(tenant, namespace))["hits"]["hits"]
        if not hits:
            break
        found += [(_to_stored(hit), hit["_source"]["vector"]) for hit in hits]
        after = hits[-1]["sort"]
    return found


def nearest(
    tenant: str, namespace: str, vectors: Sequence[Sequence[float]], *, limit: int, now: int
) -> list[list[Near]]:
    """Of each vector, the `limit` memories nearest to it, nearest first."""
    within = {"bool": {"filter": owned(tenant, namespace, Selection(), now=now)}}
    bodies: list[dict[str, Any]] = [
        {
            "query": {"knn": {"vector": {"vector": vector, "k": limit, "filter": within}}},
            "size": limit,
            "_source": _READ,
        }
        for vector in vectors
    ]
    return [
        [Near(_to_memory(hit["_source"]), 2 * hit["_score"] - 1) for hit in found["hits"]]
        for start in range(0, len(bodies), _KNN_AT_ONCE)
        for found in _msearch(tenant, namespace, bodies[start : start + _KNN_AT_ONCE])
    ]


def values_of(
    tenant: str, namespace: str, subjects: Sequence[str], *, since: int, now: int
) -> list[StoredLink]:
    """The memories of these subjects that hold at `since` or later, superseded ones too."""
    found: list[StoredLink] = []
    for start in range(0, len(subjects), _SUBJECTS_AT_ONCE):
        body: dict[str, Any] = {
            "query": {
                "bool": {
                    "filter": [
                        *_predicates(tenant, namespace, Selection()),
                        {"terms": {"subject": subjects[start : start + _SUBJECTS_AT_ONCE]}},
                        _not({"range": {"expires_at": {"lte": now}}}),
                        _not({"range": {"valid_until": {"lt": since}}}),
                    ]
                }
            },
            "sort": [{"sequence": "asc"}, {"id": "asc"}],
            "size": PAGE,
            "seq_no_primary_term": True,
            "_source": _LINK,
        }
        while hits := _search(body, routing=_routing(tenant, namespace))["hits"]["hits"]:
            found += [_to_link(hit) for hit in hits]
            body["search_after"] = hits[-1]["sort"]
    return found


def links(tenant: str, namespace: str, memory_ids: Sequence[str]) -> dict[str, StoredLink]:
    """Those of the memories that are there, by id, as last written."""
    wanted = [_address(tenant, namespace, id) for id in memory_ids]
    stored = map(_to_link, _documents(wanted, _LINK).values())
    return {one.link.id: one for one in stored}


def relink(
    tenant: str, namespace: str, moved: Sequence[tuple[StoredLink, Link]]
) -> list[StoredLink]:
    """Writes where memories stand now, and nothing else of them, searchable on return.

    Returns those that somebody else wrote since they were read; they stay as they are.
    """
    operations: list[tuple[dict[str, Any], dict[str, Any] | None]] = [
        (
            {
                "update": {
                    **_address(tenant, namespace, stored.link.id),
                    "_index": stored.index,
                    "require_alias": False,
                    "if_seq_no": stored.seq_no,
                    "if_primary_term": stored.primary_term,
                }
            },
            {"doc": asdict(link)},
        )
        for stored, link in moved
    ]
    outcome = _bulk(
        iter(operations),
        timeout_secs=_STORE_TIMEOUT_SECS + len(operations) * _STORE_TIMEOUT_SECS_EACH,
    )
    return [
        stored
        for (stored, _), item in zip(moved, outcome, strict=True)
        if item["update"]["status"] in (404, 409)
    ]


def superseded(
    tenant: str, namespace: str, *, limit: int, offset: int, now: int
) -> tuple[list[Memory], int]:
    """A page of what is kept and no longer current, and how many there are; latest first."""
    filters = [
        *_predicates(tenant, namespace, Selection()),
        _not({"range": {"expires_at": {"lte": now}}}),
        {"exists": {"field": "superseded_by"}},
    ]
    order = [{"superseded_at": "desc"}, {"sequence": "desc"}, {"id": "asc"}]
    return _page(tenant, namespace, filters, order, limit=limit, offset=offset)


def postpone_expiry(
    tenant: str, namespace: str, memory_ids: Sequence[str], *, seconds: int
) -> None:
    """Lets the memories live that much longer; those that have no end, or are gone, stay so."""
    later = {
        "source": "if (ctx._source.expires_at == null) { ctx.op = 'none' }"
        " else { ctx._source.expires_at += params.seconds }",
        "params": {"seconds": seconds},
    }
    _rewrite(tenant, namespace, dict.fromkeys(memory_ids, later), refresh=False)


def live_until(tenant: str, namespace: str, ends: Mapping[str, int]) -> None:
    """Lets the memories live until then at least; those that have no end, or are gone, stay so."""
    source = (
        "if (ctx._source.expires_at == null || ctx._source.expires_at >= params.end)"
        " { ctx.op = 'none' } else { ctx._source.expires_at = params.end }"
    )
    scripts = {id: {"source": source, "params": {"end": end}} for id, end in ends.items()}
    _rewrite(tenant, namespace, scripts, refresh=True)


def _rewrite(
    tenant: str, namespace: str, scripts: Mapping[str, dict[str, Any]], *, refresh: bool
) -> None:
    operations: list[tuple[dict[str, Any], dict[str, Any] | None]] = [
        (
            {"update": _address(tenant, namespace, id) | {"retry_on_conflict": 3}},
            {"script": script},
        )
        for id, script in scripts.items()
    ]
    if operations:
        _bulk(
            iter(operations),
            timeout_secs=_STORE_TIMEOUT_SECS + len(operations) * _STORE_TIMEOUT_SECS_EACH,
            refresh=refresh,
        )


def feedback_counts(tenant: str, namespace: str) -> FeedbackCounts:
    """Of all the namespace's memories, superseded ones too."""
    signals = list(FeedbackCounts.__dataclass_fields__)
    body = {
        "query": {"bool": {"filter": _predicates(tenant, namespace, Selection())}},
        "size": 0,
        "aggs": {name: {"sum": {"field": f"feedback.{name}"}} for name in signals},
    }
    sums = _search(body, routing=_routing(tenant, namespace))["aggregations"]
    return FeedbackCounts(**{name: int(sums[name]["value"]) for name in signals})


def counts(tenant: str, namespaces: Sequence[str], *, now: int) -> dict[str, int]:
    """How many memories each of the namespaces has to recall; those that have none are absent."""
    if not namespaces:
        return {}
    body = {
        "query": {
            "bool": {
                "filter": [
                    {"term": {"tenant": tenant}},
                    {"terms": {"namespace": namespaces}},
                    _not({"range": {"expires_at": {"lte": now}}}),
                    _not(_SUMMARY),
                    *_held(None),
                ]
            }
        },
        "size": 0,
        "aggs": {"namespaces": {"terms": {"field": "namespace", "size": len(namespaces)}}},
    }
    # of every shard: the routing of many namespaces is longer than the engine lets a URL be
    found = _search(body, routing=None)
    buckets = found["aggregations"]["namespaces"]["buckets"]
    return {bucket["key"]: bucket["doc_count"] for bucket in buckets}


def check() -> None:
    """Raises EngineUnavailableError where no memory could be read now."""
    try:
        _search({"size": 0, "terminate_after": 1}, routing=None)
    except TransportError as error:
        raise EngineUnavailableError("the memory index is not there yet") from error


def put(memory: Memory, vector: Sequence[float]) -> None:
    """Writes a memory whatever stands under its id, searchable on return."""
    operation = {"index": _address(memory.tenant, memory.namespace, memory.id)}
    _bulk(iter([(operation, _to_source(memory, vector))]), timeout_secs=_DELETE_TIMEOUT_SECS)


def cover(tenant: str, namespace: str, session_id: str, summary_id: str) -> None:
    """Marks all of a session's memories as covered by its summary."""
    within = [
        *_predicates(tenant, namespace, Selection(session_id=session_id)),
        _not(_SUMMARY),
        _not({"term": {"covered_by": summary_id}}),
    ]
    _set_covered_by(tenant, namespace, within, summary_id)


def uncover(tenant: str, namespace: str, summary_ids: Sequence[str]) -> None:
    """Takes the marks of these summaries off the memories that have them."""
    within = [
        *_predicates(tenant, namespace, Selection()),
        {"terms": {"covered_by": list(summary_ids)}},
    ]
    _set_covered_by(tenant, namespace, within, None)


def _set_covered_by(
    tenant: str, namespace: str, within: list[dict[str, Any]], summary_id: str | None
) -> None:
    """Page by page: what was marked no longer fits. What is forgotten meanwhile stays so."""
    body = {"query": {"bool": {"filter": within}}, "size": PAGE, "_source": False}
    while hits := _search(body, routing=_routing(tenant, namespace))["hits"]["hits"]:
        _bulk(
            (
                (
                    {
                        "update": {
                            "_id": hit["_id"],
                            "routing": hit["_routing"],
                            "retry_on_conflict": 3,
                        }
                    },
                    {"doc": {"covered_by": summary_id}},
                )
                for hit in hits
            ),
            timeout_secs=_DELETE_TIMEOUT_SECS,
        )


def quoting(tenant: str, namespace: str, memory_ids: Sequence[str]) -> list[Memory]:
    """The session summaries that have one of these memories among their sources."""
    found: list[Memory] = []
    for start in range(0, len(memory_ids), PAGE):
        ids = memory_ids[start : start + PAGE]
        terms = [term for id in ids for term in metadata_terms({"source_memory_ids": id})]
        within = [
            *_predicates(tenant, namespace, Selection(memory_type="summary")),
            {"terms": {"metadata_terms": terms}},
        ]
        body = {"query": {"bool": {"filter": within}}, "size": PAGE, "_source": _READ}
        hits = _search(body, routing=_routing(tenant, namespace))["hits"]["hits"]
        found += [_to_memory(hit["_source"]) for hit in hits]
    return found


def summaries_of(tenant: str, namespace: str, session_ids: Sequence[str]) -> dict[str, Memory]:
    """The summaries of those of the sessions that have one, by the session's id."""
    within = [
        *_predicates(tenant, namespace, Selection(memory_type="summary")),
        {"terms": {"session_id": list(session_ids)}},
    ]
    body = {"query": {"bool": {"filter": within}}, "size": PAGE, "_source": _READ}
    hits = _search(body, routing=_routing(tenant, namespace))["hits"]["hits"]
    found = [_to_memory(hit["_source"]) for hit in hits]
    return {memory.session_id: memory for memory in found if memory.session_id}


def statistics(tenant: str, namespace: str, *, now: int) -> Statistics:
    body = {
        "query": {"bool": {"filter": owned(tenant, namespace, Selection(), now=now)}},
        "size": 0,
        "track_total_hits": True,
        "aggs": {
            "types": {"terms": {"field": "memory_type", "size": 1_000}},
            "importance": {"avg": {"field": "importance"}},
            "oldest": {"min": {"field": "created_at"}},
            "newest": {"max": {"field": "created_at"}},
        },
    }
    found = _search(body, routing=_routing(tenant, namespace))
    values = found["aggregations"]
    oldest, newest = values["oldest"]["value"], values["newest"]["value"]
    return Statistics(
        total=found["hits"]["total"]["value"],
        by_type={bucket["key"]: bucket["doc_count"] for bucket in values["types"]["buckets"]},
        average_importance=values["importance"]["value"],
        oldest_at=None if oldest is None else int(oldest),
        newest_at=None if newest is None else int(newest),
    )


def count(tenant: str, namespace: str, selection: Selection) -> int:
    """How many are selected, superseded and expired ones too, for as long as they are kept.

    Session summaries are not counted unless `selection` asks for them.
    """
    within = [*_predicates(tenant, namespace, selection), *_without_summaries(selection)]
    body = {"query": {"bool": {"filter": within}}}
    params = {"routing": _routing(tenant, namespace)}
    counted: int = _ask(lambda engine: engine.count(index=ALIAS, body=body, params=params))["count"]
    return counted


def delete(tenant: str, namespace: str, selection: Selection) -> list[Memory]:
    """Deletes what is selected, superseded memories too; returns what it deleted."""
    query = {"bool": {"filter": _predicates(tenant, namespace, selection)}}
    return _delete_matching(query, routing=_routing(tenant, namespace))


def delete_some(tenant: str, namespace: str) -> int:
    """Deletes up to `_ERASED` memories of the namespace; 0 means that none are left."""
    body = {"query": {"bool": {"filter": _predicates(tenant, namespace, Selection())}}}
    params = {
        "routing": _routing(tenant, namespace),
        "max_docs": _ERASED,
        "conflicts": "proceed",
        "refresh": "true",
        "request_timeout": _DELETE_TIMEOUT_SECS,
    }
    _ask(lambda engine: engine.indices.refresh(index=ALIAS))
    done = _ask(lambda engine: engine.delete_by_query(index=ALIAS, body=body, params=params))
    deleted: int = done["deleted"]
    return deleted


def delete_expired(*, now: int) -> list[Memory]:
    """Deletes every tenant's expired memories; returns what it deleted."""
    return _delete_matching({"range": {"expires_at": {"lte": now}}}, routing=None)


def owned(tenant: str, namespace: str, selection: Selection, *, now: int) -> list[dict[str, Any]]:
    """The filters that every read goes through: one owner's memories that live and count."""
    return [
        *_predicates(tenant, namespace, selection),
        *_without_summaries(selection),
        _not({"range": {"expires_at": {"lte": now}}}),
        *_held(selection.as_of),
    ]


def _held(as_of: int | None) -> list[dict[str, Any]]:
    """What is current or, with a time, what held then."""
    if as_of is None:
        return [_not({"exists": {"field": "superseded_by"}})]
    return [
        {"range": {"event_time": {"lte": as_of}}},
        _not({"range": {"valid_until": {"lte": as_of}}}),
    ]


def _not(predicate: dict[str, Any]) -> dict[str, Any]:
    return {"bool": {"must_not": predicate}}


def _without_summaries(selection: Selection) -> list[dict[str, Any]]:
    if selection.derived or selection.memory_type == "summary":
        return []
    return [_not(_SUMMARY)]


def _predicates(tenant: str, namespace: str, selection: Selection) -> list[dict[str, Any]]:
    chosen = selection
    predicates: list[dict[str, Any]] = [
        {"term": {"tenant": tenant}},
        {"term": {"namespace": namespace}},
    ]
    if chosen.ids:
        predicates.append({"terms": {"id": chosen.ids}})
    if chosen.memory_type is not None:
        predicates.append({"term": {"memory_type": chosen.memory_type}})
    if chosen.session_id is not None:
        predicates.append({"term": {"session_id": chosen.session_id}})
    if chosen.subject is not None:
        predicates.append({"term": {"subject": chosen.subject}})
    if chosen.any_tags:
        predicates.append({"terms": {"tags": chosen.any_tags}})
    predicates += [{"term": {"tags": tag}} for tag in chosen.all_tags]
    for term in metadata_terms(chosen.metadata):
        if too_long(term):
            raise InvalidRequestError("metadata", f"no filter reaches past {MAX_TERM_BYTES} bytes")
        predicates.append({"term": {"metadata_terms": term}})
    ranges: dict[str, dict[str, float | None]] = {
        "importance": {"gte": chosen.min_importance, "lte": chosen.max_importance},
        "event_time": {"gte": chosen.since, "lt": chosen.until},
        "created_at": {"gte": chosen.created_after, "lt": chosen.created_before},
    }
    for field, bounds in ranges.items():
        set_bounds = {name: bound for name, bound in bounds.items() if bound is not None}
        if set_bounds:
            predicates.append({"range": {field: set_bounds}})
    return predicates


def _delete_matching(query: dict[str, Any], *, routing: str | None) -> list[Memory]:
    """Searches and deletes by id, page by page, so that each deletion is known and counted."""
    deleted: list[Memory] = []
    body = {
        "query": query,
        "size": PAGE,
        "seq_no_primary_term": True,
        "_source": _READ,
    }
    while True:
        _ask(lambda engine: engine.indices.refresh(index=ALIAS))
        hits = _search(body, routing=routing)["hits"]["hits"]
        if not hits:
            return deleted
        outcome = _bulk(
            (({"delete": _version(hit)}, None) for hit in hits), timeout_secs=_DELETE_TIMEOUT_SECS
        )
        deleted += [
            _to_memory(hit["_source"])
            for hit, item in zip(hits, outcome, strict=True)
            if item["delete"].get("result") == "deleted"
        ]


def _version(hit: Mapping[str, Any]) -> dict[str, Any]:
    """Names a document as it was found: one that was written since is found and judged again."""
    return {
        "_index": hit["_index"],
        "_id": hit["_id"],
        "routing": hit["_routing"],
        "if_seq_no": hit["_seq_no"],
        "if_primary_term": hit["_primary_term"],
    }


def _page(
    tenant: str,
    namespace: str,
    filters: list[dict[str, Any]],
    order: list[dict[str, str]],
    *,
    limit: int,
    offset: int,
) -> tuple[list[Memory], int]:
    """Raises InvalidRequestError for a page that reaches past `MAX_WINDOW`."""
    if offset + limit > MAX_WINDOW:
        raise InvalidRequestError("offset", f"offset and limit together reach past {MAX_WINDOW:,}")
    body = {
        "query": {"bool": {"filter": filters}},
        "sort": order,
        "from": offset,
        "size": limit,
        "track_total_hits": True,
        "_source": _READ,
    }
    found = _search(body, routing=_routing(tenant, namespace))["hits"]
    return [_to_memory(hit["_source"]) for hit in found["hits"]], found["total"]["value"]


def _search(body: dict[str, Any], *, routing: str | None) -> dict[str, Any]:
    """The engine's answer, of all shards that there are, or of those of the routing.

    Raises EngineUnavailableError where one is away: what the others hold would pass for all.
    """
    params = {"allow_partial_search_results": "false"}
    if routing is not None:
        params["routing"] = routing
    found: dict[str, Any] = _ask(
        lambda engine: engine.search(index=ALIAS, body=body, params=params)
    )
    return found


def _msearch(tenant: str, namespace: str, bodies: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Several searches in one round trip; the hits of each, in order."""
    header = {
        "index": ALIAS,
        "routing": _routing(tenant, namespace),
        "allow_partial_search_results": False,
    }
    lines = [line for body in bodies for line in (header, body)]

    def search(engine: OpenSearch) -> list[dict[str, Any]]:
        responses = engine.msearch(body=lines)["responses"]
        for response in responses:
            opensearch.raise_for(response)
        return [response["hits"] for response in responses]

    hits: list[dict[str, Any]] = _ask(search)
    return hits


def _bulk(
    operations: Iterator[tuple[dict[str, Any], dict[str, Any] | None]],
    *,
    timeout_secs: float,
    refresh: bool = True,
) -> list[dict[str, Any]]:
    """Each operation's own outcome, in order, searchable on return unless told otherwise.

    Raises EngineUnavailableError if any was turned away; the others may have been done,
    which repeating the call finds out.
    """
    body = [part for operation in operations for part in operation if part is not None]
    # without require_alias an engine may make an index of the alias's name, of guessed fields
    params = {
        "refresh": "true" if refresh else "false",
        "require_alias": "true",
        "request_timeout": timeout_secs,
    }

    def write(engine: OpenSearch) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = engine.bulk(body=body, index=ALIAS, params=params)["items"]
        for item in items:
            outcome = next(iter(item.values()))
            gone = outcome.get("error", {}).get("type") == "document_missing_exception"
            if outcome["status"] != 409 and not gone:
                opensearch.raise_for(outcome)
        return items

    written: list[dict[str, Any]] = _ask(write)
    return written


def _ask(call: Callable[[OpenSearch], Any]) -> Any:
    """The call's result; the index is made where there is none yet, so that no step makes it."""
    try:
        with opensearch.engine() as engine:
            return call(engine)
    except EngineNotFoundError as error:
        if error.error != "index_not_found_exception":
            raise
    create_index()
    with opensearch.engine() as engine:
        return call(engine)


def _documents(addresses: Sequence[dict[str, str]], source: Any) -> dict[str, Mapping[str, Any]]:
    """Those that are there, by their own ids, as last written; of each the parts in `source`."""
    if not addresses:
        return {}
    wanted = [address | {"_source": source} for address in addresses]
    found = _ask(lambda engine: engine.mget(body={"docs": wanted}, index=ALIAS))["docs"]
    return {document["_id"]: document for document in found if document.get("found")}


def _routing(tenant: str, namespace: str) -> str:
    return f"{tenant}/{namespace}"


def _address(tenant: str, namespace: str, memory_id: str) -> dict[str, str]:
    routing = _routing(tenant, namespace)
    return {"_id": f"{routing}/{memory_id}", "routing": routing}


def _first_words(text: str) -> str:
    """The text up to its `QUERY_WORDS`th word, as OpenSearch's standard tokenizer counts them."""
    last = next(islice(_WORD.finditer(text), QUERY_WORDS - 1, None), None)
    return text[: last.end()] if last else text


def _to_source(memory: Memory, vector: Sequence[float] | None) -> dict[str, Any]:
    source = asdict(memory)
    source["text"] = search_text(memory)
    source["context"] = context_text(memory)
    source["metadata"] = json.dumps(memory.metadata, ensure_ascii=False)
    terms = metadata_terms(memory.metadata)
    source["metadata_terms"] = [term for term in terms if not too_long(term)]
    if vector is not None:
        source["vector"] = vector
    return source


def _to_memory(source: Mapping[str, Any]) -> Memory:
    fields = {name: source[name] for name in Memory.__dataclass_fields__ if name in source}
    given = source.get("feedback", {})  # absent from what was written before there was any
    entries = [Entry(**entry) for entry in given.get("entries", ())]
    return Memory(
        **fields
        | {
            "metadata": json.loads(source["metadata"]),
            "feedback": Feedback(**given | {"entries": entries}),
        }
    )


def _to_link(document: Mapping[str, Any]) -> StoredLink:
    link = Link(**document["_source"])
    return StoredLink(link, document["_index"], document["_seq_no"], document["_primary_term"])


def _to_stored(document: Mapping[str, Any]) -> Stored:
    return Stored(
        _to_memory(document["_source"]),
        document["_index"],
        document["_seq_no"],
        document["_primary_term"],
    )
