"""The session routes, from API Gateway's event to its answer."""

import base64
import json
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cross_session.adapters import session_table
from cross_session.domain.access import Scope
from cross_session.domain.session import MAX_IDLE_TIMEOUT_SECS
from functions import sessions
from tests.unit.conftest import (
    NOW,
    REQUEST_ID,
    Answer,
    Clock,
    MakeSession,
    caller,
    calls,
    stored_items,
)

pytestmark = pytest.mark.usefixtures("table")

call = calls(sessions)

BOB = caller(namespaces=("user-bob",))
EVE = caller(namespaces=("user-eve",))
READER = caller(scope=Scope.READ)


@pytest.fixture(autouse=True)
def clock(clock_in: Callable[[ModuleType], Clock]) -> Clock:
    return clock_in(sessions)


def start(namespace: str = "user-bob", *, key: str = "", **fields: Any) -> dict[str, Any]:
    headers = {"idempotency-key": key} if key else {}
    answer = call("POST", "/v1/sessions/start", {"namespace": namespace, **fields}, headers=headers)
    assert answer.status == 201, answer
    session: dict[str, Any] = answer.body["session"]
    return session


def fields_of(answer: Answer) -> set[str]:
    return {one["field"] for one in answer.body["errors"]}


def test_starting_a_session_answers_201_with_the_session() -> None:
    answer = call(
        "POST", "/v1/sessions/start", {"namespace": "user-bob", "metadata": {"channel": "web"}}
    )

    assert answer.status == 201
    session = answer.body["session"]
    assert session.pop("id") == session.pop("session_id")
    assert session == {
        "namespace": "user-bob",
        "agent_id": "user-bob",
        "started_at": NOW,
        "ended_at": None,
        "ended_reason": None,
        "summary": None,
        "metadata": {"channel": "web"},
        "memory_count": 0,
        "last_activity_at": NOW,
        "idle_timeout_secs": 14_400,
        "idle_since": None,
    }


def test_a_session_can_be_started_for_an_agent_id() -> None:
    answer = call("POST", "/v1/sessions/start", {"agent_id": "user-bob"})

    assert answer.status == 201
    assert answer.body["session"]["namespace"] == "user-bob"


def test_namespace_and_agent_id_may_both_be_sent_if_they_agree() -> None:
    both = {"namespace": "user-bob", "agent_id": "user-bob"}

    assert call("POST", "/v1/sessions/start", both).status == 201


def test_namespace_and_agent_id_that_differ_are_refused() -> None:
    both = {"namespace": "user-bob", "agent_id": "user-eve"}

    answer = call("POST", "/v1/sessions/start", both)

    assert (answer.status, answer.code) == (400, "INVALID_REQUEST")
    assert fields_of(answer) == {"agent_id"}


def test_null_is_absent_when_a_session_is_started() -> None:
    answer = call(
        "POST",
        "/v1/sessions/start",
        {"namespace": None, "agent_id": "a", "metadata": None, "idle_timeout_secs": None},
    )

    assert answer.status == 201
    assert answer.body["session"]["metadata"] == {}
    assert answer.body["session"]["idle_timeout_secs"] == 14_400


def test_fields_that_a_start_does_not_know_are_ignored() -> None:
    assert start(colour="blue")["namespace"] == "user-bob"


def test_each_start_is_a_session_of_its_own() -> None:
    assert start()["id"] != start()["id"]


def test_a_start_repeated_with_its_idempotency_key_is_the_same_session(clock: Clock) -> None:
    first = start(key="7f2c")
    clock.pass_seconds(30)

    second = start(key="7f2c")

    assert second == first


def test_another_idempotency_key_is_another_session() -> None:
    assert start(key="7f2c")["id"] != start(key="7f2d")["id"]


def test_idempotency_keys_that_share_a_beginning_are_not_the_same() -> None:
    assert start(key="7f2c,1")["id"] != start(key="7f2c,2")["id"]


def test_an_idempotency_key_counts_within_its_tenant() -> None:
    of_acme = start(key="7f2c")

    of_umbrella = call(
        "POST",
        "/v1/sessions/start",
        {"namespace": "user-bob"},
        who=caller(tenant="umbrella"),
        headers={"idempotency-key": "7f2c"},
    ).body["session"]

    assert of_acme["id"] != of_umbrella["id"]


