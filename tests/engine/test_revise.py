"""A memory changed where it stands, by one or by many."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from cross_session.adapters import memory_index
from cross_session.domain.memory import Memory
from cross_session.domain.selection import Selection
from cross_session.errors import ConflictError, NotFoundError
from cross_session.forget import forget
from cross_session.remember import Note
from cross_session.revise import revise
from tests.engine.owner import Owner, at_once

CELLO = "She plays the cello in an orchestra"
RISOTTO = "Her favourite dish is mushroom risotto"


def change(owner: Owner, memory: Memory, **changes: Any) -> Memory:
    return revise(owner.tenant, owner.namespace, memory.id, changes)


def test_new_content_is_found_by_its_meaning_and_words_and_no_longer_by_the_old(
    owner: Owner,
) -> None:
    [memory, other] = owner.remember(CELLO, "The train to Lisbon leaves on Friday")

    change(owner, memory, content=RISOTTO)

    assert owner.recall("What does she like to eat?", routing="vector", limit=1) == [RISOTTO]
    assert owner.recall("mushroom", routing="bm25") == [RISOTTO]
    assert owner.recall("cello orchestra", routing="bm25") == []
    assert owner.contents() == [other.content, RISOTTO]


def test_only_the_given_fields_change(owner: Owner) -> None:
    note = Note(content=CELLO, importance=0.7, tags=["music"], session_id="s1", metadata={"a": 1})
    [memory] = owner.remember(note)

    revised = change(owner, memory, importance=0.1)

    assert revised == replace(memory, importance=0.1, updated_at=revised.updated_at)
    assert owner.get(memory.id) == revised
    assert owner.listed() == [revised]


def test_a_memory_is_still_found_by_its_meaning_after_other_fields_changed(owner: Owner) -> None:
    [memory] = owner.remember(CELLO)
    [before] = owner.recalled("musical instrument", routing="vector")

    change(owner, memory, importance=0.9, tags=["music"])

    [after] = owner.recalled("musical instrument", routing="vector", min_importance=0.9)
    assert after.candidate.cosine == before.candidate.cosine


def test_metadata_and_tags_are_replaced_not_merged(owner: Owner) -> None:
    [memory] = owner.remember(
        Note(content=CELLO, metadata={"a": 1, "b": {"c": 2, "d": 3}}, tags=["x", "y"])
    )

    change(owner, memory, metadata={"b": {"c": 4}}, tags=["z"])

    assert owner.get(memory.id).metadata == {"b": {"c": 4}}
    assert owner.contents(metadata={"b.c": 4}, any_tags=("z",)) == [CELLO]
    assert owner.contents(metadata={"a": 1}) == []
    assert owner.contents(metadata={"b.d": 3}) == []
    assert owner.contents(any_tags=("x",)) == []


def test_metadata_and_tags_can_be_emptied(owner: Owner) -> None:
    [memory] = owner.remember(Note(content=CELLO, metadata={"a": 1}, tags=["x"]))

    change(owner, memory, metadata={}, tags=[])

    revised = owner.get(memory.id)
    assert (revised.metadata, revised.tags) == ({}, [])
    assert owner.contents(metadata={"a": 1}) == owner.contents(any_tags=("x",)) == []


def test_a_superseded_memory_can_be_brought_back(owner: Owner) -> None:
    [memory] = owner.remember(CELLO)
    change(owner, memory, superseded_by="mem_other")
    assert owner.recall("cello") == []

    change(owner, memory, superseded_by=None)

    assert owner.recall("cello") == [CELLO]


def test_an_absent_or_anothers_memory_cannot_be_revised(
    owner: Owner, new_owner: Callable[[], Owner]
) -> None:
    [memory] = owner.remember(CELLO)

    for stranger in (owner.beside("user-eve"), new_owner()):
        with pytest.raises(NotFoundError):
            change(stranger, memory, content=RISOTTO)

    assert owner.listed() == [memory]


@pytest.mark.parametrize("repetition", range(3))
def test_six_that_revise_different_fields_at_once_lose_no_change(
    owner: Owner, repetition: int
) -> None:
    [memory] = owner.remember(Note(content=CELLO, importance=0.0))
    changes: list[dict[str, Any]] = [
        {"content": RISOTTO},
        {"importance": 1.0},
        {"tags": ["new"]},
        {"metadata": {"new": repetition}},
        {"memory_type": "semantic"},
        {"event_time": 42},
    ]

    answers = at_once(partial(change, owner, memory, **each) for each in changes)

    standing = owner.get(memory.id)
    refused = [answer for answer in answers if isinstance(answer, Exception)]
    assert all(isinstance(error, ConflictError) for error in refused)
    for each, answer in zip(changes, answers, strict=True):
        [(field, value)] = each.items()
        assert (getattr(standing, field) == value) != isinstance(answer, ConflictError)
    assert owner.listed() == [standing]


def test_a_write_over_a_version_that_is_no_longer_the_last_is_refused(owner: Owner) -> None:
    [memory] = owner.remember(CELLO)
    read = memory_index.get(owner.tenant, owner.namespace, memory.id, now=0)
    revised = change(owner, memory, importance=0.9)

    with pytest.raises(ConflictError):
        memory_index.replace(read, replace(memory, importance=0.1), None)

    assert owner.listed() == [revised]


def test_a_memory_forgotten_meanwhile_is_not_brought_back_by_a_revision(owner: Owner) -> None:
    [memory] = owner.remember(CELLO)
    read = memory_index.get(owner.tenant, owner.namespace, memory.id, now=0)
    forget(owner.tenant, owner.namespace, Selection(ids=(memory.id,)))

    with pytest.raises(ConflictError):
        memory_index.replace(read, replace(memory, importance=0.1), None)
    with pytest.raises(NotFoundError):
        change(owner, memory, importance=0.1)

    assert owner.listed() == []
