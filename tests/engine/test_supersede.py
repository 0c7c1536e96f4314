"""The newer fact is recalled, the older one kept: told by subject or by name, never guessed."""

from collections.abc import Callable
from functools import partial
from time import time
from typing import Any

import pytest

from cross_session import remember as remembering
from cross_session.adapters import memory_index
from cross_session.domain.memory import Memory
from cross_session.domain.selection import Selection
from cross_session.errors import (
    ConflictError,
    EngineUnavailableError,
    InvalidRequestError,
    NotFoundError,
)
from cross_session.forget import forget
from cross_session.recall import recall
from cross_session.remember import Note
from cross_session.supersede import restore
from tests.engine.owner import Owner, at_once

MONDAY, TUESDAY, WEDNESDAY = 1_767_600_000, 1_767_686_400, 1_767_772_800
QUESTION = "Which database does the backend use?"


def database(name: str, event_time: int | None = None, **fields: Any) -> Note:
    return Note(
        content=f"The backend uses {name} as its database",
        subject="backend.database",
        event_time=event_time,
        **fields,
    )


def put_back(owner: Owner, memory: Memory) -> Memory:
    return restore(owner.tenant, owner.namespace, memory.id)


def said(owner: Owner, **selection: Any) -> list[str]:
    """The databases that are recalled, by vector, by words, and listed: always the same ones."""
    recalled = {
        tuple(sorted(owner.recall(QUESTION, routing=routing, **selection)))
        for routing in ("hybrid", "vector", "bm25")
    }
    [contents] = recalled | {tuple(sorted(owner.contents(**selection)))}
    return [content.split()[3] for content in contents]


def test_the_newer_value_of_a_subject_takes_the_older_ones_place(owner: Owner) -> None:
    [mongodb] = owner.remember(database("MongoDB", MONDAY))
    [postgresql] = owner.remember(database("PostgreSQL", TUESDAY))

    assert said(owner) == ["PostgreSQL"]
    older = owner.get(mongodb.id)
    assert (older.superseded_by, older.superseded_kind) == (postgresql.id, "subject")
    assert older.valid_until == TUESDAY
    assert owner.get(postgresql.id) == postgresql


def test_the_past_can_be_read(owner: Owner) -> None:
    owner.remember(database("MongoDB", MONDAY))
    owner.remember(database("PostgreSQL", TUESDAY))

    times = [MONDAY - 1, MONDAY, TUESDAY - 1, TUESDAY, WEDNESDAY]

    assert [said(owner, as_of=at) for at in times if at >= MONDAY] == [
        ["MongoDB"],
        ["MongoDB"],
        ["PostgreSQL"],
        ["PostgreSQL"],
    ]
    assert owner.contents(as_of=MONDAY - 1) == []


@pytest.mark.parametrize("order", ["ABC", "ACB", "BAC", "BCA", "CAB", "CBA"])
def test_in_whatever_order_values_are_told_the_one_that_holds_longest_is_current(
    owner: Owner, order: str
) -> None:
    day = {"A": MONDAY, "B": TUESDAY, "C": WEDNESDAY}

    for name in order:
        owner.remember(database(name, day[name]))

    assert said(owner) == ["C"]
    assert [said(owner, as_of=at) for at in day.values()] == [["A"], ["B"], ["C"]]


def test_values_that_are_stored_together_take_each_others_place_in_order(owner: Owner) -> None:
    owner.remember(database("SQLite"), database("MongoDB"), database("PostgreSQL"))

    assert said(owner) == ["PostgreSQL"]


def test_a_subject_is_one_of_its_namespace_alone(owner: Owner) -> None:
    beside = owner.beside("user-ann")
    owner.remember(database("MongoDB", MONDAY))

    beside.remember(database("PostgreSQL", TUESDAY))
    owner.remember(Note(content="The frontend uses Vue", subject="frontend.framework"))
    owner.remember("The backend uses Redis as its cache")

    assert owner.contents(subject="backend.database") == [
        "The backend uses MongoDB as its database"
    ]
    assert len(owner.listed()) == 3


