"""Session records as a file brings them: put where they belong, found many at a time."""

import pytest

from cross_session.adapters import session_table
from cross_session.errors import ConflictError
from tests.unit.conftest import NOW, MakeSession

pytestmark = pytest.mark.usefixtures("table")


def test_a_restored_session_reads_as_it_was(session: MakeSession) -> None:
    ended = session(
        ended_at=NOW, ended_reason="idle", summary="s", last_said="l", metadata={"a": [1, None]}
    )

    session_table.restore(ended)

    assert session_table.get("acme", "ses_1") == ended


def test_a_restored_session_takes_its_own_namespaces_record_and_no_others(
    session: MakeSession,
) -> None:
    session_table.restore(session(summary="before"))
    session_table.restore(session(summary="after"))

    with pytest.raises(ConflictError):
        session_table.restore(session(namespace="user-eve"))
    assert session_table.get("acme", "ses_1").summary == "after"


def test_more_sessions_are_found_than_dynamodb_gives_at_once(session: MakeSession) -> None:
    for number in range(150):
        session_table.restore(session(f"ses_{number}"))

    found = session_table.find_all("acme", [f"ses_{number}" for number in range(-5, 150)])

    assert sorted(found) == sorted(f"ses_{number}" for number in range(150))
    assert session_table.find_all("acme", []) == {}
    assert session_table.find_all("umbrella", ["ses_1"]) == {}


def test_sessions_are_walked_oldest_first_from_any_place_on(session: MakeSession) -> None:
    for number in range(5):
        session_table.restore(session(f"ses_{number}", started_at_ms=NOW * 1000 + number))

    steps = list(session_table.oldest_first("acme", "user-bob", now=NOW))
    rest = session_table.oldest_first("acme", "user-bob", after=steps[2][0], now=NOW)

    assert [one.id for _, one in steps] == [f"ses_{number}" for number in range(5)]
    assert [one.id for _, one in rest] == ["ses_3", "ses_4"]
