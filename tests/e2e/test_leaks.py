"""Fifty tenants with the same namespaces, ids and texts, and every route with all their keys."""

import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import httpx
import pytest

from tests.e2e.attempts import CLOSED, Target, attempt, changes
from tests.e2e.service import LocalService, Service
from tests.e2e.tenants import make_keys

TENANTS = [f"leak-{number}" for number in range(50)]
NAMESPACES = [f"n{number}" for number in range(20)]
CHANGING = TENANTS[-5:]  # the others' keys only read, so that all of theirs must stay as it is
WATCHED = TENANTS[:10]
MEMORY_ID = "plan"
CLIENTS = 4
pytestmark = pytest.mark.timeout(1_200)
MARK = re.compile(
    r"(leak-\d+)/(n\d+)|(key_[0-9a-zA-Z]+)|(ses_[0-9a-f]{32})|(imp_[0-9a-f]{16}_n\d+)"
)

Owner = tuple[str, str | None]  # a tenant, and its namespace if it is of one


@dataclass
class World:
    clients: dict[str, httpx.Client]
    targets: dict[tuple[str, str], Target] = field(default_factory=dict)
    owners: dict[str, Owner] = field(default_factory=dict)

    def foreign(self, answer: httpx.Response, allowed: Callable[[Owner], bool]) -> list[str]:
        """What the answer says of others, beyond the ids that it was asked for."""
        request = answer.request
        asked = f"{request.url}{request.content.decode()}"
        found = []
        for mark in MARK.finditer(answer.text):
            owner = (mark[1], mark[2]) if mark[1] else self.owners.get(mark[0])
            if owner is not None and not allowed(owner) and mark[0] not in asked:
                found.append(f"{request.method} {request.url}: {mark[0]}")
        return found


@pytest.fixture(scope="module")
def world(service: Service) -> Iterator[World]:
    """In each namespace a memory whose metadata tell whose it is; in each tenant's first one also a
    session, a key and an import."""
    if not isinstance(service, LocalService):
        pytest.skip("tenants are made beside the local service")
    wanted: dict[str, dict[str, Any]] = {tenant: {"tenant": tenant} for tenant in TENANTS}
    wanted["expired"] = {"tenant": TENANTS[0], "expires_at": 1_000_000_000}
    wanted["reader"] = {"tenant": TENANTS[0], "scope": "read"}
    keys = make_keys(service, wanted)
    with ExitStack() as stack, ThreadPoolExecutor(CLIENTS) as pool:
        world = World(
            {
                name: stack.enter_context(
                    httpx.Client(
                        base_url=service.url,
                        headers={"Authorization": f"Bearer {secret}"},
                        timeout=60,
                    )
                )
                for name, secret in keys.items()
            }
        )

        def fill(place: tuple[str, str]) -> None:
            world.targets[place] = _fill(world, *place)

        list(pool.map(fill, product(TENANTS, NAMESPACES)))
        yield world


def _fill(world: World, tenant: str, namespace: str) -> Target:
    http = world.clients[tenant]
    owner = {"namespace": namespace}
    mark = {"of": f"{tenant}/{namespace}"}
    memory = {"id": MEMORY_ID, "content": "The launch is in May", "metadata": mark}
    target = Target(namespace, MEMORY_ID, "ses_0", "key_0", f"imp_{'0' * 16}_{namespace}")
    if namespace == NAMESPACES[0]:
        started = http.post("/v1/sessions/start", json={**owner, "metadata": mark})
        asked = {"name": f"{tenant}/{namespace}", "scope": "read"}
        made = http.post(f"/v1/namespaces/{namespace}/keys", json=asked)
        imported = http.post("/v1/import", params=owner, json={"data": ""})
        target = Target(
            namespace,
            MEMORY_ID,
            started.raise_for_status().json()["session"]["id"],
            made.raise_for_status().json()["key_id"],
            imported.raise_for_status().json()["job_id"],
        )
        memory["session_id"] = target.session_id
        for id in (target.session_id, target.key_id, target.job_id):
            world.owners[id] = (tenant, namespace)
    body = {**owner, "memories": [memory]}
    http.post("/v1/memories/store/batch", json=body).raise_for_status()
    return target


