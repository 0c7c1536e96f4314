"""What becomes of a session that has ended, on the real index and the real model."""

import json
from collections.abc import Callable, Iterator
from time import time
from typing import Any

import pytest

from cross_session import consolidate_session as consolidating
from cross_session.adapters import memory_index, session_table
from cross_session.consolidate_session import consolidate_session
from cross_session.domain.memory import Memory
from cross_session.domain.selection import Selection
from cross_session.domain.session import CONSOLIDATION_RETRY_SECS
from cross_session.errors import NotFoundError
from cross_session.forget import forget
from cross_session.recall import recall
from cross_session.remember import Note
from cross_session.revise import revise
from cross_session.settings import consolidate_after_days
from cross_session.summarize import summarize
from functions import consolidate
from infra.local.environments import Context
from tests.engine.owner import Owner

DAY = 86_400
SAID = [
    "Decided to use PostgreSQL instead of MongoDB for the project.",
    "The API design phase is completed, and implementation starts on Monday.",
    "Thanks, talk soon!",
    "Ines draws the screens until the first of March.",
    "We decided that the project uses PostgreSQL instead of MongoDB.",
    "The cloud may cost at most 300 euros a month.",
]


@pytest.fixture
def after_days(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], None]]:
    def put(days: int) -> None:
        monkeypatch.setenv("CONSOLIDATE_AFTER_DAYS", str(days))
        consolidate_after_days.cache_clear()

    yield put
    monkeypatch.undo()
    consolidate_after_days.cache_clear()


def held(owner: Owner, *, days_ago: int = 0, session_id: str = "ses_1", **end: Any) -> list[Memory]:
    """An ended session in which all of SAID was said."""
    owner.start(session_id)
    at = int(time()) - days_ago * DAY
    memories = owner.remember(
        *[
            Note(content=content, session_id=session_id, event_time=at + n, importance=0.9 - n / 10)
            for n, content in enumerate(SAID)
        ]
    )
    session_table.end(owner.tenant, session_id, summary=None, now=int(time()), **end)
    return memories


def consolidated(owner: Owner, session_id: str = "ses_1") -> Memory | None:
    """Consolidates the session; its summary."""
    consolidate_session(owner.tenant, owner.namespace, session_id)
    return summary_of(owner, session_id)


def summary_of(owner: Owner, session_id: str = "ses_1") -> Memory | None:
    summaries = owner.listed(memory_type="summary", session_id=session_id)
    assert len(summaries) <= 1
    return summaries[0] if summaries else None


def state(owner: Owner) -> tuple[list[Memory], Any]:
    """All that is kept of the owner but the times of its last writes."""
    session = session_table.get(owner.tenant, "ses_1")
    return owner.listed(derived=True), (session.consolidated_at is None, session.memory_count)


def overview(owner: Owner, query: str = "How is the project going?") -> list[Memory]:
    found = recall(owner.tenant, owner.namespace, query, limit=20, selection=Selection())
    return [one.memory for one in found.ranked]


def test_an_ended_session_gets_a_summary_of_what_was_said(owner: Owner) -> None:
    memories = held(owner)

    summary = consolidated(owner)

    assert summary is not None
    assert "PostgreSQL" in summary.content
    assert "talk soon" not in summary.content
    assert summary.content.count("PostgreSQL") == 1
    sources = summary.metadata["source_memory_ids"]
    assert set(sources) <= {memory.id for memory in memories}
    assert all(owner.get(id).content.rstrip(".") in summary.content for id in sources)
    assert summary.metadata["summary_method"] == "extractive"
    assert memories[0].event_time <= summary.metadata["from"] <= summary.metadata["until"]
    assert summary.event_time == summary.metadata["until"] <= memories[-1].event_time


def test_the_callers_own_summary_comes_first(owner: Owner) -> None:
    owner.start("ses_1")
    owner.remember(*[Note(content=content, session_id="ses_1") for content in SAID])
    said = "We settled the database."
    session_table.end(owner.tenant, "ses_1", summary=said, now=int(time()))

    summary = consolidated(owner)

    assert summary is not None
    assert summary.content.startswith(said)
    assert SAID[0] in summary.content


def test_a_session_that_asked_for_no_summary_gets_none(owner: Owner) -> None:
    held(owner, auto_summarize=False, days_ago=90)

    assert consolidated(owner) is None
    assert all(memory.covered_by is None for memory in owner.listed())


def test_an_open_session_and_one_that_is_not_there_are_left_alone(owner: Owner) -> None:
    owner.start("ses_1")
    owner.remember(Note(content="Still talking about PostgreSQL", session_id="ses_1"))

    assert consolidated(owner) is None
    assert consolidated(owner, "ses_2") is None
    assert consolidated(owner.beside("user-eve"), "ses_1") is None


def test_the_same_session_twice_has_one_summary(owner: Owner) -> None:
    held(owner, days_ago=90)

    first = consolidated(owner)
    again = consolidated(owner)

    assert first == again
    assert owner.session("ses_1").memory_count == len(SAID) == len(owner.listed())


