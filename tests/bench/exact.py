"""Filtered HNSW or exact scoring: which finds a namespace's nearest memories better, and sooner?

Four namespaces and many small ones in one shard, on the real engine, with the service's filters.
"graph" has the service's vector field. "no graph" keeps vectors as doc values, which only a
script can score, and in _source: OpenSearch 3.5 builds Lucene's graph whatever `index` or
`approximate_threshold` say, and only `index.knn: false` leaves it out. Each index is measured
as loaded in bulk, after single stores with refresh=true, and merged into one segment. Takes
about six minutes on two cores.
"""

import json
import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from opensearchpy import OpenSearch

from cross_session.adapters import memory_index
from cross_session.adapters.embeddings import Embedder
from cross_session.adapters.index_schema import DIMENSIONS, MAPPING
from cross_session.domain.selection import Selection
from infra.local.opensearch import OpenSearchNode
from infra.model import ensure_model
from tests.bench.report import percentiles, table
from tests.bench.texts import note, question
from tests.ports import free_ports

SIZES = (100, 1_000, 10_000, 100_000)
NEIGHBOURS = 89  # namespaces of 100 memories that share the shard
EMBEDDED = 6_000  # notes; the other vectors are mixed from theirs
NEAREST = 100  # what the service asks for
BULK = 500
STORES = 300
WIDE = 400  # ef_search; k where it is not named
QUERIES = 100
WARM_UP = 30
NOW = 1_700_000_000
INDEX = "measured"
FIELDS = {
    "id": {"type": "keyword"},
    "tenant": {"type": "keyword"},
    "namespace": {"type": "keyword"},
    "content": {"type": "text", "analyzer": "english"},
    "expires_at": {"type": "long"},
    "superseded_by": {"type": "keyword"},
}

Vectors = NDArray[np.float32]
Query = Callable[[Sequence[float], list[dict[str, Any]]], dict[str, Any]]


@dataclass(frozen=True)
class Layout:
    name: str
    graph: bool


GRAPH = Layout("graph", graph=True)
BARE = Layout("no graph", graph=False)


@dataclass(frozen=True)
class Corpus:
    vectors: Vectors
    namespaces: Sequence[str]
    questions: Sequence[Sequence[float]]


@dataclass(frozen=True)
class Found:
    """Seconds a query, and the ids that each found, best first."""

    seconds: list[float]
    ids: list[list[str]]


@dataclass(frozen=True)
class State:
    """How an index answered at one time, by kind of search and size of namespace."""

    name: str
    segments: int
    found: dict[tuple[str, int], Found]


def main() -> None:
    began = time.perf_counter()
    corpus = _corpus()
    print(f"{len(corpus.namespaces):,} vectors in {time.perf_counter() - began:.0f} s")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as data:
        node = OpenSearchNode.start(Path(data), port=free_ports(1), progress=print)
        try:
            engine = OpenSearch(node.url, timeout=600, max_retries=0)
            costs: list[list[str]] = []
            graph = _measure(engine, GRAPH, corpus, costs)
            bare = _measure(engine, BARE, corpus, costs)
        finally:
            node.stop()
    _print(graph, bare, costs)
    print(f"\n{time.perf_counter() - began:.0f} s in all; load average {os.getloadavg()[1]:.1f}")


def _print(graph: list[State], bare: list[State], costs: list[list[str]]) -> None:
    print(f"\nThe nearest 100 of a namespace, {QUERIES} questions, one client; ms")
    head = ["state", "segments", "memories", "HNSW p50", "p95", f"ef {WIDE} p50", "p95"]
    head += ["exact p50", "p95", "no graph p50", "p95"]
    head += ["HNSW recall@10", "@100", f"ef {WIDE} @10", "@100"]
    rows: list[list[str]] = []
    for state, other in zip(graph, bare, strict=True):
        for size in SIZES:
            hnsw, wide = state.found["HNSW", size], state.found["wide", size]
            exact, alone = state.found["exact", size], other.found["exact", size]
            row = [state.name, f"{state.segments}, {other.segments}", f"{size:,}"]
            for found in (hnsw, wide, exact, alone):
                row += percentiles(found.seconds, 50, 95)
            for found in (hnsw, wide):
                row += [_recall(found, exact, 10), _recall(found, exact, 100)]
            rows.append(row)
    print(table(head, rows))
    print("\nWhat the graph costs; merge is into one segment")
    head = ["layout", "docs/s", "engine CPU ms/doc", "store p50", "p95", "bytes/memory", "merged"]
    print(table([*head, "graph", "_source", "merge s", "engine CPU s"], costs))


# Vectors


