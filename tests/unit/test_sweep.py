"""What the sweep does with sessions that fell idle or are due for consolidation."""

import json
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from cross_session import sweep as sweeping
from cross_session.adapters import queues, session_table
from cross_session.errors import QueueUnavailableError
from cross_session.settings import ended_sessions_queue_url
from functions import sweep
from tests.unit.conftest import NOW, Clock, MakeSession

if TYPE_CHECKING:
    from types_boto3_sqs.client import SQSClient

pytestmark = pytest.mark.usefixtures("table")
HOUR = 3_600


@pytest.fixture
def queue(table: None) -> Iterator["SQSClient"]:  # noqa: ARG001 - within its mock
    queues.client.cache_clear()
    sqs = boto3.client("sqs")
    sqs.create_queue(QueueName="ended")
    yield sqs
    queues.client.cache_clear()


@pytest.fixture
def clock(clock_in: Callable[[ModuleType], Clock]) -> Clock:
    return clock_in(sweeping)


def sent(queue: "SQSClient") -> list[dict[str, Any]]:
    """What the queue holds, taken out of it."""
    url = queue.get_queue_url(QueueName="ended")["QueueUrl"]
    taken: list[dict[str, Any]] = []
    while messages := queue.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        for message in messages:
            taken.append(json.loads(message["Body"]))
            queue.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return taken


def run() -> dict[str, int]:
    return sweep.handler({}, None)


def test_an_idle_session_ends_for_good_when_it_fell_idle(
    session: MakeSession, clock: Clock, queue: "SQSClient"
) -> None:
    session_table.create(session())
    clock.pass_seconds(5 * HOUR)

    assert run() == {"ended_count": 1, "sent_count": 1}

    ended = session_table.get("acme", "ses_1")
    assert (ended.ended_at, ended.ended_reason) == (NOW + 4 * HOUR, "idle")
    assert sent(queue) == [{"tenant": "acme", "namespace": "user-bob", "session_id": "ses_1"}]


@pytest.mark.usefixtures("queue")
def test_an_active_session_stays_open(session: MakeSession, clock: Clock) -> None:
    session_table.create(session())
    clock.pass_seconds(3 * HOUR)
    session_table.touch("acme", "ses_1", now=int(clock.now))
    clock.pass_seconds(3 * HOUR)

    assert run() == {"ended_count": 0, "sent_count": 0}
    assert session_table.get("acme", "ses_1").ended_at is None


@pytest.mark.usefixtures("queue")
def test_a_session_that_never_falls_idle_is_left_alone(session: MakeSession, clock: Clock) -> None:
    session_table.create(session(idle_timeout_secs=0))
    clock.pass_seconds(400 * 24 * HOUR)

    assert run() == {"ended_count": 0, "sent_count": 0}


def test_a_session_whose_message_was_lost_is_sent_again_until_it_is_consolidated(
    session: MakeSession, clock: Clock, queue: "SQSClient"
) -> None:
    session_table.create(session())
    session_table.end("acme", "ses_1", summary=None, now=NOW)

    assert run()["sent_count"] == 0
    for _ in range(2):
        clock.pass_seconds(HOUR)
        assert run()["sent_count"] == 1
        assert run()["sent_count"] == 0
        assert len(sent(queue)) == 1

    until = int(clock.now) + HOUR
    session_table.claim("acme", "user-bob", "ses_1", until=until)
    session_table.consolidated("acme", "ses_1", claimed=until, now=0, look_again_at=None)
    clock.pass_seconds(400 * 24 * HOUR)
    assert run()["sent_count"] == 0


def test_a_consolidated_session_is_sent_once_more_when_it_is_old(
    session: MakeSession, clock: Clock, queue: "SQSClient"
) -> None:
    session_table.create(session())
    session_table.end("acme", "ses_1", summary=None, now=NOW)
    session_table.claim("acme", "user-bob", "ses_1", until=NOW + HOUR)
    month = NOW + 30 * 24 * HOUR
    session_table.consolidated("acme", "ses_1", claimed=NOW + HOUR, now=NOW, look_again_at=month)

    clock.now = month - 1
    assert run()["sent_count"] == 0
    clock.now = month
    assert run()["sent_count"] == 1
    assert len(sent(queue)) == 1


@pytest.mark.usefixtures("queue")
def test_what_changed_during_a_consolidation_keeps_the_session_due(
    session: MakeSession, clock: Clock
) -> None:
    session_table.create(session())
    session_table.end("acme", "ses_1", summary=None, now=NOW)
    session_table.claim("acme", "user-bob", "ses_1", until=NOW + HOUR)

    session_table.add_memories("acme", "user-bob", "ses_1", count=1, now=NOW)
    session_table.consolidated("acme", "ses_1", claimed=NOW + HOUR, now=NOW, look_again_at=None)

    assert session_table.get("acme", "ses_1").consolidated_at is None
    assert clock.now == NOW
    assert run()["sent_count"] == 1


@pytest.mark.usefixtures("clock")
def test_forgetting_something_of_an_open_session_does_not_end_it(
    session: MakeSession, queue: "SQSClient"
) -> None:
    session_table.create(session())
    session_table.change_count("acme", "user-bob", "ses_1", by=-1)

    assert run() == {"ended_count": 0, "sent_count": 0}
    assert session_table.get("acme", "ses_1").state == "active"
    assert sent(queue) == []
    assert list(session_table.due(now=NOW, limit=10)) == []


def test_a_run_has_a_bound_and_the_next_one_goes_on(
    session: MakeSession, clock: Clock, queue: "SQSClient", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeping, "MAX_SESSIONS", 8)
    for number in range(40):
        session_table.create(session(f"ses_{number}"))
    clock.pass_seconds(5 * HOUR)

    counts = []
    while (swept := run())["ended_count"]:
        counts.append(swept["ended_count"])

    assert sum(counts) == 40
    assert max(counts) <= 8
    assert len({one["session_id"] for one in sent(queue)}) == 40


@pytest.mark.usefixtures("table")
def test_a_session_that_could_not_be_sent_is_sent_by_a_later_run(
    session: MakeSession, clock: Clock
) -> None:
    session_table.create(session())
    clock.pass_seconds(5 * HOUR)
    queues.client.cache_clear()

    with pytest.raises(QueueUnavailableError):
        run()

    name = ended_sessions_queue_url().rpartition("/")[2]
    boto3.client("sqs").create_queue(QueueName=name)
    assert run() == {"ended_count": 0, "sent_count": 1}
    queues.client.cache_clear()
