"""The key routes: who may make, see, change and end which keys."""

from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

import pytest

from cross_session.adapters import key_table
from cross_session.domain.access import Principal, Scope
from cross_session.errors import NamespaceDeniedError, ScopeInsufficientError
from cross_session.keys import issue
from functions import authorizer, keys
from infra.local.environments import Context
from tests.unit.conftest import NOW, Answer, Clock, caller, calls, stored_items

pytestmark = pytest.mark.usefixtures("table")

call = calls(keys)

ROOT = caller(scope=Scope.ADMIN)
TEAM = caller(scope=Scope.ADMIN, namespaces=("team-*", "shared"))
DAY = 86_400


@pytest.fixture(autouse=True)
def clock(clock_in: Callable[[ModuleType], Clock]) -> Clock:
    clock_in(authorizer)
    return clock_in(keys)


def create(who: Mapping[str, str] = ROOT, **fields: Any) -> dict[str, Any]:
    answer = call("POST", "/admin/keys", {"name": "phone", "scope": "write"} | fields, who=who)
    assert answer.status == 201, answer
    made: dict[str, Any] = answer.body
    return made


def ids(answer: Answer) -> list[str]:
    assert answer.body["total"] == len(answer.body["keys"])
    return [key["key_id"] for key in answer.body["keys"]]


def authorized(secret: str) -> dict[str, str]:
    event = {"headers": {"authorization": f"Bearer {secret}"}}
    said: dict[str, str] = authorizer.handler(event, Context("authorizer"))["context"]
    return said


def test_a_made_key_is_shown_once_and_opens_what_was_asked_for() -> None:
    made = create(namespaces=["user-*", "shared"], expires_in_days=30)

    who = authorized(made["key"])

    assert who["namespaces"] == '["user-*", "shared"]'
    assert (who["scope"], who["tenant"], who["key_id"]) == ("write", "acme", made["key_id"])
    assert made["expires_at"] == NOW + 30 * DAY
    assert "not shown again" in made["warning"]
    shown = call("GET", f"/admin/keys/{made['key_id']}", who=ROOT).body
    assert shown == {
        "key_id": made["key_id"],
        "name": "phone",
        "scope": "write",
        "namespaces": ["user-*", "shared"],
        "created_at": NOW,
        "expires_at": NOW + 30 * DAY,
        "active": True,
        "replaced_by": None,
        "rate_limit_per_minute": None,
        "daily_quota": None,
    }


def test_no_secret_is_ever_kept_or_listed() -> None:
    made = create()

    secret = made["key"].removeprefix("dk-")
    assert secret not in repr(stored_items())
    assert secret not in repr(call("GET", "/admin/keys", who=ROOT).body)


@pytest.mark.parametrize(("namespaces", "granted"), [(None, None), ([], []), (["*"], ["*"])])
def test_no_namespaces_and_all_of_them_are_told_apart(
    namespaces: list[str] | None, granted: list[str] | None
) -> None:
    assert create(namespaces=namespaces)["namespaces"] == granted


def test_the_protocols_name_of_an_agents_namespace_is_understood() -> None:
    assert create(namespaces=["_dakera_agent_bob-*"])["namespaces"] == ["bob-*"]


def test_super_admin_is_admin() -> None:
    assert create(scope="super_admin")["scope"] == "admin"


def test_keys_are_listed_newest_first(clock: Clock) -> None:
    made = []
    for _ in range(3):
        made.append(create()["key_id"])
        clock.pass_seconds(1)

    assert ids(call("GET", "/admin/keys", who=ROOT)) == made[::-1]


def test_more_keys_than_one_read_holds_are_all_listed() -> None:
    made = {create()["key_id"] for _ in range(130)}

    assert set(ids(call("GET", "/admin/keys", who=ROOT))) == made