def exported(world: World, tenants: Iterable[str]) -> dict[tuple[str, str], str]:
    def export(place: tuple[str, str]) -> str:
        tenant, namespace = place
        params = {"namespace": namespace, "sessions": "true"}
        return world.clients[tenant].get("/v1/export", params=params).raise_for_status().text

    places = list(product(tenants, NAMESPACES))
    with ThreadPoolExecutor(CLIENTS) as pool:
        return dict(zip(places, pool.map(export, places), strict=True))


def test_no_key_reads_or_changes_what_another_tenant_has(world: World) -> None:
    before = exported(world, WATCHED)
    assert all(f"{tenant}/{namespace}" in text for (tenant, namespace), text in before.items())

    def attack(number: int) -> list[str]:
        """Every route with one tenant's key, aimed at another's things each time."""
        tenant = TENANTS[number]
        found = []
        for turn, route in enumerate(CLOSED):
            if changes(route) and tenant not in CHANGING:
                continue
            victim = (WATCHED if tenant in CHANGING else CHANGING)[turn % len(CHANGING)]
            namespace = NAMESPACES[turn % 2 and (number + turn) % len(NAMESPACES)]
            answer = attempt(world.clients[tenant], route, world.targets[victim, namespace])
            assert answer.status_code < 500, answer.text
            found += world.foreign(answer, lambda owner: owner[0] == tenant)
        return found

    with ThreadPoolExecutor(CLIENTS) as pool:
        leaks = [leak for found in pool.map(attack, range(len(TENANTS))) for leak in found]

    assert leaks == []
    assert exported(world, WATCHED) == before


def test_a_key_of_one_namespace_opens_no_other_of_its_tenant(
    world: World, service: Service
) -> None:
    tenant = WATCHED[0]
    before = exported(world, [tenant])
    leaks = []
    for number, namespace in enumerate(NAMESPACES):
        asked = {"name": "one", "scope": "admin", "namespaces": [namespace]}
        made = world.clients[tenant].post("/admin/keys", json=asked).raise_for_status().json()
        headers = {"Authorization": f"Bearer {made['key']}"}
        with httpx.Client(base_url=service.url, headers=headers, timeout=60) as http:
            for turn, route in enumerate(CLOSED):
                other = NAMESPACES[(number + 1 + turn % (len(NAMESPACES) - 1)) % len(NAMESPACES)]
                answer = attempt(http, route, world.targets[tenant, other])
                leaks += world.foreign(answer, lambda owner: owner == (tenant, namespace))  # noqa: B023
                if "{" in route.path:
                    assert answer.status_code in (403, 404), f"{route}: {answer.text}"

    assert leaks == []
    assert exported(world, [tenant]) == before


def test_what_is_no_key_opens_nothing_and_a_readers_changes_nothing(
    world: World, service: Service
) -> None:
    tenant = WATCHED[0]
    before = exported(world, [tenant])
    asked = {"name": "ended", "scope": "admin"}
    ended = world.clients[tenant].post("/admin/keys", json=asked).raise_for_status().json()
    world.clients[tenant].post(f"/admin/keys/{ended['key_id']}/deactivate").raise_for_status()
    target = world.targets[tenant, NAMESPACES[0]]
    for credential in (None, "dk-garbage", ended["key"]):
        headers = {"Authorization": f"Bearer {credential}"} if credential else {}
        with httpx.Client(base_url=service.url, headers=headers, timeout=60) as http:
            assert {attempt(http, route, target).status_code for route in CLOSED} == {401}
    expired = {attempt(world.clients["expired"], route, target).status_code for route in CLOSED}
    assert expired == {401}

    for route in filter(changes, CLOSED):
        answer = attempt(world.clients["reader"], route, target)
        assert answer.status_code == 403, f"{route}: {answer.text}"

    assert exported(world, [tenant]) == before
