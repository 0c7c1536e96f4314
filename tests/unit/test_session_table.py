"""Session records: started, kept alive, counted, ended, listed."""

from collections.abc import Iterable
from itertools import islice

import pytest
from boto3.dynamodb.conditions import Key

from cross_session.adapters import session_table
from cross_session.adapters.table import TENANT_SHARDS, dynamodb
from cross_session.domain.session import Session
from cross_session.errors import NotFoundError
from tests.unit.conftest import NOW, MakeSession, stored_items

pytestmark = pytest.mark.usefixtures("table")


def ids(sessions: Iterable[Session]) -> list[str]:
    return [session.id for session in sessions]


def newest(namespace: str | None = "user-bob", *, active_only: bool = False) -> list[str]:
    return ids(session_table.newest("acme", namespace, active_only=active_only, now=NOW))


def test_a_session_is_read_as_it_was_started(session: MakeSession) -> None:
    started = session(
        started_at_ms=NOW * 1000 + 123,
        idle_timeout_secs=60,
        metadata={"channel": "web", "nested": {"tags": ["ä", 1.5, None, True]}, "": ""},
    )

    session_table.create(started)

    assert session_table.get("acme", "ses_1") == started


def test_a_session_started_again_under_its_id_is_the_one_that_stands(
    session: MakeSession,
) -> None:
    first = session_table.create(session(metadata={"attempt": 1}))

    second = session_table.create(session(metadata={"attempt": 2}, started_at_ms=NOW * 1000 + 9))

    assert second == first
    assert session_table.get("acme", "ses_1") == first


def test_a_start_repeated_after_the_end_does_not_reopen_the_session(
    session: MakeSession,
) -> None:
    session_table.create(session())
    ended = session_table.end("acme", "ses_1", summary="done", now=NOW + 5)

    again = session_table.create(session())

    assert again == ended


def test_a_session_that_never_was_is_not_found() -> None:
    with pytest.raises(NotFoundError, match="session not found"):
        session_table.get("acme", "ses_none")


def test_another_tenants_session_is_not_found(session: MakeSession) -> None:
    session_table.create(session())

    with pytest.raises(NotFoundError):
        session_table.get("umbrella", "ses_1")
    with pytest.raises(NotFoundError):
        session_table.end("umbrella", "ses_1", summary=None, now=NOW)
    with pytest.raises(NotFoundError):
        session_table.touch("umbrella", "ses_1", now=NOW)


def test_two_tenants_may_use_the_same_session_id(session: MakeSession) -> None:
    ours = session_table.create(session())

    theirs = session_table.create(session(tenant="umbrella", namespace="user-eve"))

    assert session_table.get("acme", "ses_1") == ours
    assert session_table.get("umbrella", "ses_1") == theirs


def test_ending_a_session_says_when_why_and_with_what_summary(session: MakeSession) -> None:
    session_table.create(session())

    ended = session_table.end("acme", "ses_1", summary="Chose PostgreSQL", now=NOW + 5)

    assert (ended.ended_at, ended.ended_reason) == (NOW + 5, "client")
    assert ended.summary == "Chose PostgreSQL"
    assert session_table.get("acme", "ses_1") == ended


def test_a_session_can_be_ended_without_a_summary(session: MakeSession) -> None:
    session_table.create(session())

    assert session_table.end("acme", "ses_1", summary=None, now=NOW + 5).summary is None


def test_ending_a_session_twice_leaves_its_first_end(session: MakeSession) -> None:
    session_table.create(session())
    first = session_table.end("acme", "ses_1", summary="first", now=NOW + 5)

    second = session_table.end("acme", "ses_1", summary="second", now=NOW + 50)

    assert second == first
    assert session_table.get("acme", "ses_1") == first


def test_a_session_that_fell_idle_cannot_be_ended_by_its_client(session: MakeSession) -> None:
    session_table.create(session(idle_timeout_secs=60))

    ended = session_table.end("acme", "ses_1", summary="too late", now=NOW + 60)

    assert (ended.ended_at, ended.ended_reason, ended.summary) == (NOW + 60, "idle", None)


def test_a_session_can_be_ended_a_second_before_it_falls_idle(session: MakeSession) -> None:
    session_table.create(session(idle_timeout_secs=60))

    ended = session_table.end("acme", "ses_1", summary=None, now=NOW + 59)

    assert (ended.ended_at, ended.ended_reason) == (NOW + 59, "client")


def test_a_session_that_never_idles_can_be_ended_years_later(session: MakeSession) -> None:
    session_table.create(session(idle_timeout_secs=0))

    ended = session_table.end("acme", "ses_1", summary=None, now=NOW + 10**8)

    assert (ended.ended_at, ended.ended_reason) == (NOW + 10**8, "client")


def test_ending_a_session_that_never_was_is_refused() -> None:
    with pytest.raises(NotFoundError):
        session_table.end("acme", "ses_none", summary=None, now=NOW)