def test_a_number_is_whole_by_its_value() -> None:
    body = {"name": "phone", "scope": "read", "rate_limit_per_minute": 7.0}

    made = call("POST", "/admin/keys", body, who=ROOT)

    assert made.status == 201
    assert authorized(made.body["key"])["rate_limit_per_minute"] == "7"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 129}, "name"),
        ({"scope": "root"}, "scope"),
        ({"scope": None}, "scope"),
        ({"namespaces": ["no spaces"]}, "namespaces[0]"),
        ({"namespaces": ["a*b"]}, "namespaces[0]"),
        ({"namespaces": ["user-*\n"]}, "namespaces[0]"),
        ({"namespaces": ["a"] * 101}, "namespaces"),
        ({"expires_in_days": 0}, "expires_in_days"),
        ({"rate_limit_per_minute": 0}, "rate_limit_per_minute"),
        ({"rate_limit_per_minute": 7.5}, "rate_limit_per_minute"),
        ({"daily_quota": -1}, "daily_quota"),
    ],
    ids=str,
)
def test_a_key_that_cannot_be_made_names_the_field(fields: dict[str, Any], field: str) -> None:
    body = {"name": "phone", "scope": "read"} | fields

    answer = call("POST", "/admin/keys", body, who=ROOT)

    assert answer.status == 400
    assert [one["field"] for one in answer.body["errors"]] == [field]
    assert stored_items() == []


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/admin/keys", {"name": "x", "scope": "read", "permissions": ["read"]}),
        ("POST", "/admin/keys", {"name": "x", "scope": "read", "expires_at": "2030-01-01"}),
        ("POST", "/v1/namespaces/bob/keys", {"name": "x", "scope": "read", "namespaces": []}),
        ("PATCH", "/admin/keys/key_1", {"scope": "admin"}),
        ("POST", "/admin/keys/key_1/rotate", {"grace_seconds": 1}),
    ],
    ids=str,
)
def test_a_field_that_nothing_reads_is_refused(
    method: str, path: str, body: dict[str, Any]
) -> None:
    answer = call(method, path, body, who=ROOT)

    assert (answer.status, answer.code) == (422, "UNPROCESSABLE_CONTENT")
    assert stored_items() == []


@pytest.mark.parametrize(
    "namespaces", [None, ["*"], ["user-bob"], ["t*"], ["team"], ["team-a", "other"], ["shared*"]]
)
def test_a_key_never_grants_namespaces_that_its_maker_does_not_have(
    namespaces: list[str] | None,
) -> None:
    body = {"name": "x", "scope": "read", "namespaces": namespaces}

    answer = call("POST", "/admin/keys", body, who=TEAM)

    assert (answer.status, answer.code) == (403, "NAMESPACE_ACCESS_DENIED")
    assert "team-*, shared" in answer.body["detail"]
    assert stored_items() == []


@pytest.mark.parametrize("namespaces", [[], ["team-*"], ["team-a*"], ["team-red", "shared"]])
def test_a_key_may_grant_a_part_of_what_its_maker_has(namespaces: list[str]) -> None:
    assert create(TEAM, namespaces=namespaces)["namespaces"] == namespaces


def test_a_key_never_grants_a_scope_that_its_maker_does_not_have() -> None:
    maker = Principal(tenant="acme", key_id="key_1", scope=Scope.READ, namespaces=None)

    with pytest.raises(ScopeInsufficientError, match="cannot grant write"):
        issue(maker, name="x", scope=Scope.WRITE, namespaces=(), now=NOW)


def test_a_maker_with_no_namespace_grants_none() -> None:
    maker = Principal(tenant="acme", key_id="key_1", scope=Scope.ADMIN, namespaces=())

    with pytest.raises(NamespaceDeniedError, match="opens none"):
        issue(maker, name="x", scope=Scope.READ, namespaces=("bob",), now=NOW)


def test_keys_of_more_than_the_callers_namespaces_look_absent() -> None:
    others = [create(namespaces=one) for one in (None, ["user-bob"], ["team-a", "user-bob"])]
    own = create(namespaces=["team-a"])

    assert ids(call("GET", "/admin/keys", who=TEAM)) == [own["key_id"]]
    for other in others:
        for method, path, body in (
            ("GET", "", None),
            ("PATCH", "", {"name": "x"}),
            ("DELETE", "", None),
            ("POST", "/deactivate", None),
            ("POST", "/rotate", None),
            ("GET", "/usage", None),
        ):
            answer = call(method, f"/admin/keys/{other['key_id']}{path}", body, who=TEAM)
            assert (answer.status, answer.code) == (404, "API_KEY_NOT_FOUND")


def test_another_tenants_keys_look_absent() -> None:
    made = create()
    stranger = caller(tenant="other", scope=Scope.ADMIN)

    assert ids(call("GET", "/admin/keys", who=stranger)) == []
    assert call("GET", f"/admin/keys/{made['key_id']}", who=stranger).status == 404
    assert call("DELETE", f"/admin/keys/{made['key_id']}", who=stranger).status == 404
    assert authorized(made["key"])["tenant"] == "acme"


@pytest.mark.parametrize("scope", [Scope.READ, Scope.WRITE])
def test_keys_are_for_admins_alone(scope: Scope) -> None:
    for method, path in (("GET", "/admin/keys"), ("GET", "/v1/namespaces/bob/keys")):
        answer = call(method, path, who=caller(scope=scope))

        assert (answer.status, answer.code) == (403, "INSUFFICIENT_SCOPE")


