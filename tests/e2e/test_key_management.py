"""Keys made and ended over HTTP by the public SDK's own calls, and the limits that they hold."""

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from dakera import AuthenticationError, AuthorizationError, DakeraClient, NotFoundError

from tests.e2e.service import Service

USAGE_LAG_SECONDS = 30


@pytest.fixture
def admin(service: Service) -> Iterator[DakeraClient]:
    with DakeraClient(service.url, api_key=service.key) as client:
        yield client


def holder(service: Service, key: str) -> DakeraClient:
    return DakeraClient(service.url, api_key=key)


def within_one_minute(seconds: float) -> None:
    """Waits, if need be, until the minute has this many seconds left."""
    left = 60 - time.time() % 60
    if left < seconds:
        time.sleep(left + 0.1)


def test_a_key_made_by_the_sdk_opens_what_it_was_made_for(
    service: Service, admin: DakeraClient, namespace: str
) -> None:
    made = admin.create_key("phone", scope="write", namespaces=[namespace], expires_in_days=1)

    with holder(service, made["key"]) as phone:
        me = phone.whoami()
        phone.store_memory(namespace, "Decided to use PostgreSQL")
        assert (me.key_id, me.name, me.scope) == (made["key_id"], "phone", "write")
        assert (me.namespaces, me.unrestricted, me.auth_enabled) == ([namespace], False, True)
        assert me.expires_at == made["expires_at"]
        with pytest.raises(AuthorizationError):
            phone.store_memory(f"{namespace}-other", "x")
        with pytest.raises(AuthorizationError):
            phone.create_key("more")


def test_the_sdk_lists_reads_changes_and_deletes_keys(
    service: Service, admin: DakeraClient, namespace: str
) -> None:
    made = admin.create_key("phone", scope="read", namespaces=[])
    key_id = made["key_id"]

    listed = admin.list_keys()
    assert key_id in [key["key_id"] for key in listed["keys"]]  # type: ignore[call-overload]
    changed = admin.update_key(key_id, name="tablet", namespaces=[f"{namespace}*"])
    assert (changed.name, changed.namespaces) == ("tablet", [f"{namespace}*"])
    assert admin.update_key(key_id, all_namespaces=True).namespaces is None
    assert admin.get_key(key_id)["name"] == "tablet"
    assert "key" not in admin.get_key(key_id)
    assert admin.delete_key(key_id)["success"] is True

    with pytest.raises(NotFoundError):
        admin.get_key(key_id)
    with holder(service, made["key"]) as gone, pytest.raises(AuthenticationError):
        gone.whoami()  # asked for the first time, so the gateway has no word kept


def test_the_sdk_rotates_a_key(service: Service, admin: DakeraClient, namespace: str) -> None:
    made = admin.create_key("phone", scope="read", namespaces=[namespace])

    rotated = admin.rotate_key(made["key_id"], grace_secs=3_600)

    assert rotated["old_key_id"] == made["key_id"]
    assert rotated["old_key_expires_at"] > time.time() + 3_000
    for key, key_id in ((made["key"], made["key_id"]), (rotated["new_key"], rotated["key_id"])):
        with holder(service, key) as client:
            assert client.whoami().key_id == key_id
    assert admin.deactivate_key(rotated["key_id"])["success"] is True
    assert admin.get_key(rotated["key_id"])["active"] is False


def test_the_sdk_manages_the_keys_of_a_namespace(
    service: Service, admin: DakeraClient, namespace: str
) -> None:
    root = admin.create_namespace_key(namespace, "team", scope="admin", expires_in_days=7)

    with holder(service, root.key) as team:
        made = team.create_namespace_key(namespace, "phone", scope="write")
        assert (made.namespace, made.namespaces) == (namespace, [namespace])
        listed = team.list_namespace_keys(namespace)
        assert {key.key_id for key in listed.keys} == {root.key_id, made.key_id}
        assert listed.total == 2
        assert team.update_namespace_key(namespace, made.key_id, name="tablet").name == "tablet"
        assert team.get_namespace_key_usage(namespace, made.key_id).total_requests == 0
        with pytest.raises(AuthorizationError):
            team.create_namespace_key(f"{namespace}-other", "x")
        with pytest.raises(AuthorizationError):
            team.update_namespace_key(namespace, made.key_id, all_namespaces=True)
        assert team.delete_namespace_key(namespace, made.key_id)["success"] is True


def test_a_limit_holds_over_all_environments_and_connections(
    service: Service, admin: DakeraClient
) -> None:
    key = httpx.post(
        f"{service.url}/admin/keys",
        json={"name": "x", "scope": "read", "namespaces": [], "rate_limit_per_minute": 20},
        headers={"Authorization": f"Bearer {service.key}"},
    ).json()
    headers = {"Authorization": f"Bearer {key['key']}"}
    within_one_minute(15)

    with httpx.Client(base_url=service.url, headers=headers) as client, ThreadPoolExecutor(8) as at:
        answers = list(at.map(lambda _: client.get("/v1/auth/whoami"), range(80)))

    assert Counter(answer.status_code for answer in answers) == {200: 20, 429: 60}
    for refused in (answer for answer in answers if answer.status_code == 429):
        assert refused.json()["code"] == "RATE_LIMIT_EXCEEDED"
        assert 1 <= int(refused.headers["Retry-After"]) <= 60
        assert refused.headers["X-RateLimit-Remaining"] == "0"
    assert admin.get_key(key["key_id"])["rate_limit_per_minute"] == 20


def test_usage_is_counted(service: Service, admin: DakeraClient, namespace: str) -> None:
    made = admin.create_key("phone", scope="write", namespaces=[namespace])
    with holder(service, made["key"]) as phone:
        for number in range(5):
            phone.store_memory(namespace, f"fact {number}")
        with pytest.raises(NotFoundError):
            phone.get_session("ses_none")

    deadline = time.monotonic() + USAGE_LAG_SECONDS
    while (usage := admin.key_usage(made["key_id"]))["total_requests"] < 6:
        assert time.monotonic() < deadline, usage
        time.sleep(0.5)

    assert (usage["successful_requests"], usage["failed_requests"]) == (5, 1)
    assert usage["bytes_transferred"] > 1_000
    assert usage["last_used_at"] >= made["created_at"]
