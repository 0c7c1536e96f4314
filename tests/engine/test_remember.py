"""Notes become memories exactly once, and can be recalled at once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from time import time
from typing import Any

import pytest

from cross_session.adapters import memory_index
from cross_session.domain.selection import Selection
from cross_session.errors import ConflictError
from cross_session.forget import forget
from cross_session.remember import Note
from cross_session.revise import revise
from tests.engine.owner import Owner, at_once

DECISION = "Decided to use PostgreSQL instead of MongoDB for the project"


def test_a_stored_note_is_recalled_at_once(owner: Owner) -> None:
    for number in range(20):
        [memory] = owner.remember(f"Fact number {number} is about topic {number}")

        found = owner.recalled(f"fact number {number}")

        assert memory in [one.memory for one in found]


def test_every_note_of_a_batch_is_recalled_at_once(owner: Owner) -> None:
    contents = [f"Ticket {1000 + number} belongs to team {number % 7}" for number in range(200)]

    memories = owner.remember(*contents)

    assert [memory.content for memory in memories] == contents
    assert len({memory.id for memory in memories}) == 200
    assert owner.contents() == contents[::-1]
    for number in range(0, 200, 20):
        assert owner.recall(f"ticket {1000 + number}", limit=1) == [contents[number]]


def test_what_is_stored_reads_back_as_it_was_answered(owner: Owner) -> None:
    [memory] = owner.remember(
        Note(
            content=DECISION,
            memory_type="semantic",
            importance=0.85,
            tags=["decision", "backend"],
            session_id="s1",
            metadata={"channel": "web"},
            event_time=1_700_000_000,
            expires_at=int(time()) + 3600,
        )
    )

    assert owner.get(memory.id) == memory
    assert owner.listed() == [memory]
    assert [one.memory for one in owner.recalled("database")] == [memory]


def test_a_note_with_content_alone_is_episodic_of_middle_importance_and_happened_now(
    owner: Owner,
) -> None:
    before = int(time())

    [memory] = owner.remember(DECISION)

    assert (memory.memory_type, memory.importance) == ("episodic", 0.5)
    assert (memory.tags, memory.metadata, memory.session_id) == ([], {}, None)
    assert before <= memory.event_time == memory.created_at == memory.updated_at <= time()


def test_a_repeated_store_is_one_memory(owner: Owner) -> None:
    [first] = owner.remember(DECISION)

    [second] = owner.remember(DECISION)

    assert second == first
    assert owner.listed() == [first]


def test_two_identical_notes_in_one_batch_are_one_memory(owner: Owner) -> None:
    [first, other, second] = owner.remember(DECISION, "Something else", DECISION)

    assert first.id == second.id != other.id
    assert sorted(owner.contents()) == [DECISION, "Something else"]


@pytest.mark.parametrize(
    "another",
    [
        Note(content=DECISION, session_id="s2", event_time=1_700_000_000),
        Note(content=DECISION, event_time=1_700_000_000),
        Note(content=DECISION, session_id="s1", event_time=1_700_000_001),
        Note(content=DECISION, session_id="s1"),
        Note(content=DECISION + ".", session_id="s1", event_time=1_700_000_000),
    ],
    ids=["session", "no session", "event time", "no event time", "content"],
)
def test_a_note_that_differs_in_session_event_time_or_content_is_another_memory(
    owner: Owner, another: Note
) -> None:
    owner.remember(Note(content=DECISION, session_id="s1", event_time=1_700_000_000))

    owner.remember(another)

    assert len(owner.listed()) == 2


def test_the_same_note_in_another_namespace_or_tenant_is_another_memory(
    owner: Owner, new_owner: Callable[[], Owner]
) -> None:
    owners = [owner, owner.beside("user-eve"), new_owner()]

    memories = [one.remember(DECISION)[0] for one in owners]

    assert len({memory.id for memory in memories}) == 3
    assert [one.listed() for one in owners] == [[memory] for memory in memories]


def test_a_repeat_changes_only_the_fields_it_names(owner: Owner) -> None:
    [first] = owner.remember(
        Note(
            content=DECISION, importance=0.9, tags=["db"], metadata={"a": 1}, memory_type="semantic"
        )
    )

    [second] = owner.remember(Note(content=DECISION, tags=["db", "final"]))

    assert second == replace(first, tags=["db", "final"], updated_at=second.updated_at)
    assert owner.get(first.id) == second
    assert owner.contents(min_importance=0.9, any_tags=("final",)) == [DECISION]


def test_a_repeat_counts_once_in_its_session(owner: Owner) -> None:
    owner.start("s1")

    for _ in range(3):
        owner.remember(Note(content=DECISION, session_id="s1"))

    assert owner.session("s1").memory_count == 1


def test_identical_notes_of_one_batch_count_once_in_their_session(owner: Owner) -> None:
    owner.start("s1")
    note = Note(content=DECISION, session_id="s1")

    owner.remember(note, note, Note(content="Another", session_id="s1"))

    assert owner.session("s1").memory_count == 2


def test_the_same_note_stored_by_eight_at_once_is_one_memory(owner: Owner) -> None:
    owner.start("s1")
    note = Note(content=DECISION, session_id="s1", importance=0.7)

    answers = at_once([partial(owner.remember, note)] * 8)

    [standing] = owner.listed()
    assert answers == [[standing]] * 8
    assert owner.session("s1").memory_count == 1


def test_200_notes_stored_by_eight_at_once_are_200_memories(owner: Owner) -> None:
    owner.start("s1")
    notes = [Note(content=f"Observation {number}", session_id="s1") for number in range(200)]

    answers = at_once(partial(owner.remember, *notes[start::8]) for start in range(8))

    assert not [answer for answer in answers if isinstance(answer, Exception)]
    assert sorted(owner.contents()) == sorted(note.content for note in notes)
    assert owner.session("s1").memory_count == 200


def test_overlapping_batches_stored_at_once_leave_each_note_once(owner: Owner) -> None:
    contents = [f"Observation {number}" for number in range(20)]

    answers = at_once(
        partial(owner.remember, *contents[shift:], *contents[:shift]) for shift in range(8)
    )

    assert not [answer for answer in answers if isinstance(answer, Exception)]
    assert sorted(owner.contents()) == sorted(contents)


def test_a_note_whose_memory_was_updated_to_other_content_is_stored_anew(owner: Owner) -> None:
    [former] = owner.remember(DECISION)
    revise(owner.tenant, owner.namespace, former.id, {"content": "We use SQLite after all"})

    [anew] = owner.remember(DECISION)

    assert anew.id != former.id
    assert owner.contents() == [DECISION, "We use SQLite after all"]
    assert owner.remember(DECISION) == [anew]
    assert len(owner.listed()) == 2


def test_a_callers_id_names_the_memory_and_a_later_note_with_it_takes_its_place(
    owner: Owner,
) -> None:
    [first] = owner.remember(Note(id="status", content="The API is in design", importance=0.9))

    [second] = owner.remember(Note(id="status", content="The backend moved to implementation"))

    assert first.id == second.id == "status"
    assert (second.importance, second.created_at) == (0.9, first.created_at)
    assert owner.listed() == [second]
    assert owner.recall("design", routing="bm25") == []
    assert owner.recall("implementation", routing="bm25") == [second.content]


def test_new_content_under_a_callers_id_is_found_by_its_meaning(owner: Owner) -> None:
    owner.remember("The train leaves at noon", Note(id="x", content="She plays the cello"))

    owner.remember(Note(id="x", content="Her favourite dish is mushroom risotto"))

    question = "What does she like to eat?"
    assert owner.recall(question, routing="vector", limit=1) == [
        "Her favourite dish is mushroom risotto"
    ]


def test_the_last_of_several_notes_with_one_callers_id_in_a_batch_stands(owner: Owner) -> None:
    owner.remember(*(Note(id="status", content=f"Phase {number}") for number in range(5)))

    assert owner.contents() == ["Phase 4"]


def test_a_callers_id_may_repeat_in_other_namespaces(
    owner: Owner, new_owner: Callable[[], Owner]
) -> None:
    owners = [owner, owner.beside("user-eve"), new_owner()]

    for number, one in enumerate(owners):
        one.remember(Note(id="status", content=f"Phase {number}"))

    assert [one.get("status").content for one in owners] == ["Phase 0", "Phase 1", "Phase 2"]


def test_a_memory_moved_to_another_session_by_its_callers_id_counts_there(owner: Owner) -> None:
    owner.start("monday")
    owner.start("friday")
    owner.remember(Note(id="status", content="In design", session_id="monday"))

    owner.remember(Note(id="status", content="In review", session_id="friday"))

    counts = [owner.session(id).memory_count for id in ("monday", "friday")]
    assert counts == [0, 1]


def test_a_session_that_another_namespace_owns_is_a_label_and_keeps_its_count(
    owner: Owner,
) -> None:
    owner.start("s1")

    owner.beside("user-eve").remember(Note(content=DECISION, session_id="s1"))

    assert owner.session("s1").memory_count == 0
    assert owner.beside("user-eve").contents(session_id="s1") == [DECISION]


def test_a_note_forgotten_while_its_repeat_is_stored_is_there_if_the_repeat_was_acknowledged(
    owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    [memory] = owner.remember(DECISION)
    look_up = memory_index._documents

    def forget_then_look_up(
        addresses: Sequence[dict[str, str]], source: Any
    ) -> dict[str, Mapping[str, Any]]:
        if addresses:
            monkeypatch.undo()
            forget(owner.tenant, owner.namespace, Selection(ids=(memory.id,)))
        return look_up(addresses, source)

    monkeypatch.setattr(memory_index, "_documents", forget_then_look_up)

    try:
        owner.remember(DECISION)
    except ConflictError:
        return

    assert owner.contents() == [DECISION]


def test_a_note_is_recalled_after_a_store_though_its_like_was_superseded_by_a_forgotten_one(
    owner: Owner,
) -> None:
    [former, merged] = owner.remember("The API is in design", "The API was in design in May")
    revise(owner.tenant, owner.namespace, former.id, {"superseded_by": merged.id})
    forget(owner.tenant, owner.namespace, Selection(ids=(merged.id,)))

    owner.remember("The API is in design")

    assert owner.recall("API design") == ["The API is in design"]


def test_a_note_longer_than_the_models_window_is_found_by_its_last_words(owner: Owner) -> None:
    long = "The meeting went on and on. " * 1_000 + "The password hint is xylophone."

    owner.remember(long, "Something short")

    assert owner.recall("xylophone", routing="bm25") == [long]