def test_an_idempotency_key_that_is_too_long_is_refused() -> None:
    answer = call(
        "POST",
        "/v1/sessions/start",
        {"namespace": "user-bob"},
        headers={"idempotency-key": "x" * 257},
    )

    assert answer.status == 400
    assert stored_items() == []


@pytest.mark.parametrize("seconds", [0, 1, MAX_IDLE_TIMEOUT_SECS])
def test_an_idle_timeout_within_bounds_is_kept(seconds: int) -> None:
    assert start(idle_timeout_secs=seconds)["idle_timeout_secs"] == seconds


@pytest.mark.parametrize("seconds", [-1, MAX_IDLE_TIMEOUT_SECS + 1, 1.5, "soon", [], 10**30])
def test_an_idle_timeout_out_of_bounds_is_refused_by_name(seconds: object) -> None:
    answer = call(
        "POST", "/v1/sessions/start", {"namespace": "user-bob", "idle_timeout_secs": seconds}
    )

    assert answer.status == 400
    assert fields_of(answer) == {"idle_timeout_secs"}


def test_a_start_without_a_namespace_is_refused_by_name() -> None:
    answer = call("POST", "/v1/sessions/start", {"metadata": {}})

    assert answer.status == 400
    assert fields_of(answer) == {"namespace"}


@pytest.mark.parametrize(
    "namespace",
    ["", " ", "-bob", ".bob", "user bob", "user/bob", "user#bob", "bob\n", "ü", "x" * 129, 7, []],
)
def test_a_namespace_that_is_no_name_is_refused(namespace: object) -> None:
    answer = call("POST", "/v1/sessions/start", {"namespace": namespace})

    assert answer.status == 400
    assert fields_of(answer) == {"namespace"}


def test_a_namespace_of_128_characters_is_a_name() -> None:
    assert start("x" * 128)["namespace"] == "x" * 128


def test_a_started_session_can_be_read() -> None:
    started = start(metadata={"topic": "Überblick", "n": [1, 2.5, None, True, {"deep": "er"}]})

    answer = call("GET", f"/v1/sessions/{started['id']}", who=READER)

    assert answer.status == 200
    assert answer.body == started


@pytest.mark.parametrize("text", [None, "", "{}", '{"summary": null}', '{"summary": ""}'])
def test_a_session_can_be_ended_with_nothing_to_say(text: str | None) -> None:
    session = start()

    answer = call("POST", f"/v1/sessions/{session['id']}/end", text=text)

    assert answer.status == 200
    ended = answer.body["session"]
    assert (ended["ended_at"], ended["ended_reason"]) == (NOW, "client")
    assert ended["summary"] is None
    assert answer.body["memory_count"] == 0


def test_a_session_can_be_ended_by_clients_that_send_json_null() -> None:
    session = start()

    answer = call("POST", f"/v1/sessions/{session['id']}/end", text="null")

    assert answer.status == 200


def test_a_session_can_be_ended_with_a_summary() -> None:
    session = start()

    answer = call("POST", f"/v1/sessions/{session['id']}/end", {"summary": "Chose PostgreSQL"})

    assert answer.status == 200
    assert answer.body["session"]["summary"] == "Chose PostgreSQL"
    read = call("GET", f"/v1/sessions/{session['id']}").body
    assert read == answer.body["session"]


@pytest.mark.parametrize("value", [0, 1, "false"])
def test_a_number_or_a_text_does_not_say_whether_to_sum_up(value: object) -> None:
    session = start()

    answer = call("POST", f"/v1/sessions/{session['id']}/end", {"auto_summarize": value})

    assert (answer.status, answer.body["errors"][0]["field"]) == (400, "auto_summarize")
    assert call("GET", f"/v1/sessions/{session['id']}").body["ended_at"] is None


def test_ending_a_session_twice_answers_its_first_end(clock: Clock) -> None:
    session = start()
    first = call("POST", f"/v1/sessions/{session['id']}/end", {"summary": "first"})
    clock.pass_seconds(60)

    second = call("POST", f"/v1/sessions/{session['id']}/end", {"summary": "second"})

    assert second.status == 200
    assert second.body == first.body


def test_a_summary_of_10000_bytes_is_kept_and_one_more_is_refused_by_name() -> None:
    session = start()
    path = f"/v1/sessions/{session['id']}/end"

    refused = call("POST", path, {"summary": "ü" * 5_000 + "x"})
    kept = call("POST", path, {"summary": "ü" * 5_000})

    assert refused.status == 400
    assert fields_of(refused) == {"summary"}
    assert "10,000" in refused.body["detail"]
    assert kept.status == 200


