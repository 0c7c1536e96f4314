"""A function that dies between its steps, or is throttled there: a repeat puts all right."""

from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any

import pytest

from cross_session import forget as forgetting
from cross_session import remember as remembering
from cross_session.adapters import memory_index, namespace_table, session_table, tombstones
from cross_session.domain.selection import Selection
from cross_session.errors import TableUnavailableError
from cross_session.forget import forget
from cross_session.recount import recount
from cross_session.remember import Note
from tests.engine.owner import Owner, at_once

NOTES = (
    Note(content="Ada: The launch is in May", session_id="s1", importance=0.9),
    Note(content="Bob: In June rather", session_id="s1"),
)


class DiedError(BaseException):
    """Nothing catches it, as nothing runs after a function's death."""


def throttle(*_: object, **__: object) -> None:
    raise TableUnavailableError("throttled")


def die(*_: object, **__: object) -> None:
    raise DiedError


def and_then(do: Callable[..., Any], fail: Callable[..., None]) -> Callable[..., Any]:
    """Does it, and fails after."""

    def done(*arguments: Any, **options: Any) -> None:
        do(*arguments, **options)
        fail()

    return done


STORE_STEPS: list[tuple[ModuleType, str]] = [
    (memory_index, "create"),
    (namespace_table, "add_actors"),
    (session_table, "add_memories"),
    (remembering, "_tell_sessions"),
]


def is_whole(owner: Owner) -> None:
    assert sorted(owner.contents()) == sorted(note.content for note in NOTES)
    assert owner.session("s1").memory_count == 2
    assert namespace_table.actors(owner.tenant, owner.namespace) == {"Ada", "Bob"}


@pytest.mark.parametrize("fail", [throttle, die])
@pytest.mark.parametrize("afterwards", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("module", "step"), STORE_STEPS)
def test_a_store_repeated_after_it_died_at_a_step_is_whole(
    owner: Owner,
    monkeypatch: pytest.MonkeyPatch,
    module: ModuleType,
    step: str,
    afterwards: bool,
    fail: Callable[..., None],
) -> None:
    owner.start("s1")
    with monkeypatch.context() as dying, pytest.raises((DiedError, TableUnavailableError)):
        failing = and_then(getattr(module, step), fail) if afterwards else fail
        dying.setattr(module, step, failing)
        owner.remember(*NOTES)

    owner.remember(*NOTES)

    is_whole(owner)


def test_a_store_repeated_after_it_died_in_a_batch_of_two_sessions_is_whole(
    owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = [Note(content=f"note {number}", session_id=f"s{number % 2}") for number in range(6)]
    for session in ("s0", "s1"):
        owner.start(session)
    with monkeypatch.context() as dying, pytest.raises(DiedError):
        dying.setattr(session_table, "add_memories", and_then(session_table.add_memories, die))
        owner.remember(*notes)

    owner.remember(*notes)

    assert [owner.session(id).memory_count for id in ("s0", "s1")] == [3, 3]


@pytest.mark.parametrize("step", ["delete", "change_count"])
def test_a_forget_of_a_session_repeated_after_it_died_at_a_step_counts_right(
    owner: Owner, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    owner.start("s1")
    owner.remember(*NOTES)
    with monkeypatch.context() as dying, pytest.raises(DiedError):
        if step == "delete":
            dying.setattr(memory_index, "delete", and_then(memory_index.delete, die))
        else:
            dying.setattr(session_table, "change_count", die)
        forget(owner.tenant, owner.namespace, Selection(session_id="s1"))

    forget(owner.tenant, owner.namespace, Selection(session_id="s1"))

    assert owner.listed() == []
    assert owner.session("s1").memory_count == 0


def test_a_recount_puts_right_what_a_forget_left_uncounted(
    owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner.start("s1")
    [memory, _] = owner.remember(*NOTES)
    with monkeypatch.context() as dying, pytest.raises(DiedError):
        dying.setattr(session_table, "change_count", die)
        forget(owner.tenant, owner.namespace, Selection(ids=(memory.id,)))
    assert owner.session("s1").memory_count == 2

    recount(owner.tenant, owner.namespace, "s1")

    assert owner.session("s1").memory_count == 1


def test_a_forget_whose_tombstone_cannot_be_put_deletes_nothing(
    owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner.remember("kept")
    monkeypatch.setattr(tombstones, "put", throttle)

    with pytest.raises(TableUnavailableError):
        forget(owner.tenant, owner.namespace, Selection(created_before=2**40))

    assert owner.contents() == ["kept"]


def test_a_recount_in_the_middle_of_a_store_does_not_count_it_twice(
    owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner.start("s1")
    add = session_table.add_memories

    def recount_first(tenant: str, namespace: str, session_id: str, **options: Any) -> Any:
        recount(tenant, namespace, session_id)
        return add(tenant, namespace, session_id, **options)

    monkeypatch.setattr(session_table, "add_memories", recount_first)

    owner.remember(*NOTES)

    assert owner.session("s1").memory_count == 2


def test_a_recount_in_the_middle_of_a_forget_does_not_count_it_twice(
    owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner.start("s1")
    [memory, _] = owner.remember(*NOTES)
    take_off = forgetting._take_off_counts

    def recount_first(*arguments: Any, **options: Any) -> None:
        recount(owner.tenant, owner.namespace, "s1")
        take_off(*arguments, **options)

    monkeypatch.setattr(forgetting, "_take_off_counts", recount_first)

    forget(owner.tenant, owner.namespace, Selection(ids=(memory.id,)))

    assert owner.session("s1").memory_count == 1


def test_a_recount_gives_way_to_who_counted_meanwhile(
    owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner.start("s1")
    owner.remember(*NOTES)
    session_table.change_count(owner.tenant, owner.namespace, "s1", by=7)
    count = memory_index.count

    def store_meanwhile(*arguments: Any) -> int:
        held = count(*arguments)
        monkeypatch.undo()
        owner.remember(Note(content="Another", session_id="s1"))
        return held

    monkeypatch.setattr(memory_index, "count", store_meanwhile)

    recount(owner.tenant, owner.namespace, "s1")

    assert owner.session("s1").memory_count == 3


def test_stores_repeats_forgets_and_recounts_at_once_leave_the_count_right(owner: Owner) -> None:
    owner.start("s1")
    notes = [Note(content=f"note {number}", session_id="s1") for number in range(12)]
    stored = owner.remember(*notes)

    stores = [*notes[:4], *(Note(content=f"new {n}", session_id="s1") for n in range(4))]
    calls: list[Callable[[], object]] = [
        *(partial(owner.remember, note) for note in stores),
        *(
            partial(forget, owner.tenant, owner.namespace, Selection(ids=(memory.id,)))
            for memory in stored[8:]
        ),
        *(partial(recount, owner.tenant, owner.namespace, "s1") for _ in range(4)),
    ]

    answers = at_once(calls)

    assert not [answer for answer in answers if isinstance(answer, Exception)]
    assert owner.session("s1").memory_count == len(owner.listed()) == 12


def test_a_recount_for_another_namespace_leaves_the_session_as_it_was(owner: Owner) -> None:
    owner.start("s1")
    owner.remember(*NOTES)

    recount(owner.tenant, "user-eve", "s1")

    assert owner.session("s1").memory_count == 2
