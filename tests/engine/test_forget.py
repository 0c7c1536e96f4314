"""Memories removed for good: those that were meant, and counted right."""

from functools import partial
from typing import Any

import pytest

from cross_session.adapters import memory_index
from cross_session.domain.selection import Selection
from cross_session.errors import InvalidRequestError, NotFoundError
from cross_session.forget import forget
from cross_session.remember import Note
from cross_session.revise import revise
from tests.engine.owner import Owner, anywhere, at_once


def drop(owner: Owner, **selection: Any) -> int:
    return forget(owner.tenant, owner.namespace, Selection(**selection))


@pytest.fixture
def stocked(owner: Owner) -> Owner:
    """Five memories, `a` to `e`, by twos in the sessions s1 and s2, one in none."""
    owner.start("s1")
    owner.start("s2")
    owner.remember(
        Note(content="a", id="a", session_id="s1", tags=["x"], importance=0.1, event_time=100),
        Note(content="b", id="b", session_id="s1", tags=["x", "y"], metadata={"k": {"l": 1}}),
        Note(content="c", id="c", session_id="s2", tags=["y"], memory_type="semantic"),
        Note(content="d", id="d", session_id="s2", importance=0.9, event_time=200),
        Note(content="e", id="e", metadata={"k": {"l": "1"}}, memory_type="working"),
    )
    return owner


@pytest.mark.parametrize(
    ("selection", "forgotten"),
    [
        ({"ids": ("a", "c", "absent")}, "ac"),
        ({"ids": ("absent",)}, ""),
        ({"any_tags": ("x",)}, "ab"),
        ({"any_tags": ("x", "y")}, "abc"),
        ({"all_tags": ("x", "y")}, "b"),
        ({"session_id": "s2"}, "cd"),
        ({"memory_type": "episodic"}, "abd"),
        ({"min_importance": 0.9}, "d"),
        ({"max_importance": 0.1}, "a"),
        ({"since": 100, "until": 200}, "a"),
        ({"until": 201}, "ad"),
        ({"created_before": 1}, ""),
        ({"created_after": 1}, "abcde"),
        ({"metadata": {"k.l": 1}}, "b"),
        ({"ids": ("a", "b", "c"), "any_tags": ("y",)}, "bc"),
        ({"any_tags": ("y",), "session_id": "s1"}, "b"),
        ({"ids": ("a",), "session_id": "s2"}, ""),
        ({"session_id": "s1", "any_tags": ("x",), "created_before": 2**40, "ids": ("a",)}, "a"),
    ],
    ids=str,
)
def test_what_fits_every_selector_is_forgotten_and_nothing_else(
    stocked: Owner, selection: dict[str, Any], forgotten: str
) -> None:
    count = drop(stocked, **selection)

    assert count == len(forgotten)
    assert sorted(stocked.contents()) == sorted(set("abcde") - set(forgotten))
    counts = [stocked.session(id).memory_count for id in ("s1", "s2")]
    assert counts == [2 - sum(id in forgotten for id in pair) for pair in ("ab", "cd")]


def test_created_before_is_exclusive(owner: Owner) -> None:
    owner.place(anywhere(2), ids="old", created_at=99)
    owner.place(anywhere(1), ids="new", created_at=100)

    assert drop(owner, created_before=100) == 2
    assert [memory.id for memory in owner.listed()] == ["new_0"]


def test_a_forgotten_memory_is_gone_from_every_read(stocked: Owner) -> None:
    drop(stocked, ids=("a",))

    with pytest.raises(NotFoundError):
        stocked.get("a")
    assert "a" not in stocked.recall("a")
    assert memory_index.namespaces_of(stocked.tenant, "a") == []


def test_forgetting_twice_forgets_once(stocked: Owner) -> None:
    assert [drop(stocked, session_id="s1") for _ in range(2)] == [2, 0]
    assert stocked.session("s1").memory_count == 0


def test_an_empty_selection_is_refused(stocked: Owner) -> None:
    with pytest.raises(InvalidRequestError, match="memory_ids"):
        drop(stocked)
    with pytest.raises(InvalidRequestError):
        drop(stocked, ids=(), any_tags=(), metadata={})

    assert len(stocked.listed()) == 5


def test_another_namespaces_memories_and_counts_are_untouched(stocked: Owner) -> None:
    other = stocked.beside("user-eve")
    other.remember(Note(content="a", id="a", session_id="s1", tags=["x"]))

    assert drop(other, session_id="s1") == 1

    assert len(stocked.listed()) == 5
    assert stocked.session("s1").memory_count == 2


def test_a_superseded_memory_is_forgotten_too(stocked: Owner) -> None:
    revise(stocked.tenant, stocked.namespace, "a", {"superseded_by": "b"})

    assert drop(stocked, any_tags=("x",)) == 2

    with pytest.raises(NotFoundError):
        stocked.get("a")


def test_a_forgotten_note_can_be_stored_anew(stocked: Owner) -> None:
    drop(stocked, ids=("a",))

    stocked.remember(Note(content="a", id="a", session_id="s1"))

    assert stocked.get("a").tags == []
    assert stocked.session("s1").memory_count == 2


def test_2500_memories_are_forgotten_in_one_call(owner: Owner) -> None:
    vectors = anywhere(2_500)
    for start in range(0, 2_500, 500):
        owner.place(vectors[start : start + 500], ids=f"mem_{start}", tags=["bulk"])
    owner.place(anywhere(1), ids="other")

    assert drop(owner, any_tags=("bulk",)) == 2_500

    assert [memory.id for memory in owner.listed()] == ["other_0"]


def test_forgetting_by_several_at_once_counts_each_memory_once(owner: Owner) -> None:
    owner.start("s1")
    owner.remember(*(Note(content=f"note {number}", session_id="s1") for number in range(100)))

    answers = at_once([partial(drop, owner, session_id="s1")] * 4)

    counts = [answer for answer in answers if isinstance(answer, int)]
    assert (len(counts), sum(counts)) == (4, 100)
    assert owner.listed() == []
    assert owner.session("s1").memory_count == 0