def test_a_changed_key_opens_what_it_was_changed_to() -> None:
    made = create(namespaces=["user-bob"])
    path = f"/admin/keys/{made['key_id']}"

    changed = call(
        "PATCH", path, {"name": "tablet", "namespaces": ["user-eve"], "daily_quota": 5}, who=ROOT
    ).body

    assert (changed["name"], changed["namespaces"], changed["daily_quota"]) == (
        "tablet",
        ["user-eve"],
        5,
    )
    who = authorized(made["key"])
    assert (who["name"], who["namespaces"], who["daily_quota"]) == ("tablet", '["user-eve"]', "5")


def test_null_takes_a_limit_away_and_grants_all_namespaces() -> None:
    made = create(namespaces=["user-bob"], rate_limit_per_minute=7, daily_quota=9)
    body = {"namespaces": None, "rate_limit_per_minute": None, "daily_quota": None}

    changed = call("PATCH", f"/admin/keys/{made['key_id']}", body, who=ROOT).body

    assert (changed["namespaces"], changed["rate_limit_per_minute"]) == (None, None)
    assert authorized(made["key"])["rate_limit_per_minute"] == "6000"


@pytest.mark.parametrize("namespaces", [None, ["user-bob"]])
def test_a_key_is_never_changed_to_more_than_the_caller_has(namespaces: list[str] | None) -> None:
    made = create(namespaces=["team-a"])

    answer = call("PATCH", f"/admin/keys/{made['key_id']}", {"namespaces": namespaces}, who=TEAM)

    assert (answer.status, answer.code) == (403, "NAMESPACE_ACCESS_DENIED")
    assert authorized(made["key"])["namespaces"] == '["team-a"]'


@pytest.mark.parametrize("body", [{}, {"name": None}])
def test_a_change_that_sets_nothing_is_refused(body: dict[str, Any]) -> None:
    made = create()

    assert call("PATCH", f"/admin/keys/{made['key_id']}", body, who=ROOT).status == 400


def test_a_deactivated_key_stops_and_stays_on_record() -> None:
    made = create()
    path = f"/admin/keys/{made['key_id']}"

    done = [call("POST", f"{path}/deactivate", who=ROOT) for _ in range(2)]

    assert [one.body["success"] for one in done] == [True, True]
    assert authorized(made["key"])["denied"] == "INVALID_API_KEY"
    assert call("GET", path, who=ROOT).body["active"] is False
    assert call("PATCH", path, {"name": "x"}, who=ROOT).status == 409
    assert call("POST", f"{path}/rotate", who=ROOT).status == 409


def test_a_deleted_key_stops_and_leaves_nothing() -> None:
    made = create()
    path = f"/admin/keys/{made['key_id']}"

    assert call("DELETE", path, who=ROOT).body["success"] is True

    assert authorized(made["key"])["denied"] == "INVALID_API_KEY"
    assert call("DELETE", path, who=ROOT).status == 404
    audited = [item for item in stored_items() if item["pk"]["S"].startswith("AUDIT#")]
    assert stored_items() == audited


def test_a_rotated_key_ends_at_once_and_the_new_one_opens_the_same(clock: Clock) -> None:
    made = create(namespaces=["user-bob"], expires_in_days=30, rate_limit_per_minute=7)
    clock.pass_seconds(DAY)

    rotated = call("POST", f"/admin/keys/{made['key_id']}/rotate", who=ROOT).body

    assert (rotated["old_key_id"], rotated["old_key_expires_at"]) == (made["key_id"], None)
    assert authorized(made["key"])["denied"] == "INVALID_API_KEY"
    who = authorized(rotated["new_key"])
    assert (who["key_id"], who["namespaces"]) == (rotated["key_id"], '["user-bob"]')
    assert (who["rate_limit_per_minute"], who["expires_at"]) == ("7", str(NOW + 31 * DAY))


def test_within_its_grace_a_rotated_key_stays_good(
    clock_in: Callable[[ModuleType], Clock],
) -> None:
    made = create()
    body = {"grace_secs": 3_600}

    rotated = call("POST", f"/admin/keys/{made['key_id']}/rotate", body, who=ROOT).body

    assert rotated["old_key_expires_at"] == NOW + 3_600
    later = clock_in(authorizer)
    later.pass_seconds(3_599)
    assert authorized(made["key"])["key_id"] == made["key_id"]
    later.pass_seconds(1)
    assert authorized(made["key"])["denied"] == "API_KEY_EXPIRED"
    assert authorized(rotated["new_key"])["tenant"] == "acme"


def test_a_grace_never_lengthens_a_keys_life() -> None:
    made = create(expires_in_days=1)
    body = {"grace_secs": 604_800}

    rotated = call("POST", f"/admin/keys/{made['key_id']}/rotate", body, who=ROOT).body

    assert rotated["old_key_expires_at"] == NOW + DAY