def test_a_named_memory_is_superseded_by_what_names_it(owner: Owner) -> None:
    [old] = owner.remember("The backend uses MongoDB as its database")

    [new] = owner.remember(
        Note(content="The backend uses PostgreSQL as its database", supersedes=old.id)
    )

    assert said(owner) == ["PostgreSQL"]
    older = owner.get(old.id)
    assert (older.superseded_by, older.superseded_kind) == (new.id, "supersedes")
    assert owner.get(new.id).superseded_by is None


def test_what_is_named_must_be_there(owner: Owner) -> None:
    owner.beside("user-ann").remember(Note(id="theirs", content="Private"))

    for missing in ("theirs", "absent"):
        with pytest.raises(InvalidRequestError, match="supersedes"):
            owner.remember(Note(content="Newer", supersedes=missing))

    assert owner.listed() == []


def test_a_batch_may_name_what_it_brings_itself(owner: Owner) -> None:
    owner.remember(
        Note(id="one", content="The backend uses MongoDB"),
        Note(id="two", content="The backend uses PostgreSQL", supersedes="one"),
    )

    assert owner.contents() == ["The backend uses PostgreSQL"]


def test_a_repeated_store_changes_nothing_more(owner: Owner) -> None:
    [old] = owner.remember(database("MongoDB"))
    note = database("PostgreSQL", supersedes=old.id)
    first = owner.remember(note)

    again = owner.remember(note)

    assert [memory.id for memory in again] == [memory.id for memory in first]
    assert said(owner) == ["PostgreSQL"]
    assert owner.get(old.id).superseded_by == first[0].id


def test_a_repeated_batch_changes_nothing_more(owner: Owner) -> None:
    batch = [database("SQLite"), database("MongoDB"), database("PostgreSQL")]
    first = owner.remember(*batch)

    again = owner.remember(*batch)

    assert [memory.id for memory in again] == [memory.id for memory in first]
    assert said(owner) == ["PostgreSQL"]


def test_an_older_value_said_again_is_news(owner: Owner) -> None:
    ids = [owner.remember(database(name))[0].id for name in ("A", "B", "A", "A", "B", "A")]

    assert said(owner) == ["A"]
    assert len(set(ids)) == 5  # the third A in a row was a repeat
    assert ids[2] == ids[3]


def test_a_switch_may_be_turned_any_number_of_times(owner: Owner) -> None:
    for number in range(24):
        owner.remember(database("on" if number % 2 else "off"))

    assert said(owner) == ["on"]


def test_a_value_that_was_replaced_by_name_stays_so_when_it_is_repeated(owner: Owner) -> None:
    [old] = owner.remember("The backend uses MongoDB as its database")
    owner.remember(Note(content="The backend uses PostgreSQL as its database", supersedes=old.id))

    repeated = remembering.remember(owner.tenant, owner.namespace, [Note(content=old.content)])

    assert said(owner) == ["PostgreSQL"]
    assert repeated.memories[0].id == old.id
    assert any(old.id in warning for warning in repeated.warnings)


def test_of_values_stored_at_once_one_is_current_and_all_are_kept(owner: Owner) -> None:
    names = ["A", "B", "C", "D", "E", "F"]
    notes = [database(name, MONDAY + index) for index, name in enumerate(names)]

    answers = at_once([partial(owner.remember, note) for note in notes])

    assert not any(isinstance(answer, Exception) for answer in answers), answers
    assert said(owner) == ["F"]
    assert [said(owner, as_of=MONDAY + index) for index in range(6)] == [[name] for name in names]


