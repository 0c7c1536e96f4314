"""Three ways to make a store visible to the next recall, timed on the real engine.

refresh=true: the write makes its shard searchable before it returns. wait_for: the write waits
for the shard's own refresh, every 100 ms. by recall: the write returns, and each recall
refreshes before it searches. Every recall checks that it finds what its pair stored.
"""

import os
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from opensearchpy import OpenSearch

from cross_session.adapters import memory_index
from cross_session.adapters.index_schema import ALIAS
from infra.local.opensearch import OpenSearchNode
from tests.bench.report import percentiles, table
from tests.bench.texts import note
from tests.ports import free_ports

FILLED = 10_000
PAIRS = {1: 200, 8: 800}


@dataclass(frozen=True)
class Way:
    name: str
    refresh: str
    interval: str
    by_recall: bool = False


WAYS = (
    Way("refresh=true", "true", "1s"),
    Way("wait_for", "wait_for", "100ms"),
    Way("by recall", "false", "1s", by_recall=True),
)


def main() -> None:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as data:
        node = OpenSearchNode.start(Path(data), port=free_ports(1), progress=print)
        os.environ["OPENSEARCH_URL"] = node.url
        try:
            memory_index.create_index()
            engine = OpenSearch(node.url, maxsize=16)
            for first in range(0, FILLED, 500):
                _write(engine, range(first, first + 500), refresh="true")
            print(f"\nStore, then recall; {FILLED:,} memories, 100 namespaces, one shard; ms")
            head = ("way", "clients", "store p50", "p95", "recall p50", "p95", "pairs/s")
            print(table(head, _measure(engine)))
        finally:
            node.stop()


def _measure(engine: OpenSearch) -> list[list[str]]:
    rows: list[list[str]] = []
    first = FILLED
    for way in WAYS:
        settings = {"index.refresh_interval": way.interval}
        engine.indices.put_settings(index=ALIAS, body=settings)
        for clients, pairs in PAIRS.items():
            began = time.perf_counter()
            with ThreadPoolExecutor(clients) as pool:
                numbers = range(first, first + pairs)
                timed = list(pool.map(lambda number: _pair(engine, way, number), numbers))  # noqa: B023
            rate = pairs / (time.perf_counter() - began)
            first += pairs
            stores, recalls = zip(*timed, strict=True)
            figures = [*percentiles(stores, 50, 95), *percentiles(recalls, 50, 95)]
            rows.append([way.name, str(clients), *figures, f"{rate:.0f}"])
    return rows


def _pair(engine: OpenSearch, way: Way, number: int) -> tuple[float, float]:
    """Seconds that the store took, and the recall after it."""
    began = time.perf_counter()
    _write(engine, [number], refresh=way.refresh)
    stored = time.perf_counter()
    if way.by_recall:
        engine.indices.refresh(index=ALIAS)
    _recall(engine, number)
    return stored - began, time.perf_counter() - stored


def _write(engine: OpenSearch, numbers: Sequence[int], *, refresh: str) -> None:
    body: list[dict[str, Any]] = []
    for number in numbers:
        namespace = f"n{number % 100}"
        body.append({"create": {"_id": f"t/{namespace}/{number}", "routing": f"t/{namespace}"}})
        body.append(
            {
                "id": str(number),
                "tenant": "t",
                "namespace": namespace,
                "text": note(number),
                "vector": _vector(number),
            }
        )
    engine.bulk(body=body, index=ALIAS, params={"refresh": refresh})


def _recall(engine: OpenSearch, number: int) -> None:
    namespace = f"n{number % 100}"
    header = {"index": ALIAS, "routing": f"t/{namespace}"}
    within = [{"term": {"tenant": "t"}}, {"term": {"namespace": namespace}}]
    near = {"vector": _vector(number), "k": 100, "filter": {"bool": {"filter": within}}}
    text = {"bool": {"must": {"match": {"text": note(number)}}, "filter": within}}
    fetched = {"size": 100, "_source": {"excludes": ["vector"]}}
    body = [
        header,
        {"query": text, **fetched},
        header,
        {"query": {"knn": {"vector": near}}, **fetched},
    ]
    for response in engine.msearch(body=body)["responses"]:
        found = {hit["_source"]["id"] for hit in response["hits"]["hits"]}
        assert str(number) in found, f"{number} was stored and not found"


def _vector(seed: int) -> list[float]:
    vector = np.random.default_rng(seed).standard_normal(384)
    unit: list[float] = (vector / np.linalg.norm(vector)).round(6).tolist()
    return unit


if __name__ == "__main__":
    main()
