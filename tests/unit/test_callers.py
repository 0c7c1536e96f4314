"""What a function makes of the caller whom the authorizer names: a key's holder or an end user."""

from collections.abc import Callable, Mapping
from types import ModuleType

import pytest

from cross_session import http_api, limits
from cross_session.domain.access import Scope
from cross_session.limits import Limiter
from functions import keys, sessions
from tests.unit.conftest import NOW, Clock, caller, calls

pytestmark = pytest.mark.usefixtures("table")

call = calls(sessions)

BOB = caller(namespaces=("user-bob",)) | {"end_user": "true", "key_id": "user-bob"}
EVE = caller(namespaces=("user-eve",)) | {"end_user": "true", "key_id": "user-eve"}


@pytest.fixture
def clock(clock_in: Callable[[ModuleType], Clock], monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Of the functions and of the limits, which nobody has used yet."""
    clock = clock_in(http_api)
    monkeypatch.setattr(http_api, "limiter", Limiter(clock))
    return clock


def start(who: Mapping[str, str], **body: object) -> str:
    answer = call("POST", "/v1/sessions/start", body, who=who)
    assert answer.status == 201, answer
    assert answer.body["session"]["namespace"] == answer.body["session"]["agent_id"]
    session_id: str = answer.body["session"]["id"]
    return session_id


def limited(limit: int, **more: str) -> dict[str, str]:
    return caller() | {"rate_limit_per_minute": str(limit)} | more


def test_a_user_need_not_name_their_namespace() -> None:
    session_id = start(BOB)

    assert call("GET", f"/v1/sessions/{session_id}", who=BOB).body["namespace"] == "user-bob"
    listed = call("GET", "/v1/sessions", who=BOB).body["sessions"]
    assert [one["id"] for one in listed] == [session_id]


@pytest.mark.parametrize("name", ["namespace", "agent_id"])
def test_a_user_may_name_their_namespace(name: str) -> None:
    start(BOB, **{name: "user-bob"})


def test_to_a_user_another_namespace_is_not_there() -> None:
    for method, path, body in (
        ("POST", "/v1/sessions/start", {"namespace": "user-eve"}),
        ("POST", "/v1/sessions/start", {"agent_id": "user-bobby"}),
    ):
        answer = call(method, path, body, who=BOB)
        assert (answer.status, answer.code) == (404, "NAMESPACE_NOT_FOUND")
    listed = call("GET", "/v1/sessions", who=BOB, query={"namespace": "user-eve"})
    assert (listed.status, listed.code) == (404, "NAMESPACE_NOT_FOUND")


def test_to_a_user_another_users_session_is_not_there() -> None:
    session_id = start(EVE)
    unknown = call("GET", "/v1/sessions/ses_none", who=BOB)

    seen = call("GET", f"/v1/sessions/{session_id}", who=BOB)

    assert (seen.status, seen.body) == (404, unknown.body)
    assert call("POST", f"/v1/sessions/{session_id}/end", {}, who=BOB).status == 404
    assert call("GET", "/v1/sessions", who=BOB).body == {"sessions": [], "total": 0}


def test_a_user_manages_no_keys() -> None:
    answer = calls(keys)("GET", "/admin/keys", who=BOB)

    assert (answer.status, answer.code) == (403, "INSUFFICIENT_SCOPE")


def test_a_key_for_one_namespace_need_not_name_it_and_is_told_of_others() -> None:
    key = caller(namespaces=("user-bob",))

    start(key)

    other = call("POST", "/v1/sessions/start", {"namespace": "user-eve"}, who=key)
    assert (other.status, other.code) == (403, "NAMESPACE_ACCESS_DENIED")


@pytest.mark.parametrize("namespaces", [None, (), ("user-*",), ("*",), ("user-bob", "user-eve")])
def test_a_key_for_any_other_number_of_namespaces_must_name_one(
    namespaces: tuple[str, ...] | None,
) -> None:
    start(BOB)  # which leaves nothing for whoever comes next

    answer = call("POST", "/v1/sessions/start", {}, who=caller(namespaces=namespaces))

    assert (answer.status, answer.body["errors"][0]["field"]) == (400, "namespace")


@pytest.mark.parametrize(
    ("who", "code"), [(caller(), "API_KEY_EXPIRED"), (BOB, "TOKEN_EXPIRED")], ids=["key", "user"]
)
def test_a_credential_expires_even_while_the_gateway_repeats_that_it_is_good(
    clock: Clock, who: dict[str, str], code: str
) -> None:
    who = who | {"expires_at": str(NOW + 5)}
    before = call("GET", "/v1/sessions", who=who)

    clock.pass_seconds(5)

    after = call("GET", "/v1/sessions", who=who)
    assert (before.status, after.status, after.code) == (200, 401, code)


def test_every_answer_says_how_much_may_still_be_asked(clock: Clock) -> None:
    clock.now = NOW - NOW % 60 + 12.0
    answers = [
        call("GET", "/v1/sessions", who=limited(5)),
        call("GET", "/v1/sessions/ses_none", who=limited(5)),
        call("POST", "/v1/sessions/start", {}, who=limited(5)),
        call("POST", "/v1/sessions/start", text="{", who=limited(5)),
        call("POST", "/v1/sessions/start", {"namespace": "a"}, who=limited(5, scope="read")),
        call("GET", "/v1/sessions", who=limited(5)),
    ]

    assert [answer.status for answer in answers] == [200, 404, 400, 400, 403, 429]
    told = [answer.headers["X-RateLimit-Remaining"] for answer in answers]
    assert told == ["4", "3", "2", "1", "0", "0"]
    assert {answer.headers["X-RateLimit-Limit"] for answer in answers} == {"5"}
    assert {answer.headers["X-RateLimit-Reset"] for answer in answers} == {str(NOW - NOW % 60 + 60)}


def test_over_the_limit_a_caller_is_told_when_to_come_back(clock: Clock) -> None:
    clock.now = NOW - NOW % 60 + 12.3
    call("GET", "/v1/sessions", who=limited(1))

    refused = call("GET", "/v1/sessions", who=limited(1))

    assert (refused.status, refused.code) == (429, "RATE_LIMIT_EXCEEDED")
    assert refused.headers["Retry-After"] == "48"
    assert "1 requests a minute" in refused.body["detail"]
    clock.pass_seconds(48)
    assert call("GET", "/v1/sessions", who=limited(1)).status == 200


def test_a_refused_request_does_nothing(clock: Clock) -> None:
    clock.now = float(NOW)
    start(limited(1), namespace="user-bob")

    refused = call("POST", "/v1/sessions/start", {"namespace": "user-bob"}, who=limited(1))

    assert refused.status == 429
    assert call("GET", "/v1/sessions").body["total"] == 1


def test_a_quota_is_told_and_held(clock: Clock) -> None:
    clock.now = NOW - NOW % 86_400 + 86_000.0
    who = limited(100, daily_quota="2")

    answers = [call("GET", "/v1/sessions", who=who) for _ in range(3)]

    assert [answer.status for answer in answers] == [200, 200, 429]
    assert [answer.headers["X-Quota-Used"] for answer in answers] == ["1", "2", "2"]
    assert answers[2].headers["X-Quota-Limit"] == "2"
    assert answers[2].headers["Retry-After"] == "400"
    assert "daily quota" in answers[2].body["detail"]


def test_an_unknown_caller_is_told_of_no_limits() -> None:
    answer = call("GET", "/v1/sessions", who={"denied": "INVALID_API_KEY", "reason": "unknown"})

    assert answer.status == 401
    assert not any(name.startswith("X-RateLimit") for name in answer.headers)


@pytest.mark.usefixtures("clock")
def test_a_keys_usage_is_there_for_its_admin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "TELL_AFTER_SECONDS", 0)
    admin = caller(scope=Scope.ADMIN)
    key = calls(keys)("POST", "/admin/keys", {"name": "x", "scope": "read"}, who=admin).body
    who = limited(100, key_id=key["key_id"])
    call("GET", "/v1/sessions", who=who)
    call("GET", "/v1/sessions/ses_none", who=who)

    usage = calls(keys)("GET", f"/admin/keys/{key['key_id']}/usage", who=admin).body

    assert usage["total_requests"] == 2
    assert (usage["successful_requests"], usage["failed_requests"]) == (1, 1)
    assert usage["rate_limited_requests"] == 0
    assert usage["bytes_transferred"] > 0
    assert usage["avg_latency_ms"] > 0
    assert usage["last_used_at"] == NOW
