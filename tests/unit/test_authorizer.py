"""Whose credential is this? The authorizer always lets the question through with an answer."""

import json
from time import time
from typing import Any

import pytest

from cross_session.adapters import key_table
from cross_session.domain.access import Scope
from cross_session.domain.api_key import ApiKey, new_secret
from functions import authorizer
from infra.local.environments import Context
from tests.unit.conftest import stored_items

pytestmark = pytest.mark.usefixtures("table")


def stored_secret(**fields: Any) -> str:
    secret = new_secret()
    defaults: dict[str, Any] = {
        "id": "key_1",
        "tenant": "acme",
        "name": "phone",
        "scope": Scope.WRITE,
        "namespaces": ("user-*",),
        "created_at": 0,
    }
    key_table.put(ApiKey(**defaults | fields), secret)
    return secret


def authorize(authorization: str | None) -> dict[str, Any]:
    """What a request with this header brings to the function behind the authorizer."""
    event = {
        "version": "2.0",
        "type": "REQUEST",
        "routeArn": "arn:aws:execute-api:us-east-1:0:api/$default/GET/v1/sessions",
        "identitySource": [authorization],
        "routeKey": "GET /v1/sessions",
        "rawPath": "/v1/sessions",
        "rawQueryString": "",
        "headers": {"host": "localhost"}
        | ({} if authorization is None else {"authorization": authorization}),
        "requestContext": {"http": {"method": "GET", "path": "/v1/sessions"}},
    }
    answer = authorizer.handler(event, Context("authorizer"))
    assert answer["isAuthorized"] is True
    context: dict[str, Any] = answer["context"]
    return context


def test_a_good_key_says_whose_it_is_and_what_it_opens() -> None:
    secret = stored_secret()

    who = authorize(f"Bearer {secret}")

    assert who == {
        "tenant": "acme",
        "key_id": "key_1",
        "scope": "write",
        "namespaces": '["user-*"]',
        "name": "phone",
        "rate_limit_per_minute": "6000",
    }


def test_a_key_with_limits_and_an_expiry_says_them() -> None:
    expires_at = int(time()) + 60
    secret = stored_secret(expires_at=expires_at, rate_limit_per_minute=7, daily_quota=9)

    who = authorize(f"Bearer {secret}")

    assert (who["expires_at"], who["rate_limit_per_minute"], who["daily_quota"]) == (
        str(expires_at),
        "7",
        "9",
    )


def test_a_key_for_all_namespaces_says_null() -> None:
    secret = stored_secret(namespaces=None)

    assert json.loads(authorize(f"Bearer {secret}")["namespaces"]) is None


def test_a_key_for_no_namespace_says_an_empty_list() -> None:
    secret = stored_secret(namespaces=())

    assert json.loads(authorize(f"Bearer {secret}")["namespaces"]) == []


def test_everything_it_says_is_text_as_api_gateway_wants_it() -> None:
    said = [authorize(f"Bearer {stored_secret()}"), authorize("Bearer dk-unknown")]

    assert all(isinstance(value, str) for who in said for value in who.values())


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "Bearer "])
def test_the_scheme_is_read_whatever_its_case_and_space(scheme: str) -> None:
    secret = stored_secret()

    assert authorize(f"{scheme} {secret}")["tenant"] == "acme"


@pytest.mark.parametrize(
    "authorization", [None, "", " ", "Bearer", "Bearer ", "Basic YTpi", "dk-x"]
)
def test_no_bearer_key_needs_authentication(authorization: str | None) -> None:
    who = authorize(authorization)

    assert who["denied"] == "AUTHENTICATION_REQUIRED"
    assert "Bearer" in who["reason"]


def test_a_good_key_under_the_wrong_scheme_needs_authentication() -> None:
    secret = stored_secret()

    assert authorize(f"Basic {secret}")["denied"] == "AUTHENTICATION_REQUIRED"


@pytest.mark.parametrize(
    "secret",
    ["dk-unknown", "x", "dk-a b", "dk-ÿ", "ключ", "\N{GRINNING FACE}", "x" * 8_000, "\x00"],
)
def test_an_unknown_key_is_invalid(secret: str) -> None:
    assert authorize(f"Bearer {secret}")["denied"] == "INVALID_API_KEY"


def test_an_inactive_key_is_as_unknown() -> None:
    inactive = stored_secret(active=False)

    assert authorize(f"Bearer {inactive}") == authorize("Bearer dk-unknown")


def test_an_expired_key_is_told_so() -> None:
    expired = stored_secret(expires_at=int(time()) - 1)

    assert authorize(f"Bearer {expired}")["denied"] == "API_KEY_EXPIRED"


def test_a_key_that_has_not_expired_yet_is_good() -> None:
    secret = stored_secret(expires_at=int(time()) + 60)

    assert authorize(f"Bearer {secret}")["tenant"] == "acme"


def test_a_denied_caller_is_told_of_no_tenant() -> None:
    for secret in (stored_secret(active=False), stored_secret(expires_at=1), "dk-unknown"):
        assert set(authorize(f"Bearer {secret}")) == {"denied", "reason"}


def test_the_reason_never_repeats_the_key() -> None:
    inactive = stored_secret(active=False)

    assert inactive not in authorize(f"Bearer {inactive}")["reason"]


def test_a_key_deleted_from_the_table_is_unknown_at_once() -> None:
    secret = stored_secret()

    key_table.delete(key_table.get("acme", "key_1"))

    assert stored_items() == []
    assert authorize(f"Bearer {secret}")["denied"] == "INVALID_API_KEY"
