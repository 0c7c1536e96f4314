"""Health, the API's description, and every path that has no route."""

import json
import re
from typing import Any

import pytest
from aws_lambda_powertools.utilities.typing import LambdaContext

from cross_session import __version__
from cross_session.adapters import embeddings, index_schema
from functions import service
from infra.routes import ROUTES
from tests.unit.conftest import Answer, answer_of, caller, request

OTHER_FAMILIES = """\
vectors      POST   /v1/namespaces/docs/vectors
vectors      POST   /v1/namespaces/docs/query
fulltext     POST   /v1/namespaces/docs/fulltext/search
hybrid       POST   /v1/namespaces/docs/hybrid
namespaces   POST   /v1/namespaces
records      GET    /v1/namespaces/docs/records
attachments  POST   /v1/namespaces/docs/attachments
documents    POST   /v1/memory/documents
documents    GET    /v1/memory/documents/jobs/7
routing      POST   /v1/route
cache        POST   /v1/namespaces/docs/cache/warm
cache        POST   /v1/admin/cache/clear
knowledge    POST   /v1/knowledge/graph
entities     GET    /v1/memory/entities/mem_1
graph        GET    /v1/memories/mem_1/graph
extract      POST   /v1/extract
cluster      GET    /v1/admin/cluster/status
backups      POST   /v1/admin/backups
autopilot    GET    /v1/admin/autopilot/status
decay        GET    /v1/admin/decay/config
ops          GET    /v1/ops/stats
ops          POST   /ops/shutdown
debug        GET    /debug/config
analytics    GET    /v1/analytics/overview
kpis         GET    /v1/kpis
events       GET    /v1/events/stream
audit        GET    /v1/audit/stream
agents       POST   /v1/agents/user-bob/consolidate
agents       GET    /v1/agents/user-bob/consolidation/log
agents       POST   /v1/agents/user-bob/compress
"""


def call(method: str, path: str, *, who: dict[str, str] | None = None) -> Answer:
    """A path that has its own route, as the public ones have."""
    return answer_of(service, request(method, path, who=who))


def astray(method: str, path: str, *, who: dict[str, str] | None = caller()) -> Answer:  # noqa: B008
    """A path that no route answers, from a caller whom the authorizer knows."""
    return answer_of(service, request(method, path, who=who, route_key="$default"))


def test_health_needs_no_key() -> None:
    answer = call("GET", "/health")

    assert answer.status == 200
    assert answer.body.pop("uptime_seconds") >= 0
    assert answer.body == {"status": "ok", "healthy": True, "version": __version__}


def test_the_description_needs_no_key_and_is_openapi_3_1() -> None:
    answer = call("GET", "/openapi.json")

    assert answer.status == 200
    assert answer.body["openapi"].startswith("3.1")


def test_the_description_as_served_says_which_paths_need_no_key() -> None:
    paths = call("GET", "/openapi.json").body["paths"]

    assert paths["/health"]["get"]["security"] == []
    assert paths["/v1/memory/recall"]["post"].get("security", [{"key": []}]) == [{"key": []}]


def test_the_docs_page_needs_no_key_and_no_other_server() -> None:
    answer = call("GET", "/docs")

    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "/v1/memory/recall" in answer.body
    assert not re.search(r"<(script|link)[^>]+(src|href)=.https?://", answer.body)


@pytest.mark.parametrize("line", OTHER_FAMILIES.splitlines())
def test_what_the_protocol_has_and_this_service_does_not_is_501(line: str) -> None:
    _, method, path = line.split()

    answer = astray(method, path)

    assert (answer.status, answer.code) == (501, "FEATURE_DISABLED")
    assert path in answer.body["detail"]


@pytest.mark.parametrize(
    "path", ["/", "/v1", "/v2/memory/recall", "/v1/memory/recal", "/v1/exports", "/healthy", "/ü"]
)
def test_a_path_that_nobody_knows_is_404(path: str) -> None:
    answer = astray("GET", path)

    assert (answer.status, answer.code) == (404, "ROUTE_NOT_FOUND")


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", "/v1/memory/recall", "POST"),
        ("DELETE", "/v1/sessions/ses_1", "GET"),
        ("PATCH", "/v1/memory/update/mem_1", "PUT"),
        ("POST", "/v1/sessions", "GET"),
        ("GET", "/v1/sessions/ses_1/end", "POST"),
        ("POST", "/health", "GET"),
        ("POST", "/openapi.json", "GET"),
        ("POST", "/docs", "GET"),
        ("OPTIONS", "/v1/agents/user-bob/memories", "GET"),
        ("PUT", "/admin/keys/key_1", "DELETE, GET, PATCH"),
        ("POST", "/v1/auth/whoami", "GET"),
    ],
)
def test_a_known_path_with_another_method_is_405_and_says_which_ones_it_has(
    method: str, path: str, allow: str
) -> None:
    answer = astray(method, path)

    assert (answer.status, answer.code) == (405, "METHOD_NOT_ALLOWED")
    assert answer.headers["Allow"] == allow


def test_a_path_that_two_routes_fit_allows_the_methods_of_both() -> None:
    answer = astray("PUT", "/v1/sessions/start")

    assert answer.status == 405
    assert answer.headers["Allow"] == "GET, POST"


@pytest.mark.parametrize("path", ["/v2", "/v1/kpis", "/v1/memory/recall"])
def test_a_caller_without_a_key_is_not_told_which_paths_there_are(path: str) -> None:
    assert astray("GET", path, who=None).status == 401


def test_a_denied_caller_is_told_why_on_any_path() -> None:
    answer = astray("GET", "/v2", who={"denied": "API_KEY_EXPIRED", "reason": "expired"})

    assert (answer.status, answer.code) == (401, "API_KEY_EXPIRED")


def test_a_problem_is_described_as_it_is_sent() -> None:
    problem: dict[str, Any] = json.loads(service.OPENAPI.read_text())["components"]["schemas"][
        "Problem"
    ]
    sent = astray("GET", "/v2").body

    assert set(problem["required"]) <= set(sent) <= set(problem["properties"])


def test_a_browser_that_asks_before_it_sends_needs_no_key() -> None:
    event = request("OPTIONS", "/v1/memory/recall", who=None, route_key="OPTIONS /{proxy+}")

    answer = service.handler(event, LambdaContext())

    assert answer == {"statusCode": 204}


def test_the_model_that_is_told_is_the_one_that_embeds() -> None:
    told = call("GET", "/v1/capabilities", who=caller()).body

    [model] = told["models"]
    assert (model["name"], model["dimension"]) == (index_schema.MODEL, index_schema.DIMENSIONS)
    assert model["max_seq_length"] == embeddings.MAX_TOKENS
    assert told["default_model"] == index_schema.MODEL


def test_what_there_is_to_tell_of_keys_depends_on_their_routes() -> None:
    told = call("GET", "/v1/capabilities", who=caller()).body["auth"]

    built = {(route.method, route.path) for route in ROUTES}
    assert told["key_update"] == any(
        method == "PATCH" and path.startswith("/admin/keys/") for method, path in built
    )