def test_a_key_is_rotated_once() -> None:
    path = f"/admin/keys/{create()['key_id']}/rotate"
    first = call("POST", path, {"grace_secs": 60}, who=ROOT)

    again = call("POST", path, {"grace_secs": 60}, who=ROOT)

    assert (first.status, again.status, again.code) == (200, 409, "CONFLICT")
    assert len(ids(call("GET", "/admin/keys", who=ROOT))) == 2


def test_two_rotations_at_once_make_one_key() -> None:
    made = create()
    old = key_table.get("acme", made["key_id"])
    call("POST", f"/admin/keys/{made['key_id']}/rotate", who=ROOT)

    with pytest.raises(Exception, match="changed meanwhile"):
        key_table.replace(old, old, "dk-second", old_expires_at=None)

    assert key_table.find("dk-second") is None


def test_an_expired_key_is_not_rotated(clock: Clock) -> None:
    made = create(expires_in_days=1)
    clock.pass_seconds(DAY)

    assert call("POST", f"/admin/keys/{made['key_id']}/rotate", who=ROOT).status == 409


@pytest.mark.parametrize("grace_secs", [-1, 604_801, "soon"])
def test_a_grace_has_a_bound(grace_secs: object) -> None:
    made = create()
    body = {"grace_secs": grace_secs}

    answer = call("POST", f"/admin/keys/{made['key_id']}/rotate", body, who=ROOT)

    assert answer.status == 400


def test_a_namespaces_key_opens_that_namespace_and_the_extra_ones() -> None:
    body = {"name": "x", "scope": "read", "extra_namespaces": ["team-*", "user-bob"]}

    made = call("POST", "/v1/namespaces/user-bob/keys", body, who=ROOT).body

    assert made["namespace"] == "user-bob"
    assert made["namespaces"] == ["user-bob", "team-*"]
    assert authorized(made["key"])["namespaces"] == '["user-bob", "team-*"]'


def test_a_namespaces_keys_are_those_that_open_it() -> None:
    opening = [create(namespaces=one)["key_id"] for one in (["user-bob"], ["user-*"], None)]
    create(namespaces=["user-eve"])
    create(namespaces=[])

    listed = call("GET", "/v1/namespaces/user-bob/keys", who=ROOT)

    assert listed.body["namespace"] == "user-bob"
    assert set(ids(listed)) == set(opening)
    assert ids(call("GET", "/v1/namespaces/_dakera_agent_user-bob/keys", who=ROOT)) == ids(listed)


def test_a_namespaces_key_is_changed_and_deleted_under_its_namespace_alone() -> None:
    made = create(namespaces=["team-a"])
    path = f"/keys/{made['key_id']}"

    assert call("PATCH", f"/v1/namespaces/team-b{path}", {"name": "x"}, who=TEAM).status == 404
    assert call("DELETE", f"/v1/namespaces/team-b{path}", who=TEAM).status == 404
    assert call("GET", f"/v1/namespaces/team-b{path}/usage", who=TEAM).status == 404
    changed = call("PATCH", f"/v1/namespaces/team-a{path}", {"name": "x"}, who=TEAM)
    assert changed.body["name"] == "x"
    used = call("GET", f"/v1/namespaces/team-a{path}/usage", who=TEAM)
    assert (used.body["namespace"], used.body["total_requests"]) == ("team-a", 0)
    assert call("DELETE", f"/v1/namespaces/team-a{path}", who=TEAM).body["success"] is True


def test_an_admin_of_other_namespaces_has_no_say_over_a_namespaces_keys() -> None:
    body = {"name": "x", "scope": "read"}

    answer = call("POST", "/v1/namespaces/user-bob/keys", body, who=TEAM)

    assert (answer.status, answer.code) == (403, "NAMESPACE_ACCESS_DENIED")


def test_whoami_tells_how_the_caller_is_read() -> None:
    who = caller(scope=Scope.READ, namespaces=("user-*",)) | {"name": "phone"}

    answer = call("GET", "/v1/auth/whoami", who=who)

    assert answer.body == {
        "key_id": "key_1",
        "name": "phone",
        "scope": "read",
        "namespaces": ["user-*"],
        "unrestricted": False,
        "expires_at": None,
        "grants_version": None,
        "inert_namespaces": [],
        "auth_enabled": True,
    }


@pytest.mark.parametrize("namespaces", [None, ("*",), ("user-bob", "*")])
def test_a_key_for_all_namespaces_is_unrestricted(namespaces: tuple[str, ...] | None) -> None:
    answer = call("GET", "/v1/auth/whoami", who=caller(namespaces=namespaces))

    assert answer.body["unrestricted"] is True
