"""The index: made at its first use, strict, routed, behind its alias."""

import uuid
from collections.abc import Callable, Iterator
from functools import partial
from time import time
from typing import Any

import pytest
from opensearchpy import OpenSearch
from opensearchpy.exceptions import NotFoundError as EngineNotFoundError
from opensearchpy.exceptions import RequestError

from cross_session.adapters import index_schema, memory_index
from cross_session.domain.selection import Selection
from cross_session.errors import EngineUnavailableError, NotFoundError
from cross_session.forget import forget, forget_expired
from tests.engine.owner import Owner, at_once


def document(owner: Owner, opensearch: OpenSearch) -> dict[str, Any]:
    owner.remember("anything")
    query = {"query": {"term": {"tenant": owner.tenant}}}
    [hit] = opensearch.search(index="memories", body=query)["hits"]["hits"]
    source: dict[str, Any] = hit["_source"]
    return source


def test_a_document_with_an_unknown_field_is_refused(owner: Owner, opensearch: OpenSearch) -> None:
    body = document(owner, opensearch) | {"surprise": 1}

    with pytest.raises(RequestError, match="strict_dynamic_mapping_exception"):
        opensearch.index(index="memories", body=body, params={"routing": "x"})


def test_a_document_without_a_routing_is_refused(owner: Owner, opensearch: OpenSearch) -> None:
    body = document(owner, opensearch)

    with pytest.raises(RequestError, match="routing_missing_exception"):
        opensearch.index(index="memories", id="unrouted", body=body)


def test_a_vector_of_another_length_is_refused(owner: Owner, opensearch: OpenSearch) -> None:
    body = document(owner, opensearch) | {"vector": [1.0] * 383}

    with pytest.raises(RequestError):
        opensearch.index(index="memories", body=body, params={"routing": "x"})


@pytest.fixture
def no_index(opensearch: OpenSearch, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An alias that nobody has used yet, which the service takes for its own.

    The engine makes missing indexes by itself meanwhile, as it does unless it is told not to.
    """
    alias = f"unused-{uuid.uuid4().hex[:12]}"
    monkeypatch.setattr(index_schema, "ALIAS", alias)
    monkeypatch.setattr(memory_index, "ALIAS", alias)
    guessing = "action.auto_create_index"
    opensearch.cluster.put_settings(body={"transient": {guessing: "true"}})
    yield alias
    opensearch.cluster.put_settings(body={"transient": {guessing: None}})
    for name in indexes(opensearch, alias):
        opensearch.indices.delete(index=name)


def indexes(opensearch: OpenSearch, alias: str) -> list[str]:
    return list(opensearch.indices.get(index=f"{alias}*"))


def test_the_first_store_makes_the_index_behind_its_alias(
    no_index: str, owner: Owner, opensearch: OpenSearch
) -> None:
    [memory] = owner.remember("The first of all")

    assert owner.listed() == [memory]
    assert owner.recall("first") == ["The first of all"]
    [(name, made)] = opensearch.indices.get(index=no_index).items()
    assert name == f"{no_index}-v{index_schema.VERSION}-000001"
    assert made["aliases"] == {no_index: {"is_write_index": True}}
    assert made["mappings"]["dynamic"] == "strict"
    assert indexes(opensearch, no_index) == [name]


@pytest.fixture
def shard_away(no_index: str, opensearch: OpenSearch) -> None:
    """An index of two shards, only one of which finds a node."""
    definition = index_schema.definition(shards=2, replicas=0)
    definition["settings"]["index"]["routing.allocation.total_shards_per_node"] = 1
    definition["aliases"] = {no_index: {"is_write_index": True}}
    opensearch.indices.create(
        index=f"{no_index}-v0-000001", body=definition, params={"wait_for_active_shards": 0}
    )
    opensearch.cluster.health(index=no_index, params={"wait_for_no_initializing_shards": "true"})


@pytest.mark.usefixtures("shard_away")
def test_what_some_of_the_shards_hold_is_not_taken_for_all(owner: Owner) -> None:
    with pytest.raises(EngineUnavailableError):
        memory_index.namespaces_of(owner.tenant, "mem_1")
    with pytest.raises(EngineUnavailableError):
        memory_index.counts(owner.tenant, [owner.namespace], now=int(time()))
    with pytest.raises(EngineUnavailableError):
        forget_expired()


READS: dict[str, tuple[Callable[[Owner], object], object]] = {
    "recall": (lambda owner: owner.recall("anything"), []),
    "list": (lambda owner: owner.contents(), []),
    "count": (lambda owner: _statistics(owner).total, 0),
    "types": (lambda owner: _statistics(owner).by_type, {}),
    "namespaces": (lambda owner: memory_index.namespaces_of(owner.tenant, "mem_1"), []),
    "forget": (
        lambda owner: forget(owner.tenant, owner.namespace, Selection(session_id="s1")),
        0,
    ),
    "expire": (lambda owner: forget_expired(), 0),  # noqa: ARG005
}


def _statistics(owner: Owner) -> memory_index.Statistics:
    return memory_index.statistics(owner.tenant, owner.namespace, now=int(time()))


@pytest.mark.parametrize("read", READS)
def test_before_the_first_store_every_namespace_is_empty(
    no_index: str, owner: Owner, read: str
) -> None:
    assert no_index
    call, nothing = READS[read]

    assert call(owner) == nothing


def test_before_the_first_store_no_memory_is_found_by_its_id(no_index: str, owner: Owner) -> None:
    assert no_index
    with pytest.raises(NotFoundError):
        owner.get("mem_1")


def test_making_the_index_again_leaves_it_as_it_is(owner: Owner) -> None:
    [memory] = owner.remember("anything")

    memory_index.create_index()

    assert owner.listed() == [memory]


def test_of_several_first_stores_at_once_none_is_lost(
    no_index: str, owner: Owner, opensearch: OpenSearch
) -> None:
    texts = [f"One of the first stores, number {number}" for number in range(4)]

    answers = at_once([partial(owner.remember, text) for text in texts])

    assert not [answer for answer in answers if isinstance(answer, Exception)]
    assert sorted(owner.contents()) == texts
    assert len(indexes(opensearch, no_index)) == 1


def test_memories_whose_alias_is_gone_are_not_hidden_behind_a_new_index(
    no_index: str, owner: Owner, opensearch: OpenSearch
) -> None:
    owner.remember("Still there")
    [name] = indexes(opensearch, no_index)
    opensearch.indices.delete_alias(index=name, name=no_index)

    with pytest.raises(EngineNotFoundError):
        owner.remember("Would be alone")
    with pytest.raises(EngineNotFoundError):
        owner.listed()

    opensearch.indices.put_alias(index=name, name=no_index)
    assert owner.contents() == ["Still there"]
