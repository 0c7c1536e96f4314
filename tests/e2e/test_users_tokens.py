"""End users with tokens of an OpenID Connect issuer, over HTTP."""

import uuid
from collections.abc import Iterator

import httpx
import pytest

from tests.e2e.service import LocalService
from tests.issuer import CLIENT_ID, Issuer
from tests.ports import free_ports


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    issuer = Issuer()
    yield issuer
    issuer.stop()


@pytest.fixture(scope="module")
def site(
    issuer: Issuer, engine: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LocalService]:
    """A service that believes the issuer."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("OIDC_ISSUER", issuer.url)
        environment.setenv("OIDC_AUDIENCE", CLIENT_ID)
        service = LocalService.start(
            tmp_path_factory.mktemp("users"), port=free_ports(3), engine=engine
        )
    yield service
    assert service.stop() == 0


@pytest.fixture
def user(site: LocalService, issuer: Issuer) -> Iterator[httpx.Client]:
    """A user whom nobody knows yet; the header `X-Sub` tells the test their name."""
    sub = uuid.uuid4().hex
    headers = {"Authorization": f"Bearer {issuer.token(sub)}", "X-Sub": sub}
    with httpx.Client(base_url=site.url, headers=headers, timeout=30) as client:
        yield client


def test_a_user_remembers_and_recalls_without_naming_a_namespace(user: httpx.Client) -> None:
    started = user.post("/v1/sessions/start", json={"metadata": {"channel": "app"}})
    session = started.json()["session"]
    stored = user.post(
        "/v1/memory/store",
        json={"content": "Decided to use PostgreSQL", "session_id": session["id"]},
    )

    recalled = user.post("/v1/memory/recall", json={"query": "Which database?"})

    assert (started.status_code, stored.status_code) == (201, 201)
    assert session["namespace"] == f"user-{user.headers['X-Sub']}"
    assert [one["content"] for one in recalled.json()["results"]] == ["Decided to use PostgreSQL"]
    memory_id = stored.json()["memory"]["id"]
    assert user.get(f"/v1/memory/get/{memory_id}").json()["id"] == memory_id
    assert user.post("/v1/context", json={"query": "Which database?"}).json()["block"]
    assert user.get("/v1/sessions").json()["total"] == 1
    assert user.post("/v1/memory/forget", json={"memory_ids": [memory_id]}).json() == {
        "deleted_count": 1
    }


def test_to_a_user_everything_of_others_is_absent(site: LocalService, user: httpx.Client) -> None:
    admin = {"Authorization": f"Bearer {site.key}"}
    with httpx.Client(base_url=site.url, headers=admin, timeout=30) as app:
        body = {"namespace": "user-other", "content": "secret"}
        memory_id = app.post("/v1/memory/store", json=body).json()["memory"]["id"]
        session = app.post("/v1/sessions/start", json={"namespace": "user-other"}).json()["session"]

    answers = [
        user.get(f"/v1/memory/get/{memory_id}"),
        user.get(f"/v1/memory/get/{memory_id}?namespace=user-other"),
        user.put(f"/v1/memory/update/{memory_id}", json={"importance": 0.1}),
        user.get(f"/v1/sessions/{session['id']}"),
        user.get(f"/v1/sessions/{session['id']}/memories"),
        user.post(f"/v1/sessions/{session['id']}/end", json={}),
        user.post("/v1/memory/recall", json={"namespace": "user-other", "query": "secret"}),
        user.post("/v1/memory/store", json={"agent_id": "user-other", "content": "x"}),
        user.post("/v1/memory/forget", json={"namespace": "user-other", "tags": ["x"]}),
        user.get("/v1/agents/user-other/stats"),
        user.delete("/v1/namespaces/user-other"),
        user.get("/v1/export?namespace=user-other"),
        user.post("/v1/import?namespace=user-other", json={"data": ""}),
        user.get("/v1/audit?namespace=user-other"),
    ]

    assert {answer.status_code for answer in answers} == {404}


def test_a_user_takes_along_erases_and_brings_back_what_is_theirs(user: httpx.Client) -> None:
    mine = f"user-{user.headers['X-Sub']}"
    user.post("/v1/memory/store", json={"content": "Decided to use PostgreSQL"})

    file = user.get("/v1/export", params={"sessions": True}).raise_for_status().text
    erased = user.delete(f"/v1/namespaces/{mine}")
    left = user.get("/v1/export").text
    user.post("/v1/import", json={"data": file}).raise_for_status()

    assert (erased.status_code, erased.json()["memories"], left) == (200, 1, "")
    assert user.get("/v1/export").text == file
    events = [one["event_type"] for one in user.get("/v1/audit").json()["events"]]
    assert events == ["exported", "imported", "exported", "erased", "exported", "stored"]


def test_a_users_token_says_who_they_are_and_manages_nothing(user: httpx.Client) -> None:
    me = user.get("/v1/auth/whoami").json()

    assert me["name"] == user.headers["X-Sub"]
    assert (me["scope"], me["namespaces"]) == ("write", [f"user-{me['name']}"])
    assert user.get("/admin/keys").status_code == 403


def test_a_token_that_is_no_good_is_answered_401_with_the_reason(
    site: LocalService, issuer: Issuer
) -> None:
    for token, code in (
        (issuer.token(aud="other"), "INVALID_TOKEN"),
        (issuer.token(exp=1_700_000_000), "TOKEN_EXPIRED"),
        (issuer.token()[:-8] + "AAAAAAAA", "INVALID_TOKEN"),
    ):
        answer = httpx.get(f"{site.url}/v1/sessions", headers={"Authorization": f"Bearer {token}"})
        assert (answer.status_code, answer.json()["code"]) == (401, code)