def _corpus() -> Corpus:
    os.environ["MODEL_DIR"] = str(ensure_model(print))
    embedder = Embedder()
    random = np.random.default_rng(0)
    sizes = [*SIZES, *[100] * NEIGHBOURS]
    namespaces = np.repeat([f"n{number}" for number in range(len(sizes))], sizes)
    embedded = np.array(embedder.passages([note(seed) for seed in range(EMBEDDED)]), np.float32)
    return Corpus(
        vectors=np.concatenate([embedded, _mixed(embedded, sum(sizes) - EMBEDDED, random)]),
        namespaces=random.permutation(namespaces).tolist(),
        questions=[embedder.query(question(seed)) for seed in range(WARM_UP + QUERIES)],
    )


def _mixed(vectors: Vectors, count: int, random: np.random.Generator) -> Vectors:
    """Each between three of `vectors`, as far from their mean as one of them, and a bit off."""
    mean = vectors.mean(axis=0)
    apart = vectors - mean
    parents = random.integers(len(vectors), size=(count, 3))
    weights = random.dirichlet([0.5, 0.5, 0.5], count).astype(np.float32)
    mixed: Vectors = np.einsum("ij,ijk->ik", weights, apart[parents])
    mixed = _unit(mixed) * np.linalg.norm(apart[parents[:, 0]], axis=1, keepdims=True)
    noise = _unit(random.standard_normal(mixed.shape, np.float32))
    spread = 0.3 * np.linalg.norm(mixed, axis=1, keepdims=True)
    return _unit(mean + mixed + noise * spread)


def _unit(vectors: Vectors) -> Vectors:
    unit: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


# Indexes


def _measure(
    engine: OpenSearch, layout: Layout, corpus: Corpus, costs: list[list[str]]
) -> list[State]:
    """The index's states; adds to `costs` what building it took."""
    _create(engine, layout)
    count = len(corpus.namespaces)
    cpu, began = _cpu_seconds(engine), time.perf_counter()
    for first in range(0, count, BULK):
        _write(engine, corpus, range(first, min(count, first + BULK)), refresh="false")
    _settle(engine)
    loaded, loading_cpu = time.perf_counter() - began, _cpu_seconds(engine) - cpu
    size = _bytes(engine)
    states = [_state(engine, layout, corpus, "bulk-loaded")]

    stores = _store_singly(engine, corpus)
    _settle(engine)
    states.append(_state(engine, layout, corpus, f"{STORES} stores later"))

    cpu, began = _cpu_seconds(engine), time.perf_counter()
    engine.indices.forcemerge(index=INDEX, params={"max_num_segments": 1})
    merged, merging_cpu = time.perf_counter() - began, _cpu_seconds(engine) - cpu
    _settle(engine)
    merged_size = _bytes(engine)
    graph, source = _bytes_of(engine, "vex"), _bytes_of(engine, "fdt")
    states.append(_state(engine, layout, corpus, "merged"))
    engine.indices.delete(index=INDEX)
    costs.append(
        [
            layout.name,
            f"{count / loaded:,.0f}",
            f"{loading_cpu * 1000 / count:.2f}",
            *percentiles(stores, 50, 95),
            f"{size / count:,.0f}",
            f"{merged_size / count:,.0f}",
            f"{graph / count:,.0f}",
            f"{source / count:,.0f}",
            f"{merged:.0f}",
            f"{merging_cpu:.0f}",
        ]
    )
    return states


def _create(engine: OpenSearch, layout: Layout) -> None:
    vector: Mapping[str, Any] = {"type": "knn_vector", "dimension": DIMENSIONS}
    if layout.graph:
        vector = cast("dict[str, Any]", MAPPING["properties"])["vector"]
    mapping: dict[str, Any] = {
        "dynamic": "strict",
        "_routing": {"required": True},
        "properties": {**FIELDS, "vector": vector},
    }
    settings = {
        "knn": layout.graph,
        "number_of_shards": 1,
        "number_of_replicas": 0,
        "refresh_interval": "-1",
    }
    engine.indices.create(index=INDEX, body={"settings": {"index": settings}, "mappings": mapping})