def test_touching_an_open_session_moves_its_deadline(session: MakeSession) -> None:
    session_table.create(session(idle_timeout_secs=60))

    touched = session_table.touch("acme", "ses_1", now=NOW + 50)

    assert touched.last_activity_at == NOW + 50
    assert touched.idle_deadline_at == NOW + 110
    assert session_table.end("acme", "ses_1", summary=None, now=NOW + 109).ended_reason == "client"


def test_touching_an_ended_session_does_not_reopen_it(session: MakeSession) -> None:
    session_table.create(session())
    ended = session_table.end("acme", "ses_1", summary=None, now=NOW + 5)

    touched = session_table.touch("acme", "ses_1", now=NOW + 6)

    assert touched == ended
    assert session_table.get("acme", "ses_1") == ended


def test_touching_an_idle_session_does_not_revive_it(session: MakeSession) -> None:
    session_table.create(session(idle_timeout_secs=60))

    touched = session_table.touch("acme", "ses_1", now=NOW + 60)

    assert (touched.state, touched.ended_reason) == ("ended", "idle")
    assert session_table.get("acme", "ses_1").as_of(NOW + 60).state == "ended"


def test_touching_a_session_that_never_idles_leaves_it_without_a_deadline(
    session: MakeSession,
) -> None:
    session_table.create(session(idle_timeout_secs=0))

    touched = session_table.touch("acme", "ses_1", now=NOW + 10**8)

    assert touched.last_activity_at == NOW + 10**8
    assert touched.idle_deadline_at is None


def test_touching_a_session_that_never_was_is_refused() -> None:
    with pytest.raises(NotFoundError):
        session_table.touch("acme", "ses_none", now=NOW)


def test_memories_stored_with_an_open_session_are_counted_and_keep_it_alive(
    session: MakeSession,
) -> None:
    session_table.create(session(idle_timeout_secs=60))
    session_table.add_memories("acme", "user-bob", "ses_1", count=2, now=NOW + 10)

    counted = session_table.add_memories("acme", "user-bob", "ses_1", count=3, now=NOW + 50)

    assert counted.memory_count == 5
    assert (counted.state, counted.idle_deadline_at) == ("active", NOW + 110)
    assert session_table.get("acme", "ses_1") == counted


def test_a_repeated_store_counts_nothing_and_still_keeps_the_session_alive(
    session: MakeSession,
) -> None:
    session_table.create(session(idle_timeout_secs=60))

    counted = session_table.add_memories("acme", "user-bob", "ses_1", count=0, now=NOW + 50)

    assert (counted.memory_count, counted.idle_deadline_at) == (0, NOW + 110)


def test_memories_stored_with_an_ended_session_are_counted_and_leave_it_ended(
    session: MakeSession,
) -> None:
    session_table.create(session())
    session_table.end("acme", "ses_1", summary="done", now=NOW + 5)

    counted = session_table.add_memories("acme", "user-bob", "ses_1", count=1, now=NOW + 9)

    assert counted.memory_count == 1
    assert (counted.ended_at, counted.summary) == (NOW + 5, "done")
    assert counted.last_activity_at == NOW


def test_memories_stored_with_an_idle_session_are_counted_and_do_not_revive_it(
    session: MakeSession,
) -> None:
    session_table.create(session(idle_timeout_secs=60))

    counted = session_table.add_memories("acme", "user-bob", "ses_1", count=1, now=NOW + 61)

    assert counted.memory_count == 1
    assert (counted.ended_at, counted.ended_reason) == (NOW + 60, "idle")
    assert session_table.get("acme", "ses_1").as_of(NOW + 61) == counted


def test_memories_of_another_namespace_are_not_counted(session: MakeSession) -> None:
    session_table.create(session())

    with pytest.raises(NotFoundError):
        session_table.add_memories("acme", "user-eve", "ses_1", count=1, now=NOW + 1)

    assert session_table.get("acme", "ses_1") == session()


def test_memories_stored_with_a_session_that_never_was_do_not_make_one() -> None:
    with pytest.raises(NotFoundError):
        session_table.add_memories("acme", "user-bob", "ses_none", count=1, now=NOW)

    assert newest() == []


def test_forgotten_memories_are_taken_off_the_count_and_are_no_activity(
    session: MakeSession,
) -> None:
    session_table.create(session(idle_timeout_secs=60))
    session_table.add_memories("acme", "user-bob", "ses_1", count=5, now=NOW + 10)

    session_table.change_count("acme", "user-bob", "ses_1", by=-2)

    left = session_table.get("acme", "ses_1")
    assert (left.memory_count, left.last_activity_at) == (3, NOW + 10)


def test_forgotten_memories_are_taken_off_an_ended_session_too(session: MakeSession) -> None:
    session_table.create(session(memory_count=2))
    session_table.end("acme", "ses_1", summary=None, now=NOW + 5)

    session_table.change_count("acme", "user-bob", "ses_1", by=-1)

    left = session_table.get("acme", "ses_1")
    assert (left.memory_count, left.ended_at) == (1, NOW + 5)