@pytest.mark.parametrize("step", ["settle", "supersede"])
def test_a_store_that_is_cut_off_is_completed_by_its_repeat(
    owner: Owner, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    [old] = owner.remember(database("MongoDB", MONDAY))
    note = database("PostgreSQL", TUESDAY, supersedes=old.id)

    def cut_off(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(remembering, step, cut_off)
    with pytest.raises(KeyboardInterrupt):
        owner.remember(note)
    monkeypatch.undo()
    meanwhile = recall(
        owner.tenant, owner.namespace, QUESTION, limit=9, selection=Selection()
    ).ranked

    owner.remember(note)

    assert [one.memory.content.split()[3] for one in meanwhile] == ["PostgreSQL"]
    assert said(owner) == ["PostgreSQL"]
    assert owner.get(old.id).superseded_by is not None


def test_the_next_value_completes_what_a_store_left_undone(
    owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner.remember(database("A", MONDAY))
    monkeypatch.setattr(remembering, "settle", lambda *_: None)
    owner.remember(database("B", TUESDAY))
    monkeypatch.undo()

    owner.remember(database("C", WEDNESDAY))

    assert said(owner) == ["C"]
    assert [said(owner, as_of=at) for at in (MONDAY, TUESDAY, WEDNESDAY)] == [["A"], ["B"], ["C"]]


def test_an_older_value_does_not_come_back_when_the_newer_one_is_forgotten(owner: Owner) -> None:
    [old] = owner.remember(database("MongoDB", MONDAY))
    [new] = owner.remember(database("PostgreSQL", TUESDAY))

    forget(owner.tenant, owner.namespace, Selection(ids=(new.id,)))

    assert said(owner, as_of=MONDAY) == ["MongoDB"]
    assert owner.listed() == []
    assert put_back(owner, old).superseded_by is None
    assert said(owner) == ["MongoDB"]


@pytest.mark.parametrize("how", ["subject", "name"])
def test_a_restored_value_takes_its_place_back_and_can_be_undone_again(
    owner: Owner, how: str
) -> None:
    [old] = owner.remember(database("MongoDB", MONDAY))
    newer = database("PostgreSQL", TUESDAY)
    if how == "name":
        newer = Note(content=newer.content, event_time=TUESDAY, supersedes=old.id)
    [new] = owner.remember(newer)

    restored = put_back(owner, old)

    assert restored == old
    assert said(owner) == ["MongoDB"]
    assert said(owner, as_of=WEDNESDAY) == ["MongoDB"]
    undone = owner.get(new.id)
    assert (undone.superseded_by, undone.superseded_kind) == (old.id, "restoration")

    assert put_back(owner, new) == new
    assert said(owner) == ["PostgreSQL"]
    assert [said(owner, as_of=at) for at in (MONDAY, WEDNESDAY)] == [["MongoDB"], ["PostgreSQL"]]


def test_restoring_a_value_undoes_all_that_came_after_it(owner: Owner) -> None:
    [first], _, _ = (
        owner.remember(database(name, day))
        for name, day in (("A", MONDAY), ("B", TUESDAY), ("C", WEDNESDAY))
    )

    put_back(owner, first)
    assert said(owner) == ["A"]

    owner.remember(database("D", WEDNESDAY + 1))
    assert said(owner) == ["D"]
    assert said(owner, as_of=WEDNESDAY) == ["A"]


def test_a_restored_value_takes_its_place_back_though_a_link_was_forgotten(owner: Owner) -> None:
    [first], [second], _ = (
        owner.remember(database(name, day))
        for name, day in (("A", MONDAY), ("B", TUESDAY), ("C", WEDNESDAY))
    )
    forget(owner.tenant, owner.namespace, Selection(ids=(second.id,)))

    put_back(owner, first)

    assert said(owner) == ["A"]


def test_a_restore_that_is_cut_off_is_completed_by_its_repeat(
    owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    [old] = owner.remember(database("MongoDB", MONDAY))
    owner.remember(database("PostgreSQL", TUESDAY))
    write = memory_index.relink

    def first_alone(tenant: str, namespace: str, moved: Any) -> None:
        write(tenant, namespace, moved[:1])
        raise EngineUnavailableError("cut off")

    monkeypatch.setattr(memory_index, "relink", first_alone)
    with pytest.raises(EngineUnavailableError):
        put_back(owner, old)
    monkeypatch.undo()

    put_back(owner, old)

    assert said(owner) == ["MongoDB"]


def test_there_is_nothing_to_restore_where_nothing_was_superseded(
    owner: Owner, new_owner: Callable[[], Owner]
) -> None:
    [mine] = owner.remember("Mine")
    [theirs] = new_owner().remember("Theirs")

    with pytest.raises(ConflictError):
        put_back(owner, mine)
    with pytest.raises(NotFoundError):
        put_back(owner, theirs)


def test_all_that_was_superseded_is_listed_the_last_first(owner: Owner) -> None:
    stored = [owner.remember(database(name))[0] for name in ("A", "B", "C")]

    found, count = memory_index.superseded(
        owner.tenant, owner.namespace, limit=1, offset=0, now=int(time())
    )

    assert ([memory.id for memory in found], count) == ([stored[1].id], 2)
    assert count + len(owner.listed()) == len(stored)
