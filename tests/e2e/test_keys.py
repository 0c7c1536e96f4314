"""Who may do what, over HTTP."""

import subprocess
import sys
from collections.abc import Callable

import httpx
import pytest

from tests.e2e.service import ROOT, LocalService, Service

MakeKey = Callable[..., str]


@pytest.fixture
def make_key(service: Service) -> MakeKey:
    """`make key` against the service, with its arguments."""
    if not isinstance(service, LocalService):
        pytest.skip("keys are made beside the local service")
    port = str(service.port)

    def make(*arguments: str) -> str:
        made = subprocess.run(
            [
                "make",
                "--silent",
                "--no-print-directory",
                "key",
                "ARGS=" + " ".join(arguments),
                f"PORT={port}",
            ],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        return made.stdout.strip()

    return make


def answer(
    service: Service, method: str, path: str, body: object = None, *, key: str
) -> tuple[int, str]:
    response = httpx.request(
        method,
        f"{service.url}{path}",
        json=body,
        headers={"Authorization": f"Bearer {key}"} if key else {},
    )
    if response.is_success:
        return response.status_code, ""
    problem = response.json()
    assert response.headers["content-type"] == "application/problem+json"
    assert problem["status"] == response.status_code
    assert problem["detail"] == problem["error"]
    return response.status_code, problem["code"]


def test_without_a_key_nothing_but_health_and_docs_answers(service: Service) -> None:
    assert answer(service, "GET", "/v1/sessions", key="") == (401, "AUTHENTICATION_REQUIRED")
    assert answer(service, "GET", "/v1/nothing", key="") == (401, "AUTHENTICATION_REQUIRED")
    for path in ("/health", "/openapi.json", "/docs"):
        assert httpx.get(f"{service.url}{path}").status_code == 200


@pytest.mark.parametrize("credential", ["dk-wrong", "x", "dk-" + "a" * 5_000])
def test_a_wrong_key_is_told_so(service: Service, credential: str) -> None:
    assert answer(service, "GET", "/v1/sessions", key=credential) == (401, "INVALID_API_KEY")


def test_another_scheme_than_bearer_is_no_key(service: Service) -> None:
    response = httpx.get(f"{service.url}/v1/sessions", auth=("user", service.key))

    assert (response.status_code, response.json()["code"]) == (401, "AUTHENTICATION_REQUIRED")


def test_an_expired_key_is_told_so(service: Service, make_key: MakeKey) -> None:
    expired = make_key("--expires-in-days", "-1")

    assert answer(service, "GET", "/v1/sessions", key=expired) == (401, "API_KEY_EXPIRED")


def test_a_read_key_reads_and_does_not_write(
    service: Service, make_key: MakeKey, namespace: str
) -> None:
    reader = make_key("--scope", "read")
    body = {"namespace": namespace, "query": "anything"}

    assert answer(service, "POST", "/v1/memory/recall", body, key=reader) == (200, "")
    for path, write in (
        ("/v1/memory/store", {"namespace": namespace, "content": "x"}),
        ("/v1/memory/forget", {"namespace": namespace, "tags": ["x"]}),
        ("/v1/sessions/start", {"namespace": namespace}),
    ):
        assert answer(service, "POST", path, write, key=reader) == (403, "INSUFFICIENT_SCOPE")


def test_a_key_for_some_namespaces_opens_no_other(
    service: Service, make_key: MakeKey, namespace: str
) -> None:
    key = make_key("--namespaces", f"{namespace},team-*")

    def store(owner: str) -> tuple[int, str]:
        body = {"namespace": owner, "content": "x"}
        return answer(service, "POST", "/v1/memory/store", body, key=key)

    assert store(namespace) == (201, "")
    assert store("team-red") == (201, "")
    assert store(f"{namespace}-other") == (403, "NAMESPACE_ACCESS_DENIED")
    assert store("teamred") == (403, "NAMESPACE_ACCESS_DENIED")


def test_what_lies_in_another_namespace_looks_absent(
    service: Service, make_key: MakeKey, namespace: str, http: httpx.Client
) -> None:
    stored = http.post("/v1/memory/store", json={"namespace": namespace, "content": "secret"})
    session = http.post("/v1/sessions/start", json={"namespace": namespace})
    memory_id = stored.json()["memory"]["id"]
    session_id = session.json()["session"]["id"]
    stranger = make_key("--namespaces", "elsewhere")

    for method, path in (
        ("GET", f"/v1/memory/get/{memory_id}"),
        ("GET", f"/v1/sessions/{session_id}"),
        ("GET", f"/v1/sessions/{session_id}/memories"),
        ("POST", f"/v1/sessions/{session_id}/touch"),
        ("POST", f"/v1/sessions/{session_id}/end"),
    ):
        assert answer(service, method, path, key=stranger)[0] == 404
    listed = httpx.get(
        f"{service.url}/v1/sessions", headers={"Authorization": f"Bearer {stranger}"}
    )
    assert listed.json() == {"sessions": [], "total": 0}


def test_tenants_share_names_and_nothing_else(
    service: Service, make_key: MakeKey, namespace: str
) -> None:
    ours = make_key("--tenant", "ours")
    theirs = make_key("--tenant", "theirs")
    with httpx.Client(base_url=service.url, headers={"Authorization": f"Bearer {ours}"}) as client:
        body = {"namespace": namespace, "content": "The launch is in May"}
        memory_id = client.post("/v1/memory/store", json=body).json()["memory"]["id"]

    with httpx.Client(
        base_url=service.url, headers={"Authorization": f"Bearer {theirs}"}
    ) as client:
        body = {"namespace": namespace, "query": "When is the launch?"}
        assert client.post("/v1/memory/recall", json=body).json()["results"] == []
        assert client.get(f"/v1/memory/get/{memory_id}?namespace={namespace}").status_code == 404
        assert client.get(f"/v1/agents/{namespace}/stats").json()["total_memories"] == 0


def test_a_key_that_cannot_be_made_says_why(service: Service) -> None:
    if not isinstance(service, LocalService):
        pytest.skip("keys are made beside the local service")
    made = subprocess.run(
        [sys.executable, "-m", "infra.key", "--namespaces", "no spaces"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert made.returncode == 2
    assert "'no spaces' is neither a namespace nor a prefix*" in made.stderr
