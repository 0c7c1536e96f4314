"""The routes that the gateway has, the functions answer and the description tells are the same."""

import importlib
import json
import pkgutil
import re
from typing import Any

import pytest

import functions
from cross_session.audit import AUDITED
from cross_session.domain.access import Scope
from cross_session.http_api import Api
from functions import agents, keys, knowledge, memories, namespaces, service, sessions
from infra.local.openapi import description
from infra.routes import AUTHORIZER, DEFAULT_FUNCTION, FUNCTIONS, ROUTES, SCHEDULES, Route
from tests.unit.conftest import answer_of, caller, request

APPS: dict[str, Api] = {
    "agents": agents.app,
    "keys": keys.app,
    "knowledge": knowledge.app,
    "memories": memories.app,
    "namespaces": namespaces.app,
    "service": service.app,
    "sessions": sessions.app,
}
UNDESCRIBED = {("GET", "/openapi.json"), ("GET", "/docs")}
DESCRIBED = [route for route in ROUTES if (route.method, route.path) not in UNDESCRIBED]
READING = {
    "/v1/memory/recall",
    "/v1/memories/recall/batch",
    "/v1/memory/search",
    "/v1/context",
    "/v1/audit/export",
}  # POST for the size of a question
NOT_AUDITED = {"/v1/sessions/{session_id}/touch"}  # keeps a session alive, and that is all

MEMORY_BODY = {
    "namespace": "user-bob",
    "content": "x",
    "memories": [{"content": "x"}],
    "importance": 0.5,
    "memory_id": "mem_1",
    "memory_ids": ["mem_1", "mem_2"],
    "tags": ["a"],
    "filter": {"tags": ["a"]},
    "signal": "upvote",
    "data": "",
}
KEY_BODIES = {"POST": {"name": "x", "scope": "read"}, "PATCH": {"name": "x"}}


def name_of(route: Route) -> str:
    return f"{route.method} {route.path}"


def answered_by(app: Api) -> set[tuple[str, str]]:
    return {
        (route.method, route.openapi_path) for route in (*app._static_routes, *app._dynamic_routes)
    }


def described(document: dict[str, Any]) -> set[tuple[str, str]]:
    return {
        (method.upper(), path)
        for path, operations in document["paths"].items()
        for method in operations
    }


def test_the_description_is_up_to_date() -> None:
    written = json.loads(service.OPENAPI.read_text())

    assert written == description(), (
        "functions/openapi.json is stale: run python -m infra.local.openapi"
    )


def test_the_gateway_has_exactly_the_routes_that_the_functions_answer() -> None:
    of_gateway = {(route.function, route.method, route.path) for route in ROUTES}

    of_functions = {
        (function, method, path)
        for function, app in APPS.items()
        for method, path in answered_by(app)
    }
    assert of_gateway == of_functions
    assert len(of_gateway) == len(ROUTES)


def test_the_description_has_exactly_the_routes_of_the_gateway() -> None:
    of_gateway = {(route.method, route.path) for route in ROUTES}

    assert described(json.loads(service.OPENAPI.read_text())) | UNDESCRIBED == of_gateway


@pytest.mark.parametrize("route", ROUTES, ids=name_of)
def test_a_route_needs_a_key_unless_it_is_public(route: Route) -> None:
    function = importlib.import_module(f"functions.{route.function}")
    path = re.sub(r"\{\w+\}", "x", route.path)
    event = request(route.method, path, who=None, route_key=f"{route.method} {route.path}")

    answer = answer_of(function, event)

    assert (answer.status == 401) is not route.public


def test_only_what_tells_nothing_of_anyone_is_public() -> None:
    public = {route.path for route in ROUTES if route.public}

    assert public == {"/health", "/health/live", "/health/ready", "/openapi.json", "/docs"}


@pytest.mark.parametrize("route", DESCRIBED, ids=name_of)
def test_the_description_says_whether_a_route_needs_a_key(route: Route) -> None:
    document = json.loads(service.OPENAPI.read_text())

    operation = document["paths"][route.path][route.method.lower()]

    assert document["security"] == [{"key": []}]
    assert operation.get("security", document["security"]) == (
        [] if route.public else [{"key": []}]
    )