def test_a_session_past_its_idle_deadline_reads_as_ended(clock: Clock) -> None:
    session = start(idle_timeout_secs=60)
    clock.pass_seconds(60)

    read = call("GET", f"/v1/sessions/{session['id']}").body

    assert (read["ended_at"], read["ended_reason"]) == (NOW + 60, "idle")
    assert read["idle_since"] == NOW


def test_touching_a_session_tells_its_new_deadline(clock: Clock) -> None:
    session = start(idle_timeout_secs=60)
    clock.pass_seconds(50)

    answer = call("POST", f"/v1/sessions/{session['id']}/touch")

    assert answer.status == 200
    assert answer.body["session_state"] == "active"
    assert answer.body["idle_deadline_at"] == NOW + 110
    assert answer.body["session"]["last_activity_at"] == NOW + 50


def test_touching_an_idle_session_tells_that_it_has_ended(clock: Clock) -> None:
    session = start(idle_timeout_secs=60)
    clock.pass_seconds(60)

    answer = call("POST", f"/v1/sessions/{session['id']}/touch")

    assert answer.status == 200
    assert answer.body["session_state"] == "ended"
    assert answer.body["idle_deadline_at"] is None


def test_a_session_that_never_was_is_not_found() -> None:
    for method, path in (
        ("GET", "/v1/sessions/ses_none"),
        ("POST", "/v1/sessions/ses_none/end"),
        ("POST", "/v1/sessions/ses_none/touch"),
    ):
        answer = call(method, path)

        assert (answer.status, answer.code) == (404, "SESSION_NOT_FOUND")
        assert answer.body["resource"] == "session"


def test_another_namespaces_session_looks_as_if_it_never_was() -> None:
    session = start("user-bob")

    for method, suffix in (("GET", ""), ("POST", "/end"), ("POST", "/touch")):
        of_bob = call(method, f"/v1/sessions/{session['id']}{suffix}", who=EVE)
        of_nobody = call(method, f"/v1/sessions/ses_none{suffix}", who=EVE)

        assert of_bob.status == 404
        assert of_bob.body == of_nobody.body
    assert call("GET", f"/v1/sessions/{session['id']}").body == session


def test_another_tenants_session_looks_as_if_it_never_was() -> None:
    session = start("user-bob")

    answer = call("GET", f"/v1/sessions/{session['id']}", who=caller(tenant="umbrella"))

    assert answer.status == 404


def test_naming_another_namespace_is_denied() -> None:
    start("user-bob")
    before = stored_items()

    answers = [
        call("POST", "/v1/sessions/start", {"namespace": "user-bob"}, who=EVE),
        call("GET", "/v1/sessions", query={"namespace": "user-bob"}, who=EVE),
        call("GET", "/v1/sessions", query={"agent_id": "user-bob"}, who=EVE),
        call("GET", "/v1/agents/user-bob/sessions", who=EVE),
    ]

    assert {(answer.status, answer.code) for answer in answers} == {
        (403, "NAMESPACE_ACCESS_DENIED")
    }
    assert stored_items() == before


def test_a_key_that_reads_cannot_write() -> None:
    session = start()

    answers = [
        call("POST", "/v1/sessions/start", {"namespace": "user-bob"}, who=READER),
        call("POST", f"/v1/sessions/{session['id']}/end", who=READER),
        call("POST", f"/v1/sessions/{session['id']}/touch", who=READER),
    ]

    assert {(answer.status, answer.code) for answer in answers} == {(403, "INSUFFICIENT_SCOPE")}
    assert call("GET", f"/v1/sessions/{session['id']}").body == session


@pytest.mark.parametrize("scope", [Scope.WRITE, Scope.ADMIN])
def test_a_key_that_writes_can_read(scope: Scope) -> None:
    assert call("GET", "/v1/sessions", who=caller(scope=scope)).status == 200


