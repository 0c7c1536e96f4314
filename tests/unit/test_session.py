"""When a session is active, and when it has fallen idle."""

from hypothesis import given
from hypothesis import strategies as st

from cross_session.domain.session import MAX_IDLE_TIMEOUT_SECS, Session
from tests.unit.conftest import NOW, MakeSession


def test_a_session_is_active_until_the_second_before_its_idle_deadline(
    session: MakeSession,
) -> None:
    started = session(last_activity_at=NOW, idle_timeout_secs=60)

    seen = started.as_of(NOW + 59)

    assert seen.state == "active"
    assert seen.idle_deadline_at == NOW + 60
    assert (seen.ended_at, seen.ended_reason) == (None, None)


def test_a_session_has_ended_idle_at_its_idle_deadline(session: MakeSession) -> None:
    started = session(last_activity_at=NOW, idle_timeout_secs=60)

    seen = started.as_of(NOW + 60)

    assert seen.state == "ended"
    assert (seen.ended_at, seen.ended_reason) == (NOW + 60, "idle")
    assert seen.idle_deadline_at is None


def test_a_session_read_long_after_its_deadline_ended_at_the_deadline(
    session: MakeSession,
) -> None:
    started = session(last_activity_at=NOW, idle_timeout_secs=60)

    assert started.as_of(NOW + 86_400).ended_at == NOW + 60


def test_a_session_idles_four_hours_unless_told_otherwise(session: MakeSession) -> None:
    assert session(last_activity_at=NOW).idle_deadline_at == NOW + 4 * 3600


def test_the_deadline_counts_from_the_last_activity_not_from_the_start(
    session: MakeSession,
) -> None:
    active = session(started_at_ms=(NOW - 500) * 1000, last_activity_at=NOW, idle_timeout_secs=60)

    assert active.as_of(NOW + 59).state == "active"


def test_an_idle_timeout_of_0_means_never(session: MakeSession) -> None:
    endless = session(last_activity_at=0, idle_timeout_secs=0)

    assert endless.as_of(10**11).state == "active"
    assert endless.idle_deadline_at is None


def test_a_session_that_its_client_ended_does_not_fall_idle_as_well(
    session: MakeSession,
) -> None:
    ended = session(ended_at=NOW + 5, ended_reason="client", idle_timeout_secs=60)

    assert ended.as_of(NOW + 86_400) == ended


def test_a_start_within_a_second_is_told_in_whole_seconds(session: MakeSession) -> None:
    assert session(started_at_ms=NOW * 1000 + 999).started_at == NOW


@given(
    timeout=st.integers(0, MAX_IDLE_TIMEOUT_SECS),
    first=st.integers(0, 10**7),
    later=st.integers(0, 10**7),
)
def test_a_session_once_seen_ended_stays_so_and_ended_at_the_same_time(
    timeout: int, first: int, later: int
) -> None:
    started = Session(
        id="s",
        tenant="acme",
        namespace="user-bob",
        started_at_ms=0,
        last_activity_at=0,
        idle_timeout_secs=timeout,
    )

    seen = started.as_of(first)

    if seen.state == "ended":
        assert started.as_of(first + later) == seen
        assert seen.as_of(first + later) == seen
