"""What is written down of a change, and that it gets in no caller's way."""

from typing import Any

import pytest

from cross_session.adapters import audit_table
from cross_session.audit import AUDITED
from cross_session.domain.audit import AuditEvent
from cross_session.errors import TableUnavailableError
from functions import sessions
from tests.unit.conftest import caller, calls

call = calls(sessions)
pytestmark = pytest.mark.usefixtures("table")


def events(namespace: str | None = "user-bob", **query: Any) -> list[AuditEvent]:
    asked: dict[str, Any] = {"event_type": None, "from_ms": 0, "to_ms": 10**13 - 1, "before": None}
    return list(audit_table.newest("acme", namespace, **asked | query))


def event(number: int, namespace: str = "user-bob") -> AuditEvent:
    return AuditEvent(
        id=f"{number:013d}-{number:016x}",
        tenant="acme",
        namespace=namespace,
        event_type="stored" if number % 2 else "forgotten",
        actor="key_1",
        at_ms=number,
        memory_ids=("a", "b"),
        session_id="s",
        importance=0.1 + 0.2,
        reason="because",
    )


def test_a_session_leaves_its_start_and_its_end() -> None:
    started = call("POST", "/v1/sessions/start", {"namespace": "user-bob"}).body["session"]

    (written,) = events()
    assert (written.event_type, written.session_id) == ("session_started", started["id"])
    assert (written.actor, written.namespace) == ("key_1", "user-bob")


def test_a_refused_call_leaves_nothing() -> None:
    call("POST", "/v1/sessions/start", {"namespace": "user-bob"}, who=caller(namespaces=("eve",)))
    call("POST", "/v1/sessions/start", {"namespace": "user bob"})

    assert events(None) == []


def test_a_change_is_done_even_if_it_cannot_be_written_down(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def away(_event: AuditEvent) -> None:
        raise TableUnavailableError("the table does not answer now")

    monkeypatch.setattr(audit_table, "put", away)
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "CrossSession")

    answer = call("POST", "/v1/sessions/start", {"namespace": "user-bob"})

    assert answer.status == 201
    assert call("GET", f"/v1/sessions/{answer.body['session']['id']}").status == 200
    assert '"AuditFailure":[1.0]' in capsys.readouterr().out


def test_events_come_back_as_they_went_newest_first() -> None:
    written = [event(number) for number in (5, 1_000, 70)]
    for one in written:
        audit_table.put(one)

    assert events() == sorted(written, key=lambda one: one.at_ms, reverse=True)


@pytest.mark.parametrize("namespace", ["user-bob", None])
def test_events_are_found_by_time_kind_and_place(namespace: str | None) -> None:
    for number in range(1, 8):
        audit_table.put(event(number))

    def found(**query: Any) -> list[int]:
        return [one.at_ms for one in events(namespace, **query)]

    assert found(from_ms=3, to_ms=5) == [5, 4, 3]
    assert found(event_type="forgotten") == [6, 4, 2]
    assert found(before=event(3).id) == [2, 1]
    assert found(from_ms=5, before=event(3).id) == []
    assert found(from_ms=9, to_ms=8) == []


def test_a_tenants_events_are_those_of_its_namespaces_in_one_order() -> None:
    names = ["user-ann", "user-bob", "user-eve", "team"]
    for number in range(1, 13):
        audit_table.put(event(number, names[number % 4]))

    everything = events(None)

    assert [one.at_ms for one in everything] == list(range(12, 0, -1))
    assert (
        list(
            audit_table.newest("umbrella", None, event_type=None, from_ms=0, to_ms=99, before=None)
        )
        == []
    )


def test_sessions_are_listed_without_the_audit_beside_them() -> None:
    call("POST", "/v1/sessions/start", {"namespace": "user-bob"})

    listed = call("GET", "/v1/sessions").body

    assert listed["total"] == 1
    assert len(events(None)) == 1


def test_forgetting_nothing_and_merging_nothing_is_no_event() -> None:
    forgotten = AUDITED["POST /v1/memory/forget"][1]
    consolidated = AUDITED["POST /v1/memory/consolidate"][1]

    assert forgotten({"deleted_count": 0}, {"tags": ["x"]}) is None
    assert consolidated({"consolidated_memory": None, "source_memory_ids": []}, {}) is None


def test_a_forget_tells_by_what_it_chose_and_not_what_the_values_were() -> None:
    forgotten = AUDITED["POST /v1/memory/forget"][1]

    touched = forgotten({"deleted_count": 2}, {"agent_id": "user-bob", "tags": ["secret"]})

    assert touched is not None
    assert touched.reason == "2 by tags"
