"""API keys: a secret shown once, and the record kept of it."""

import hashlib
import secrets
from dataclasses import dataclass

from cross_session.domain.access import Scope

PREFIX = "dk-"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """Times are Unix seconds; `namespaces` as in `access.Principal`.

    A limit that is None is the service's own. `replaced_by` is the id of the key that it was
    rotated to.
    """

    id: str
    tenant: str
    name: str
    scope: Scope
    namespaces: tuple[str, ...] | None
    created_at: int
    expires_at: int | None = None
    active: bool = True
    replaced_by: str | None = None
    rate_limit_per_minute: int | None = None
    daily_quota: int | None = None

    def expired(self, now: int) -> bool:
        return self.expires_at is not None and self.expires_at <= now


def new_id() -> str:
    return f"key_{secrets.token_hex(8)}"


def new_secret() -> str:
    """`dk-` and 43 characters that carry 256 random bits."""
    return PREFIX + secrets.token_urlsafe(32)


def secret_hash(secret: str) -> str:
    """What is stored of a secret. One SHA-256 is enough for 256 random bits: there is
    nothing to guess, and a slow hash would cost each request."""
    return hashlib.sha256(secret.encode()).hexdigest()