@pytest.mark.parametrize("code", ["AUTHENTICATION_REQUIRED", "INVALID_API_KEY", "API_KEY_EXPIRED"])
def test_a_caller_whom_the_authorizer_denied_is_told_why(code: str) -> None:
    answer = call("GET", "/v1/sessions", who={"denied": code, "reason": "this key is no good"})

    assert (answer.status, answer.code) == (401, code)
    assert answer.body["detail"] == "this key is no good"
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(
    "who",
    [
        None,
        {},
        {"tenant": "acme"},
        {"tenant": "acme", "key_id": "k", "scope": "write"},
        {"tenant": "acme", "key_id": "k", "namespaces": "null"},
        {"tenant": "acme", "key_id": "k", "scope": "root", "namespaces": "null"},
        {"key_id": "k", "scope": "write", "namespaces": "null"},
    ],
    ids=str,
)
def test_a_caller_whom_the_authorizer_does_not_vouch_for_is_nobody(
    who: dict[str, str] | None,
) -> None:
    answer = call("GET", "/v1/sessions", who=who)

    assert (answer.status, answer.code) == (401, "AUTHENTICATION_REQUIRED")


def test_an_unknown_caller_learns_nothing_of_what_is_wrong_with_the_request() -> None:
    answer = call("POST", "/v1/sessions/start", text="{", who=None)

    assert answer.status == 401


def test_the_caller_of_one_request_is_not_the_caller_of_the_next() -> None:
    start("user-bob")
    call("GET", "/v1/sessions", who=caller(scope=Scope.ADMIN))

    assert call("GET", "/v1/sessions", who=None).status == 401
    assert call("GET", "/v1/sessions", who=EVE).body["sessions"] == []


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "",
        "nonsense",
        '{"namespace": "user-bob"',
        "{'namespace': 'user-bob'}",
        "\x00",
        "\ufeff{}",
    ],
)
def test_a_body_that_is_not_json_is_refused(text: str) -> None:
    answer = call("POST", "/v1/sessions/start", text=text)

    assert (answer.status, answer.code) == (400, "INVALID_REQUEST")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert stored_items() == []


@pytest.mark.parametrize("text", [None, "null", "[]", '"user-bob"', "7", "true", '[{"a": 1}]'])
def test_a_body_that_is_not_an_object_is_refused(text: str | None) -> None:
    answer = call("POST", "/v1/sessions/start", text=text)

    assert (answer.status, answer.code) == (400, "INVALID_REQUEST")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e400", "-1e400"])
@pytest.mark.parametrize("metadata", ['{{"x": {}}}', '{{"x": [{{"y": {}}}]}}'])
def test_a_number_that_json_does_not_have_is_refused(number: str, metadata: str) -> None:
    text = f'{{"namespace": "user-bob", "metadata": {metadata.format(number)}}}'

    answer = call("POST", "/v1/sessions/start", text=text)

    assert (answer.status, answer.code) == (400, "INVALID_REQUEST")
    assert stored_items() == []


def test_a_number_of_5000_digits_is_refused() -> None:
    text = f'{{"namespace": "user-bob", "metadata": {{"x": {"9" * 5_000}}}}}'

    answer = call("POST", "/v1/sessions/start", text=text)

    assert (answer.status, answer.code) == (400, "INVALID_REQUEST")


@pytest.mark.parametrize("levels", [21, 100, 300, 500, 900, 2_000, 50_000])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_metadata_nested_too_deep_is_refused(levels: int, opening: str, closing: str) -> None:
    nested = opening * levels + "1" + closing * levels
    text = f'{{"namespace": "user-bob", "metadata": {{"x": {nested}}}}}'

    answer = call("POST", "/v1/sessions/start", text=text)

    assert (answer.status, answer.code) == (400, "INVALID_REQUEST")
    assert stored_items() == []


def test_a_whole_body_nested_too_deep_is_refused() -> None:
    answer = call("POST", "/v1/sessions/start", text="[" * 100_000)

    assert (answer.status, answer.code) == (400, "INVALID_REQUEST")


@pytest.mark.parametrize(
    "metadata",
    [
        {"x": "\ud800"},
        {"x": ["\udfff"]},
        {"x": {"y": "\ud83d"}},
        {"\ud800": 1},
        {"x": {"\ud800": 1}},
    ],
    ids=ascii,
)
def test_metadata_with_half_a_character_is_refused(metadata: dict[str, Any]) -> None:
    answer = call("POST", "/v1/sessions/start", {"namespace": "user-bob", "metadata": metadata})

    assert (answer.status, answer.code) == (400, "INVALID_REQUEST")
    assert stored_items() == []


