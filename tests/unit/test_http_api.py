"""What each error becomes for the caller."""

import json
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from cross_session import errors
from cross_session.adapters import session_table
from cross_session.adapters.table import dynamodb
from cross_session.domain.session import Session
from cross_session.http_api import (
    ANSWER_TO,
    AUTHORIZER_CACHE_SECS,
    PROBLEM_JSON,
    problem,
    problem_of,
)
from functions import sessions
from infra.routes import AUTHORIZER_CACHE_SECONDS
from tests.unit.conftest import calls

ANSWERS = [
    (errors.InvalidRequestError("top_k", "is too much"), 400, "INVALID_REQUEST"),
    (errors.AuthenticationFailedError("API_KEY_EXPIRED", "expired"), 401, "API_KEY_EXPIRED"),
    (errors.ScopeInsufficientError("the call needs write"), 403, "INSUFFICIENT_SCOPE"),
    (errors.NamespaceDeniedError("not for user-bob"), 403, "NAMESPACE_ACCESS_DENIED"),
    (errors.NotFoundError("memory"), 404, "MEMORY_NOT_FOUND"),
    (errors.NotFoundError("api_key"), 404, "API_KEY_NOT_FOUND"),
    (errors.RateLimitedError("wait 7 seconds", 7), 429, "RATE_LIMIT_EXCEEDED"),
    (errors.UnknownFieldError("role: not known here"), 422, "UNPROCESSABLE_CONTENT"),
    (errors.IdentityUnavailableError("not now"), 503, "SERVICE_UNAVAILABLE"),
    (errors.RouteNotFoundError("there is no /v2"), 404, "ROUTE_NOT_FOUND"),
    (errors.MethodNotAllowedError("PUT", ["GET", "POST"]), 405, "METHOD_NOT_ALLOWED"),
    (errors.UnsupportedMediaTypeError("the body is text/plain"), 415, "UNSUPPORTED_MEDIA_TYPE"),
    (errors.PayloadTooLargeError("send it in parts"), 413, "PAYLOAD_TOO_LARGE"),
    (errors.FeatureDisabledError("POST /v1/route is not built"), 501, "FEATURE_DISABLED"),
    (errors.ConflictError("read it again"), 409, "CONFLICT"),
    (errors.EngineUnavailableError("the index is away"), 503, "SERVICE_UNAVAILABLE"),
    (errors.TableUnavailableError("the table is away"), 503, "SERVICE_UNAVAILABLE"),
    (errors.QueueUnavailableError("the queue is away"), 503, "SERVICE_UNAVAILABLE"),
    (errors.IdempotencyKeyReusedError("send a new one"), 422, "UNPROCESSABLE_CONTENT"),
    (errors.RequestInProgressError("still being answered"), 503, "SERVICE_UNAVAILABLE"),
]


def name_of(value: object) -> str:
    return type(value).__name__ if isinstance(value, Exception) else str(value)


def subclasses(error: type[errors.CrossSessionError]) -> Iterator[type[errors.CrossSessionError]]:
    for subclass in error.__subclasses__():
        yield subclass
        yield from subclasses(subclass)


def body_of(error: errors.CrossSessionError) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(problem_of(error).body or "")
    return body


def test_every_error_has_its_answer() -> None:
    assert set(ANSWER_TO) == set(subclasses(errors.CrossSessionError))


def test_every_error_is_among_those_shown_here() -> None:
    assert {type(error) for error, _, _ in ANSWERS} == set(ANSWER_TO)


@pytest.mark.parametrize(("error", "status", "code"), ANSWERS, ids=name_of)
def test_an_error_is_answered_as_a_problem_that_the_public_clients_read_too(
    error: errors.CrossSessionError, status: int, code: str
) -> None:
    response = problem_of(error)

    assert response.status_code == status
    assert response.content_type == PROBLEM_JSON == "application/problem+json"
    body = body_of(error)
    assert body["type"] == "about:blank"
    assert (body["status"], body["title"]) == (status, HTTPStatus(status).phrase)
    assert body["detail"] == body["error"] == str(error)
    assert body["code"] == code


def test_an_invalid_request_names_the_field_and_the_reason() -> None:
    body = body_of(errors.InvalidRequestError("top_k", "is too much"))

    assert body["errors"] == [{"field": "top_k", "reason": "is too much"}]
    assert body["details"] == "top_k: is too much"


def test_what_is_not_found_is_named() -> None:
    assert body_of(errors.NotFoundError("session"))["resource"] == "session"


@pytest.mark.parametrize(
    ("error", "header", "value"),
    [
        (errors.AuthenticationFailedError("INVALID_API_KEY", "no"), "WWW-Authenticate", "Bearer"),
        (errors.MethodNotAllowedError("PUT", ["GET", "POST"]), "Allow", "GET, POST"),
        (errors.EngineUnavailableError("away"), "Retry-After", "1"),
        (errors.TableUnavailableError("away"), "Retry-After", "1"),
        (errors.QueueUnavailableError("away"), "Retry-After", "1"),
        (errors.RequestInProgressError("wait"), "Retry-After", "1"),
        (errors.RateLimitedError("wait", 7), "Retry-After", "7"),
        (errors.IdentityUnavailableError("away"), "Retry-After", "60"),
    ],
    ids=name_of,
)
def test_an_answer_has_the_header_that_http_wants_with_it(
    error: errors.CrossSessionError, header: str, value: str
) -> None:
    assert problem_of(error).headers[header] == value


def test_a_token_that_cannot_be_checked_is_asked_again_once_the_gateway_asks_again() -> None:
    assert AUTHORIZER_CACHE_SECS == AUTHORIZER_CACHE_SECONDS


def test_a_problem_keeps_the_callers_alphabet() -> None:
    response = problem(HTTPStatus.BAD_REQUEST, "INVALID_REQUEST", "Überblick")

    assert "Überblick" in (response.body or "")


def test_a_table_that_does_not_answer_is_told_with_when_to_retry(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def away(_tenant: str, _session_id: str) -> Session:
        with dynamodb():
            raise EndpointConnectionError(endpoint_url="https://dynamodb.internal")

    monkeypatch.setattr(session_table, "get", away)

    answer = calls(sessions)("GET", "/v1/sessions/ses_1")

    assert (answer.status, answer.code) == (503, "SERVICE_UNAVAILABLE")
    assert answer.headers["Retry-After"] == "1"
    assert "internal" not in json.dumps(answer.body)
