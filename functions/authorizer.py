"""API Gateway's authorizer: whose credential is this?

It never denies. An HTTP API turns a denial into its own bare 403 and can't be told
otherwise, so a credential that is no good goes on with the reason, and `http_api` answers
401 with it before anything else; without a tenant from here nothing can be read. Where it
cannot be told whether a token is good, `unavailable` goes on instead, which becomes a 503.

API Gateway keeps each word for `AUTHORIZER_CACHE_SECONDS`: a key that was deactivated,
deleted or changed is as it was for that long.
"""

import json
from time import time
from typing import Any

from cross_session.adapters import key_table, table
from cross_session.cold_start import load_at_init
from cross_session.domain.access import Scope, user_namespace
from cross_session.domain.api_key import PREFIX
from cross_session.errors import AuthenticationFailedError, IdentityUnavailableError
from cross_session.settings import OidcSettings, limit_settings, oidc_settings

load_at_init(table.connect)


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """A simple authorizer response (payload 2.0), cached by API Gateway per credential."""
    scheme, _, credential = event["headers"].get("authorization", "").partition(" ")
    try:
        said = _who(scheme, credential.strip())
    except AuthenticationFailedError as error:
        said = {"denied": error.code, "reason": str(error)}
    except IdentityUnavailableError as error:
        said = {"unavailable": str(error)}
    return {"isAuthorized": True, "context": said}


def _who(scheme: str, credential: str) -> dict[str, str]:
    if scheme.lower() != "bearer" or not credential:
        raise AuthenticationFailedError(
            "AUTHENTICATION_REQUIRED", f"send Authorization: Bearer {PREFIX}…"
        )
    users = oidc_settings()
    if users and not credential.startswith(PREFIX) and credential.count(".") == 2:
        return _end_user(credential, users)
    return _api_key(credential)


def _api_key(secret: str) -> dict[str, str]:
    key = key_table.find(secret)
    if key is None or not key.active:
        raise AuthenticationFailedError("INVALID_API_KEY", "this API key is not known here")
    if key.expired(int(time())):
        raise AuthenticationFailedError("API_KEY_EXPIRED", "this API key has expired")
    limits = limit_settings()
    return {
        "tenant": key.tenant,
        "key_id": key.id,
        "name": key.name,
        "scope": key.scope.label,
        "namespaces": json.dumps(key.namespaces),
        **_numbers(
            expires_at=key.expires_at,
            rate_limit_per_minute=key.rate_limit_per_minute or limits.per_minute,
            daily_quota=key.daily_quota or limits.daily_quota,
        ),
    }


def _end_user(token: str, settings: OidcSettings) -> dict[str, str]:
    # PyJWT takes 0.1 s to import, which callers with a key don't wait for
    from cross_session.adapters.identity_provider import LEEWAY_SECONDS, verified_claims

    claims = verified_claims(token, settings)
    if not claims["sub"]:
        raise AuthenticationFailedError("INVALID_TOKEN", "this token's sub is empty")
    namespace = user_namespace(claims["sub"])
    limits = limit_settings()
    return {
        "tenant": settings.tenant,
        "key_id": namespace,
        "name": claims["sub"],
        "scope": Scope.WRITE.label,
        "namespaces": json.dumps([namespace]),
        "end_user": "true",
        **_numbers(
            expires_at=int(claims["exp"]) + LEEWAY_SECONDS,
            rate_limit_per_minute=limits.user_per_minute,
            daily_quota=limits.user_daily_quota,
        ),
    }


def _numbers(**values: int | None) -> dict[str, str]:
    return {name: str(value) for name, value in values.items() if value is not None}
