"""API Gateway's authorizer: whose credential is this?

It never denies. An HTTP API turns a denial into its own bare 403 and can't be told
otherwise, so a credential that is no good goes on with the reason, and `http_api` answers
401 with it before anything else; without a tenant from here nothing can be read.
"""

import json
from time import time
from typing import Any

from cross_session.adapters import key_table, table
from cross_session.cold_start import load_at_init
from cross_session.domain.api_key import PREFIX

load_at_init(table.connect)


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """A simple authorizer response (payload 2.0), cached by API Gateway per credential."""
    scheme, _, secret = event["headers"].get("authorization", "").partition(" ")
    return {"isAuthorized": True, "context": _who(scheme, secret.strip())}


def _who(scheme: str, secret: str) -> dict[str, str]:
    if scheme.lower() != "bearer" or not secret:
        return _denied("AUTHENTICATION_REQUIRED", f"send Authorization: Bearer {PREFIX}…")
    key = key_table.find(secret)
    if key is None or not key.active:
        return _denied("INVALID_API_KEY", "this API key is not known here")
    if key.expired(int(time())):
        return _denied("API_KEY_EXPIRED", "this API key has expired")
    return {
        "tenant": key.tenant,
        "key_id": key.id,
        "scope": key.scope.label,
        "namespaces": json.dumps(key.namespaces),
    }


def _denied(code: str, reason: str) -> dict[str, str]:
    return {"denied": code, "reason": reason}