def test_what_is_said_after_the_end_comes_into_the_summary(owner: Owner) -> None:
    held(owner)
    consolidated(owner)

    owner.remember(
        Note(
            content="The launch moved to the ninth of September because of the ferry strike.",
            session_id="ses_1",
            importance=1.0,
        )
    )
    (due,) = [one for one in session_table.due(now=0, limit=100) if one.tenant == owner.tenant]
    summary = consolidated(owner, due.id)

    assert summary is not None
    assert "ninth of September" in summary.content


def test_a_memory_that_ends_is_in_no_summary(owner: Owner) -> None:
    owner.start("ses_1")
    owner.remember(
        Note(content="The door code is 4711 this week.", session_id="ses_1", expires_at=2**33),
        Note(content="The office is in Hafenstraße 12.", session_id="ses_1"),
    )
    session_table.end(owner.tenant, "ses_1", summary=None, now=int(time()))

    summary = consolidated(owner)

    assert summary is not None
    assert summary.content == "The office is in Hafenstraße 12."


# Old sessions


def test_a_young_session_keeps_its_details_to_the_fore(owner: Owner) -> None:
    held(owner, days_ago=29)

    consolidated(owner)

    assert all(memory.covered_by is None for memory in owner.listed())


def test_an_overview_of_a_young_session_finds_its_details_and_no_summary(owner: Owner) -> None:
    held(owner, days_ago=1)
    consolidated(owner)

    found = overview(owner)

    assert {memory.content for memory in found} == set(SAID)


def test_an_old_sessions_details_are_covered_and_none_is_lost(owner: Owner) -> None:
    memories = held(owner, days_ago=31)

    summary = consolidated(owner)

    assert summary is not None
    assert {memory.id for memory in owner.listed()} == {memory.id for memory in memories}
    assert {memory.covered_by for memory in owner.listed()} == {summary.id}


def test_how_old_is_a_setting(owner: Owner, after_days: Callable[[int], None]) -> None:
    after_days(400)
    held(owner, days_ago=90)

    consolidated(owner)

    assert all(memory.covered_by is None for memory in owner.listed())


def test_an_overview_finds_the_summary_before_the_old_details(owner: Owner) -> None:
    held(owner, days_ago=90)
    summary = consolidated(owner)

    assert overview(owner)[0] == summary


def test_a_specific_question_finds_the_old_detail_and_no_summary(owner: Owner) -> None:
    held(owner, days_ago=90)
    consolidated(owner)

    found = overview(owner, "How much may the cloud cost?")

    assert found[0].content == SAID[5]
    assert all(memory.memory_type != "summary" for memory in found)


def test_summaries_are_listed_only_where_they_are_asked_for(owner: Owner) -> None:
    held(owner)
    summary = consolidated(owner)

    assert summary not in owner.listed()
    assert owner.listed(memory_type="summary") == [summary]
    assert summary in owner.listed(derived=True)


# What is taken back


def test_what_is_forgotten_no_summary_tells(owner: Owner) -> None:
    memories = held(owner)
    consolidated(owner)

    forget(owner.tenant, owner.namespace, Selection(ids=(memories[0].id,)))

    assert summary_of(owner) is None
    summary = consolidated(owner)
    assert summary is not None
    assert SAID[0] not in summary.content
    assert memories[0].id not in summary.metadata["source_memory_ids"]


def test_what_is_reworded_no_summary_tells_as_it_was(owner: Owner) -> None:
    memories = held(owner)
    consolidated(owner)

    revise(
        owner.tenant,
        owner.namespace,
        memories[0].id,
        {"content": "Decided to use SQLite instead of MongoDB for the project."},
    )

    assert summary_of(owner) is None
    summary = consolidated(owner)
    assert summary is not None
    assert "SQLite" in summary.content


def test_forgetting_a_summary_leaves_its_session_as_it_was_before(owner: Owner) -> None:
    held(owner, days_ago=90)
    before = owner.listed()
    summary = consolidated(owner)
    assert summary is not None

    forget(owner.tenant, owner.namespace, Selection(ids=(summary.id,)))

    assert owner.listed() == before
    assert owner.session("ses_1").memory_count == len(before)
    assert consolidated(owner) is None


def test_a_forgotten_session_leaves_no_summary(owner: Owner) -> None:
    held(owner)
    consolidated(owner)

    assert forget(owner.tenant, owner.namespace, Selection(session_id="ses_1")) == len(SAID) + 1
    assert consolidated(owner) is None
    assert owner.listed(derived=True) == []


def test_another_owners_session_of_the_same_name_is_not_touched(
    owner: Owner, new_owner: Callable[[], Owner]
) -> None:
    other = new_owner()
    held(owner, days_ago=90)
    held(other, days_ago=90)

    consolidated(owner)

    assert summary_of(other) is None
    assert all(memory.covered_by is None for memory in other.listed())


# Interrupted


class KilledError(BaseException):
    """The function's process is gone: nothing after it runs, nothing handles it."""