@pytest.mark.parametrize(
    "route",
    [route for route in ROUTES if route.method != "GET" and route.path not in READING],
    ids=name_of,
)
def test_a_route_that_writes_needs_more_than_a_reading_key(route: Route) -> None:
    function = importlib.import_module(f"functions.{route.function}")
    path = re.sub(r"\{\w+\}", "x", route.path.replace("{key_id}", "key_1"))
    body = json.dumps(KEY_BODIES.get(route.method) if route.function == "keys" else MEMORY_BODY)
    if route.path.endswith("/memory_policy"):
        body = "{}"  # it takes no field that it doesn't know
    event = request(
        route.method,
        path,
        body=None if path.endswith("/rotate") else body,
        who=caller(scope=Scope.READ),
    )

    answer = answer_of(function, event)

    assert (answer.status, answer.code) == (403, "INSUFFICIENT_SCOPE")


@pytest.mark.parametrize("function", sorted(FUNCTIONS))
def test_every_function_that_is_named_is_there(function: str) -> None:
    assert callable(importlib.import_module(f"functions.{function}").handler)


def test_every_function_that_is_there_says_what_it_may_reach() -> None:
    modules = {module.name for module in pkgutil.iter_modules(functions.__path__)}

    assert modules == FUNCTIONS.keys()


def test_whatever_starts_a_function_names_one_that_there_is() -> None:
    started = {AUTHORIZER, DEFAULT_FUNCTION} | {entry.function for entry in (*ROUTES, *SCHEDULES)}

    assert started <= FUNCTIONS.keys()


@pytest.mark.parametrize("route", DESCRIBED, ids=name_of)
def test_an_operation_says_which_problems_it_may_answer(route: Route) -> None:
    document = json.loads(service.OPENAPI.read_text())

    answers = document["paths"][route.path][route.method.lower()]["responses"]

    problem = document["components"]["responses"]["Problem"]["content"]["application/problem+json"]
    assert problem["schema"] == {"$ref": "#/components/schemas/Problem"}
    problems = {
        int(status)
        for status, answer in answers.items()
        if answer == {"$ref": "#/components/responses/Problem"}
    }
    assert problems >= ({500} if route.public else {400, 401, 403, 404, 429, 503})
    assert (415 in problems) == (route.method != "GET")


@pytest.mark.parametrize(
    "route",
    [route for route in ROUTES if route.method != "GET" and route.path not in READING],
    ids=name_of,
)
def test_a_route_that_changes_something_is_audited(route: Route) -> None:
    assert f"{route.method} {route.path}" in AUDITED or route.path in NOT_AUDITED


def test_only_routes_that_are_there_are_audited() -> None:
    assert set(AUDITED) <= {f"{route.method} {route.path}" for route in ROUTES}


def test_everything_that_the_description_refers_to_is_in_it() -> None:
    text = service.OPENAPI.read_text()

    schemas = json.loads(text)["components"]["schemas"]
    for name in re.findall(r'"#/components/schemas/([^"]+)"', text):
        assert name in schemas


@pytest.mark.parametrize(
    ("schema", "field", "bounds"),
    [
        ("Recall", "top_k", (1, 100)),
        ("StoreMemory", "importance", (0, 1)),
        ("StoreMemory", "expires_at", (0, 253_402_300_799)),
        ("StartSession", "idle_timeout_secs", (0, 2_592_000)),
        ("ExportAudit", "limit", (1, 10_000)),
    ],
)
def test_the_description_tells_the_bounds(
    schema: str, field: str, bounds: tuple[float, float]
) -> None:
    schemas = json.loads(service.OPENAPI.read_text())["components"]["schemas"]

    told = schemas[schema]["properties"][field]

    number = told.get("anyOf", [told])[0]
    assert (number["minimum"], number["maximum"]) == bounds


@pytest.mark.parametrize("route", [route for route in ROUTES if "{" in route.path], ids=name_of)
@pytest.mark.parametrize("part", ["a#b", "\N{BEAR FACE}"], ids=ascii)
def test_a_path_that_the_gateway_routes_is_no_error_of_ours(route: Route, part: str) -> None:
    function = importlib.import_module(f"functions.{route.function}")
    path = re.sub(r"\{\w+\}", part, route.path)
    event = request(route.method, path, body='{"content": "x"}', who=caller())

    answer = answer_of(function, event)

    assert answer.status in (400, 404)
