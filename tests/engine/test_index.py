"""The index as it was made: strict, routed, behind its alias."""

import uuid
from typing import Any

import pytest
from opensearchpy import OpenSearch
from opensearchpy.exceptions import RequestError

from cross_session.adapters import memory_index
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


def test_making_the_index_again_leaves_it_as_it_is(owner: Owner) -> None:
    [memory] = owner.remember("anything")

    memory_index.create_index()

    assert owner.listed() == [memory]


def test_an_index_that_several_make_at_once_is_made_once(
    opensearch: OpenSearch, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"made-at-once-{uuid.uuid4().hex[:12]}"
    monkeypatch.setattr(memory_index, "INDEX", f"{name}-v1")
    monkeypatch.setattr(memory_index, "ALIAS", name)

    answers = at_once([memory_index.create_index] * 4)

    made = opensearch.indices.exists_alias(name=name)
    opensearch.indices.delete(index=f"{name}-v1")
    assert made
    assert answers == [None] * 4