STEPS = [
    (session_table, "claim"),
    (consolidating, "recount"),
    (memory_index, "with_vectors"),
    (consolidating, "sum_up"),
    (memory_index, "put"),
    (memory_index, "cover"),
    (session_table, "consolidated"),
]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("module", "step"), STEPS, ids=[step for _, step in STEPS])
def test_a_consolidation_killed_at_any_step_and_run_again_ends_the_same(
    owner: Owner,
    new_owner: Callable[[], Owner],
    monkeypatch: pytest.MonkeyPatch,
    module: Any,
    step: str,
    when: str,
) -> None:
    undisturbed = new_owner()
    for one in (owner, undisturbed):
        held(one, days_ago=90)
    consolidated(undisturbed)
    work = getattr(module, step)

    def die(*args: Any, **kwargs: Any) -> None:
        if when == "after":
            work(*args, **kwargs)
        raise KilledError

    with monkeypatch.context() as killing, pytest.raises(KilledError):
        killing.setattr(module, step, die)
        consolidated(owner)
    consolidated(owner)

    assert _told(owner) == _told(undisturbed)


def test_a_cover_killed_between_two_pages_is_completed(
    owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    held(owner, days_ago=90)
    bulk, writes = memory_index._bulk, 0

    def die_at_the_second_page(*args: Any, **kwargs: Any) -> Any:
        nonlocal writes
        writes += 1
        if writes == 3:  # the summary was the first
            raise KilledError
        return bulk(*args, **kwargs)

    with monkeypatch.context() as killing, pytest.raises(KilledError):
        killing.setattr(memory_index, "PAGE", 2)
        killing.setattr(memory_index, "_bulk", die_at_the_second_page)
        consolidated(owner)
    covered = [memory for memory in owner.listed() if memory.covered_by]
    summary = consolidated(owner)

    assert 0 < len(covered) < len(SAID)
    assert summary is not None
    assert {memory.covered_by for memory in owner.listed()} == {summary.id}


def test_what_was_interrupted_stays_due(owner: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    held(owner)

    def die(*_: Any, **__: Any) -> None:
        raise KilledError

    with monkeypatch.context() as killing, pytest.raises(KilledError):
        killing.setattr(memory_index, "put", die)
        consolidated(owner)

    later = int(time()) + CONSOLIDATION_RETRY_SECS + 1
    due = [
        one.id for one in session_table.due(now=later, limit=1_000) if one.tenant == owner.tenant
    ]
    assert due == ["ses_1"]


def _told(owner: Owner) -> list[tuple[str, str, bool, str]]:
    """All that is kept, without what differs by owner and by the second."""
    session = owner.session("ses_1")
    assert session.consolidated_at is not None
    assert session.memory_count == len(SAID)
    return sorted(
        (one.content, one.memory_type, one.covered_by is None, one.session_id or "")
        for one in owner.listed(derived=True)
    )


# Memories that a caller names


def test_named_memories_are_summed_up_and_stay(owner: Owner) -> None:
    memories = owner.remember(*SAID)
    ids = [memory.id for memory in memories]

    made, count = summarize(
        owner.tenant, owner.namespace, memory_ids=ids, memory_type=None, now=int(time())
    )
    again, _ = summarize(
        owner.tenant, owner.namespace, memory_ids=ids, memory_type=None, now=int(time())
    )

    assert (count, made.id) == (len(SAID), again.id)
    assert made.memory_type == "semantic"
    assert set(made.metadata["source_memory_ids"]) <= set(ids)
    assert {memory.id for memory in owner.listed()} == {*ids, made.id}


def test_a_memory_that_is_not_there_is_not_summed_up(owner: Owner) -> None:
    (memory,) = owner.remember(SAID[0])

    with pytest.raises(NotFoundError):
        summarize(
            owner.tenant,
            owner.namespace,
            memory_ids=[memory.id, "mem_none"],
            memory_type=None,
            now=int(time()),
        )


# The function


def test_a_session_that_can_not_be_consolidated_comes_again_and_the_others_do_not(
    owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    held(owner, session_id="ses_1")
    held(owner, session_id="ses_2")
    read = memory_index.with_vectors

    def fail_for_one(*args: Any, selection: Selection, **kwargs: Any) -> Any:
        if selection.session_id == "ses_1":
            raise NotFoundError("luck")
        return read(*args, selection=selection, **kwargs)

    monkeypatch.setattr(memory_index, "with_vectors", fail_for_one)
    answer = consolidate.handler(
        {"Records": [message(owner, "ses_1"), message(owner, "ses_2")]},
        Context("consolidate"),  # type: ignore[arg-type]
    )

    assert answer == {"batchItemFailures": [{"itemIdentifier": "ses_1"}]}
    assert (summary_of(owner, "ses_1"), summary_of(owner, "ses_2")) != (None, None)
    assert summary_of(owner, "ses_1") is None


def message(owner: Owner, session_id: str) -> dict[str, Any]:
    body = {"tenant": owner.tenant, "namespace": owner.namespace, "session_id": session_id}
    return {
        "messageId": session_id,
        "receiptHandle": "receipt",
        "body": json.dumps(body),
        "attributes": {"ApproximateReceiveCount": "1"},
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:ended_sessions",
        "awsRegion": "us-east-1",
    }
