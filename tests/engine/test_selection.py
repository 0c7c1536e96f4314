"""A selection selects the same with the index as without it."""

from collections.abc import Callable
from typing import Any

import pytest

from cross_session.domain.selection import MAX_TERM_BYTES, Selection
from tests.engine.owner import Owner, anywhere

DAY = 86_400

MEMORIES: dict[str, dict[str, Any]] = {
    "plain": {},
    "typed": {"memory_type": "semantic", "importance": 0.9},
    "edge": {"importance": 0.3, "event_time": 10 * DAY, "created_at": 20 * DAY},
    "tagged": {"tags": ["x"], "session_id": "s1"},
    "tagged-twice": {"tags": ["x", "y"], "session_id": "s2"},
    "numbers": {"metadata": {"n": 5, "deep": {"n": 5.0, "list": [1, 2.0, "2"]}}},
    "text": {"metadata": {"n": "5", "name": "Überblick", "flag": True, "none": None}},
    "dotted": {"metadata": {"deep.n": 5}},
    "lists": {"metadata": {"list": [{"a": 1, "b": 2}, [3, [4]]]}},
    "long": {"metadata": {"name": "x" * (MAX_TERM_BYTES + 1), "n": 5}},
    "float": {"metadata": {"n": 0.1, "big": 2**60}},
}

SELECTIONS = [
    Selection(),
    Selection(ids=("plain", "absent")),
    Selection(memory_type="semantic"),
    Selection(memory_type="working"),
    Selection(min_importance=0.3),
    Selection(max_importance=0.3),
    Selection(min_importance=0.31, max_importance=0.9),
    Selection(any_tags=("x",)),
    Selection(any_tags=("y", "z")),
    Selection(all_tags=("x", "y")),
    Selection(all_tags=("x", "z")),
    Selection(any_tags=("x",), all_tags=("y",)),
    Selection(session_id="s1"),
    Selection(session_id="S1"),
    Selection(since=10 * DAY),
    Selection(until=10 * DAY),
    Selection(since=10 * DAY, until=10 * DAY + 1),
    Selection(created_after=20 * DAY, created_before=20 * DAY + 1),
    Selection(created_before=20 * DAY),
    Selection(metadata={"n": 5}),
    Selection(metadata={"n": 5.0}),
    Selection(metadata={"n": "5"}),
    Selection(metadata={"n": 0.1}),
    Selection(metadata={"big": 2**60}),
    Selection(metadata={"deep": {"n": 5}}),
    Selection(metadata={"deep.n": 5}),
    Selection(metadata={"deep": {"list": [2, "2"]}}),
    Selection(metadata={"deep": {"list": [2, "3"]}}),
    Selection(metadata={"list": {"a": 1}}),
    Selection(metadata={"list": [3, 4]}),
    Selection(metadata={"name": "Überblick", "flag": True}),
    Selection(metadata={"flag": 1}),
    Selection(metadata={"none": None}),
    Selection(metadata={"empty": {}}),
    Selection(metadata={"absent": []}),
    Selection(ids=("numbers", "tagged"), metadata={"n": 5}),
    Selection(session_id="s2", any_tags=("x",), min_importance=0.5, since=0),
]


@pytest.fixture(scope="module")
def stocked(new_owner: Callable[[], Owner]) -> Owner:
    owner = new_owner()
    for id, fields in MEMORIES.items():
        [_] = owner.place(anywhere(1), ids=id, **{"id": id, **fields})
    return owner


@pytest.mark.parametrize("selection", SELECTIONS, ids=str)
def test_the_index_and_the_rule_select_the_same(stocked: Owner, selection: Selection) -> None:
    by_index = {memory.id for memory in stocked.selected(selection)}

    by_rule = {memory.id for memory in stocked.listed() if selection.selects(memory)}

    assert by_rule == by_index


def test_the_selections_here_tell_memories_apart(stocked: Owner) -> None:
    counts = {len(stocked.selected(selection)) for selection in SELECTIONS}

    assert {0, 1, len(MEMORIES)} < counts