def _store_singly(engine: OpenSearch, corpus: Corpus) -> list[float]:
    """Seconds that each took; they write over memories of the four namespaces in turn."""
    numbers = {
        namespace: [n for n, one in enumerate(corpus.namespaces) if one == namespace]
        for namespace in map(_namespace, SIZES)
    }
    seconds: list[float] = []
    for turn in range(STORES):
        own = numbers[_namespace(SIZES[turn % len(SIZES)])]
        number = own[turn // len(SIZES) % len(own)]
        began = time.perf_counter()
        _write(engine, corpus, [number], refresh="true")
        seconds.append(time.perf_counter() - began)
    return seconds


def _write(engine: OpenSearch, corpus: Corpus, numbers: Sequence[int], *, refresh: str) -> None:
    lines: list[str] = []
    for number in numbers:
        namespace = corpus.namespaces[number]
        address = {"_id": f"t/{namespace}/{number}", "routing": f"t/{namespace}"}
        document = {
            "id": str(number),
            "tenant": "t",
            "namespace": namespace,
            "content": note(number),
            "vector": corpus.vectors[number].tolist(),
        }
        lines += [json.dumps({"index": address}), json.dumps(document)]
    body = "\n".join([*lines, ""])
    answer = engine.bulk(body=body, index=INDEX, params={"refresh": refresh})
    assert not answer["errors"], answer["items"][0]


def _settle(engine: OpenSearch) -> None:
    """Makes what was written searchable, and waits until no merge runs."""
    while True:
        engine.indices.refresh(index=INDEX)
        engine.indices.flush(index=INDEX)
        if not _stats(engine, "merge")["merges"]["current"]:
            break
        time.sleep(0.2)
    engine.indices.refresh(index=INDEX)


def _stats(engine: OpenSearch, metric: str, **params: str) -> dict[str, Any]:
    answer = engine.indices.stats(index=INDEX, metric=metric, params=params)
    primaries: dict[str, Any] = answer["_all"]["primaries"]
    return primaries


def _bytes(engine: OpenSearch) -> int:
    size: int = _stats(engine, "store")["store"]["size_in_bytes"]
    return size


def _bytes_of(engine: OpenSearch, extension: str) -> int:
    """What the index's files of one kind take: `vex` the graph, `fdt` the _source."""
    segments = _stats(engine, "segments", include_segment_file_sizes="true")["segments"]
    size: int = segments["file_sizes"].get(extension, {}).get("size_in_bytes", 0)
    return size


def _cpu_seconds(engine: OpenSearch) -> float:
    [node] = engine.nodes.stats(metric="process")["nodes"].values()
    milliseconds: int = node["process"]["cpu"]["total_in_millis"]
    return milliseconds / 1000


# Searches


def _state(engine: OpenSearch, layout: Layout, corpus: Corpus, name: str) -> State:
    segments = _stats(engine, "segments")["segments"]["count"]
    queries: dict[str, Query] = {"exact": _exact_query}
    if layout.graph:
        queries |= {"HNSW": _hnsw_query, "wide": _wide_query}
    found = {
        (kind, size): _search(engine, corpus, size, query)
        for kind, query in queries.items()
        for size in SIZES
    }
    print(f"{layout.name}: {name}, {segments} segments")
    return State(name, segments, found)


def _search(engine: OpenSearch, corpus: Corpus, size: int, query: Query) -> Found:
    namespace = _namespace(size)
    within = memory_index.owned("t", namespace, Selection(), now=NOW)
    seconds: list[float] = []
    ids: list[list[str]] = []
    for vector in corpus.questions:
        body = {
            "query": query(vector, within),
            "size": NEAREST,
            "_source": {"excludes": ["vector"]},
        }
        began = time.perf_counter()
        hits = engine.search(body=body, index=INDEX, params={"routing": f"t/{namespace}"})
        seconds.append(time.perf_counter() - began)
        ids.append([hit["_source"]["id"] for hit in hits["hits"]["hits"]])
        assert len(ids[-1]) == NEAREST, f"{len(ids[-1])} of {size}"
    return Found(seconds[WARM_UP:], ids[WARM_UP:])


def _hnsw_query(vector: Sequence[float], within: list[dict[str, Any]]) -> dict[str, Any]:
    return _nearest(vector, within, {})


def _wide_query(vector: Sequence[float], within: list[dict[str, Any]]) -> dict[str, Any]:
    return _nearest(vector, within, {"method_parameters": {"ef_search": WIDE}})


def _nearest(
    vector: Sequence[float], within: list[dict[str, Any]], options: dict[str, Any]
) -> dict[str, Any]:
    filters = {"bool": {"filter": within}}
    nearest = {"vector": vector, "k": NEAREST, "filter": filters, **options}
    return {"knn": {"vector": nearest}}


def _exact_query(vector: Sequence[float], within: list[dict[str, Any]]) -> dict[str, Any]:
    params = {"field": "vector", "query_value": vector, "space_type": "cosinesimil"}
    return {
        "script_score": {
            "query": {"bool": {"filter": within}},
            "script": {"lang": "knn", "source": "knn_score", "params": params},
        }
    }


def _recall(found: Found, expected: Found, first: int) -> str:
    """The share of the nearest `first` that is among as many found, over all questions."""
    shared = [
        len(set(ids[:first]) & set(wanted[:first]))
        for ids, wanted in zip(found.ids, expected.ids, strict=True)
    ]
    return f"{sum(shared) / len(shared) / first:.3f}"


def _namespace(size: int) -> str:
    return f"n{SIZES.index(size)}"


if __name__ == "__main__":
    main()