@pytest.mark.parametrize("field", ["namespace", "agent_id", "idle_timeout_secs", "\ud800"])
def test_half_a_character_anywhere_else_is_no_error_of_ours(field: str) -> None:
    answer = call("POST", "/v1/sessions/start", {"namespace": "user-bob", field: "\ud800"})

    assert answer.status == (201 if field == "\ud800" else 400)


def test_a_summary_with_half_a_character_is_refused_by_name() -> None:
    session = start()

    answer = call("POST", f"/v1/sessions/{session['id']}/end", {"summary": "\ud800"})

    assert answer.status == 400
    assert fields_of(answer) == {"summary"}


def test_a_body_that_is_not_utf_8_is_refused() -> None:
    body = base64.b64encode(b'{"namespace": "user-b\xf6b"}').decode()

    answer = call("POST", "/v1/sessions/start", text=body, encoded=True)

    assert (answer.status, answer.code) == (400, "INVALID_REQUEST")


def test_a_body_that_came_in_base64_is_read() -> None:
    body = base64.b64encode(b'{"namespace": "user-bob"}').decode()

    assert call("POST", "/v1/sessions/start", text=body, encoded=True).status == 201


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/xml",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "",
    ],
)
def test_a_body_that_says_it_is_not_json_is_refused(content_type: str) -> None:
    answer = call(
        "POST",
        "/v1/sessions/start",
        {"namespace": "user-bob"},
        headers={"content-type": content_type},
    )

    assert (answer.status, answer.code) == (415, "UNSUPPORTED_MEDIA_TYPE")
    assert stored_items() == []


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "application/json; charset=utf-8", "Application/JSON"],
)
def test_a_body_that_says_it_is_json_is_read(content_type: str) -> None:
    answer = call(
        "POST",
        "/v1/sessions/start",
        {"namespace": "user-bob"},
        headers={"content-type": content_type},
    )

    assert answer.status == 201


def test_a_request_without_a_body_may_say_any_content_type() -> None:
    answer = call("GET", "/v1/sessions", headers={"content-type": "text/plain"})

    assert answer.status == 200


def test_every_field_that_is_wrong_is_named() -> None:
    answer = call(
        "POST",
        "/v1/sessions/start",
        {"namespace": 7, "metadata": "web", "idle_timeout_secs": -1},
    )

    assert answer.status == 400
    assert fields_of(answer) == {"namespace", "metadata", "idle_timeout_secs"}
    assert "(and 2 more)" in answer.body["detail"]
    assert all(field in answer.body["details"] for field in fields_of(answer))


@pytest.mark.parametrize("metadata", ["web", 7, [], [["a", 1]], True])
def test_metadata_that_is_not_an_object_is_refused_by_name(metadata: object) -> None:
    answer = call("POST", "/v1/sessions/start", {"namespace": "user-bob", "metadata": metadata})

    assert answer.status == 400
    assert fields_of(answer) == {"metadata"}


