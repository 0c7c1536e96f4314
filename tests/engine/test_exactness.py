"""What goes in comes out, to the byte."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cross_session.remember import Note
from cross_session.revise import revise
from tests.engine.owner import Owner

UNUSUAL = [
    "\0",
    "\ufeff",
    "\u202e",
    "e\u0301",
    "\U0001f469\u200d\U0001f469",
    "שלום",
    "\r\n",
    "\x7f",
]
texts = st.lists(
    st.sampled_from(UNUSUAL) | st.text(st.characters(exclude_categories=["Cs"])), max_size=8
).map("".join)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=-(10**60), max_value=10**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)

brief = settings(max_examples=60, deadline=None, database=None)


@pytest.fixture(scope="module")
def shared(new_owner: Callable[[], Owner]) -> Owner:
    """One owner for all the examples of a test."""
    return new_owner()


@brief
@given(content=texts.filter(bool), revised=texts.filter(bool))
@example(content="\0", revised="a\0b")
@example(content="\U0010ffff\ufffe\uffff", revised=" leading and trailing \n")
@example(content="0123456789" * 10_000, revised="é" * 50_000)
@example(content='{"a": "\\u0000"}', revised="\\ud83d\\ude00")
def test_content_comes_back_exactly(shared: Owner, content: str, revised: str) -> None:
    [memory] = shared.remember(content)
    read = shared.get(memory.id).content
    revise(shared.tenant, shared.namespace, memory.id, {"importance": 0.123456789})
    rewritten = shared.get(memory.id).content
    revise(shared.tenant, shared.namespace, memory.id, {"content": revised})
    changed = shared.contents(ids=(memory.id,))

    assert (read, rewritten, changed) == (content, content, [revised])


@brief
@given(metadata=st.dictionaries(texts, json_values, max_size=6))
@example(metadata={"big": 2**200, "small": -(2**63) - 1, "float": 1e-320, "zero": -0.0})
@example(metadata={"one": 1, "one.0": 1.0, "true": True, "exact": 0.1 + 0.2})
@example(metadata={"": {"": [[], {}, [None]]}, ".": 1, "a.b": {"c.d": 2}, "a": {"b": "x"}})
@example(metadata={"long": "x" * 30_000, "\0": "\0"})
@example(metadata={"deep": [[[[{"a": [{"b": {}}]}]]]]})
def test_metadata_comes_back_exactly(shared: Owner, metadata: dict[str, Any]) -> None:
    [stored] = shared.remember(Note(id="exact", content="anything", metadata=metadata))

    read = [stored, shared.get("exact"), *shared.listed(ids=("exact",))]

    assert [json.dumps(memory.metadata) for memory in read] == [json.dumps(metadata)] * 3


@brief
@given(
    importance=st.floats(min_value=0, max_value=1),
    event_time=st.integers(min_value=-62_135_596_800, max_value=253_402_300_799),
    tags=st.lists(texts.filter(bool).map(lambda tag: tag[:256]), max_size=5),
)
def test_numbers_and_tags_come_back_exactly(
    shared: Owner, importance: float, event_time: int, tags: list[str]
) -> None:
    note = Note(
        id="exact", content="anything", importance=importance, event_time=event_time, tags=tags
    )

    [stored] = shared.remember(note)

    for memory in (stored, shared.get("exact"), *shared.listed(ids=("exact",))):
        assert (memory.importance, memory.event_time, memory.tags) == (importance, event_time, tags)