def test_forgotten_memories_of_another_namespace_leave_the_count(session: MakeSession) -> None:
    session_table.create(session(memory_count=2))

    with pytest.raises(NotFoundError):
        session_table.change_count("acme", "user-eve", "ses_1", by=-1)

    assert session_table.get("acme", "ses_1").memory_count == 2


def test_sessions_are_listed_newest_first(session: MakeSession) -> None:
    for day in (2, 3, 1):
        session_table.create(session(f"ses_{day}", started_at_ms=(NOW + day * 86_400) * 1000))

    assert newest() == ["ses_3", "ses_2", "ses_1"]


def test_sessions_started_within_one_second_are_listed_newest_first(
    session: MakeSession,
) -> None:
    session_table.create(session("ses_a", started_at_ms=NOW * 1000 + 5))
    session_table.create(session("ses_b", started_at_ms=NOW * 1000 + 40))
    session_table.create(session("ses_c", started_at_ms=NOW * 1000 + 6))

    assert newest() == ["ses_b", "ses_c", "ses_a"]


def test_sessions_started_in_the_same_millisecond_are_all_listed(session: MakeSession) -> None:
    session_table.create(session("ses_a"))
    session_table.create(session("ses_b"))

    assert newest() == ["ses_b", "ses_a"]


def test_only_the_namespaces_own_sessions_are_listed(session: MakeSession) -> None:
    session_table.create(session("ses_bob"))
    session_table.create(session("ses_bobby", namespace="user-bobby"))
    session_table.create(session("ses_other", tenant="umbrella"))

    assert newest() == ["ses_bob"]


def test_active_only_leaves_out_what_ended_or_fell_idle(session: MakeSession) -> None:
    session_table.create(session("ses_active"))
    session_table.create(session("ses_endless", idle_timeout_secs=0, last_activity_at=0))
    session_table.create(session("ses_idle", last_activity_at=NOW - 60, idle_timeout_secs=60))
    session_table.create(session("ses_ended"))
    session_table.end("acme", "ses_ended", summary=None, now=NOW)

    assert sorted(newest(active_only=True)) == ["ses_active", "ses_endless"]
    assert len(newest()) == 4


def test_a_listed_session_past_its_deadline_reads_as_ended(session: MakeSession) -> None:
    session_table.create(session(last_activity_at=NOW - 60, idle_timeout_secs=60))

    (listed,) = session_table.newest("acme", "user-bob", now=NOW)

    assert (listed.ended_at, listed.ended_reason) == (NOW, "idle")


def test_sessions_of_many_pages_are_all_listed_in_order(session: MakeSession) -> None:
    started = [f"ses_{number:02d}" for number in range(45)]
    for number, id in enumerate(started):
        at_ms = NOW * 1000 + number
        session_table.create(session(id, started_at_ms=at_ms, metadata={"text": "x" * 30_000}))
    session_table.end("acme", "ses_44", summary=None, now=NOW + 1)
    with dynamodb() as table:
        page = table.query(
            IndexName=session_table.BY_NAMESPACE,
            KeyConditionExpression=Key("namespace_key").eq("acme#user-bob"),
        )
    assert "LastEvaluatedKey" in page, "one page holds them all: the test shows nothing"

    assert newest() == started[::-1]
    assert newest(active_only=True) == started[43::-1]


def test_the_first_sessions_of_many_come_without_reading_them_all(session: MakeSession) -> None:
    for number in range(5):
        session_table.create(session(f"ses_{number}", started_at_ms=NOW * 1000 + number))

    first = islice(session_table.newest("acme", "user-bob", now=NOW), 2)

    assert ids(first) == ["ses_4", "ses_3"]


def test_a_tenants_sessions_are_listed_newest_first_over_all_its_namespaces(
    session: MakeSession,
) -> None:
    started = [f"ses_{number:02d}" for number in range(40)]
    for number, id in enumerate(started):
        at_ms = NOW * 1000 + number * 250
        session_table.create(session(id, namespace=f"user-{number % 3}", started_at_ms=at_ms))
    shards = {item["tenant_shard"]["S"] for item in stored_items()}
    assert len(shards) == TENANT_SHARDS, "not every shard is used: the test shows little"

    assert newest(None) == started[::-1]


def test_a_tenants_active_sessions_are_listed_alone(session: MakeSession) -> None:
    for number in range(10):
        session_table.create(session(f"ses_{number}", started_at_ms=NOW * 1000 + number))
    session_table.end("acme", "ses_4", summary=None, now=NOW + 1)

    assert "ses_4" not in newest(None, active_only=True)
    assert len(newest(None, active_only=True)) == 9


def test_another_tenants_sessions_are_never_listed(session: MakeSession) -> None:
    for number in range(10):
        session_table.create(session(f"ses_{number}", tenant="umbrella"))
        session_table.create(session(f"ses_{number}", tenant="acme-2"))

    assert newest(None) == []
    assert newest() == []