def test_an_unexpected_failure_tells_the_request_id_and_nothing_of_its_cause(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("secret cause at /var/task")

    monkeypatch.setattr(session_table, "get", fail)

    answer = call("GET", "/v1/sessions/ses_1")

    assert (answer.status, answer.code) == (500, "INTERNAL_ERROR")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert REQUEST_ID in answer.body["detail"]
    assert set(answer.body) == {"type", "title", "status", "detail", "error", "code"}
    assert not any(
        word in json.dumps(answer.body) for word in ("secret", "ZeroDivision", "Traceback", "/var")
    )


def test_sessions_are_listed_newest_first_with_their_total(clock: Clock) -> None:
    started = []
    for _ in range(3):
        started.append(start()["id"])
        clock.pass_seconds(1)

    answer = call("GET", "/v1/sessions", query={"namespace": "user-bob"})

    assert answer.status == 200
    assert [one["id"] for one in answer.body["sessions"]] == started[::-1]
    assert answer.body["total"] == 3


def test_a_page_of_sessions_still_tells_the_total(clock: Clock) -> None:
    started = []
    for _ in range(5):
        started.append(start()["id"])
        clock.pass_seconds(1)

    page = call("GET", "/v1/sessions", query={"limit": "2", "offset": "1"}).body

    assert [one["id"] for one in page["sessions"]] == [started[3], started[2]]
    assert page["total"] == 5


def test_a_page_past_the_end_is_empty() -> None:
    start()

    page = call("GET", "/v1/sessions", query={"offset": "1000000"}).body

    assert page == {"sessions": [], "total": 1}


def test_a_key_lists_only_the_namespaces_that_it_opens() -> None:
    of_bob = start("user-bob")
    start("user-eve")
    start("team-a")

    listed = call("GET", "/v1/sessions", who=BOB).body
    of_users = call("GET", "/v1/sessions", who=caller(namespaces=("user-*",))).body

    assert listed == {"sessions": [of_bob], "total": 1}
    assert of_users["total"] == 2


def test_an_empty_namespace_in_the_query_is_absent() -> None:
    start("user-bob")
    start("user-eve")

    listed = call("GET", "/v1/sessions", query={"namespace": "", "agent_id": "user-eve"}).body

    assert [one["namespace"] for one in listed["sessions"]] == ["user-eve"]


@pytest.mark.parametrize("value", ["true", "True", "1"])
def test_active_only_leaves_out_what_ended(value: str) -> None:
    ended, active = start(), start()
    call("POST", f"/v1/sessions/{ended['id']}/end")

    listed = call("GET", "/v1/sessions", query={"active_only": value}).body

    assert [one["id"] for one in listed["sessions"]] == [active["id"]]
    assert listed["total"] == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("limit", "0"),
        ("limit", "501"),
        ("limit", "many"),
        ("limit", "1,2"),
        ("offset", "-1"),
        ("offset", "1000001"),
        ("active_only", "perhaps"),
        ("namespace", "a/b"),
        ("agent_id", "a b"),
    ],
)
def test_a_query_out_of_bounds_is_refused_by_name(field: str, value: str) -> None:
    answer = call("GET", "/v1/sessions", query={field: value})

    assert answer.status == 400
    assert fields_of(answer) == {field}


def test_an_agents_sessions_are_a_bare_array(clock: Clock) -> None:
    first = start("user-bob")
    clock.pass_seconds(1)
    second = start("user-bob")
    start("user-eve")

    answer = call("GET", "/v1/agents/user-bob/sessions")
    newest = call("GET", "/v1/agents/user-bob/sessions", query={"limit": "1"})

    assert answer.status == 200
    assert answer.body == [second, first]
    assert newest.body == [second]


def test_an_agents_active_sessions_are_listed_alone() -> None:
    ended, active = start(), start()
    call("POST", f"/v1/sessions/{ended['id']}/end")

    answer = call("GET", "/v1/agents/user-bob/sessions", query={"active_only": "true"})

    assert answer.body == [active]


def test_an_agent_without_sessions_has_an_empty_array() -> None:
    assert call("GET", "/v1/agents/nobody/sessions").body == []


@pytest.mark.parametrize("id", ["ses 1", "-1", "x" * 129, "ses_ü", "ses%23", "a,b"])
@pytest.mark.parametrize(("method", "suffix"), [("GET", ""), ("POST", "/end"), ("POST", "/touch")])
def test_an_id_that_cannot_be_one_is_refused_by_name(method: str, suffix: str, id: str) -> None:
    answer = call(method, f"/v1/sessions/{id}{suffix}")

    assert (answer.status, answer.code) == (400, "INVALID_REQUEST")
    assert fields_of(answer) == {"session_id"}


def test_an_id_that_a_client_chose_elsewhere_can_hold_a_colon(session: MakeSession) -> None:
    session_table.create(session("bob:2026-11-24"))

    assert call("GET", "/v1/sessions/bob:2026-11-24").status == 200


def test_every_answer_tells_where_its_time_went() -> None:
    answer = call("GET", "/v1/sessions")

    assert "dynamodb;dur=" in answer.headers["Server-Timing"]
    assert "total;dur=" in answer.headers["Server-Timing"]


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda children: (
        st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=5), children, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.text(max_size=8), json_values, max_size=5))
def test_any_metadata_that_is_json_comes_back_as_it_was(metadata: dict[str, Any]) -> None:
    started = start(metadata=metadata)

    assert call("GET", f"/v1/sessions/{started['id']}").body["metadata"] == metadata


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    json_values
    | st.dictionaries(
        st.sampled_from(["namespace", "agent_id", "metadata", "idle_timeout_secs"]), json_values
    )
)
def test_no_body_whatever_is_answered_500(body: object) -> None:
    answer = call("POST", "/v1/sessions/start", text=json.dumps(body))

    assert answer.status in (201, 400, 415)
