"""API keys made, changed and replaced by the holder of another: none opens more than its own."""

from dataclasses import replace
from typing import Any

from cross_session.adapters import key_table
from cross_session.domain.access import Principal, Scope
from cross_session.domain.api_key import ApiKey, new_id, new_secret
from cross_session.errors import (
    ConflictError,
    NamespaceDeniedError,
    NotFoundError,
    ScopeInsufficientError,
)

SECONDS_A_DAY = 86_400


def issue(
    maker: Principal,
    *,
    name: str,
    scope: Scope,
    namespaces: tuple[str, ...] | None,
    expires_in_days: int | None = None,
    rate_limit_per_minute: int | None = None,
    daily_quota: int | None = None,
    now: int,
) -> tuple[ApiKey, str]:
    """A new key of the maker's tenant, and its secret, which nothing can show again.

    Raises ScopeInsufficientError and NamespaceDeniedError.
    """
    _check_grant(maker, scope, namespaces)
    key = ApiKey(
        id=new_id(),
        tenant=maker.tenant,
        name=name,
        scope=scope,
        namespaces=namespaces,
        created_at=now,
        expires_at=None if expires_in_days is None else now + expires_in_days * SECONDS_A_DAY,
        rate_limit_per_minute=rate_limit_per_minute,
        daily_quota=daily_quota,
    )
    secret = new_secret()
    key_table.put(key, secret)
    return key, secret


def managed(caller: Principal) -> list[ApiKey]:
    """The keys that open nothing which the caller's own doesn't, newest first."""
    return [key for key in key_table.listed(caller.tenant) if _manages(caller, key)]


def find(caller: Principal, key_id: str) -> ApiKey:
    """Raises NotFoundError, also for a key that opens more than the caller's own."""
    key = key_table.get(caller.tenant, key_id)
    if not _manages(caller, key):
        raise NotFoundError(key_table.RESOURCE)
    return key


def change(caller: Principal, key: ApiKey, changes: dict[str, Any]) -> ApiKey:
    """Raises NamespaceDeniedError, and ConflictError for a key that is not active."""
    if "namespaces" in changes:
        _check_grant(caller, key.scope, changes["namespaces"])
    return key_table.change(key, changes)


def deactivate(key: ApiKey) -> None:
    """One that is not active stays so."""
    if key.active:
        key_table.change(key, {"active": False})


def rotate(key: ApiKey, *, grace_secs: int, now: int) -> tuple[ApiKey, str, int | None]:
    """A new key in the place of `key`, its secret, and when the old one ends; None is at once.

    The new one lives as long from now on as the old one was to from its making. Raises
    ConflictError for a key that is not active, has expired or was replaced already.
    """
    if not key.active or key.replaced_by:
        raise ConflictError("this key is not active, or has been rotated already")
    if key.expired(now):
        raise ConflictError("this key has expired; make a new one")
    lifetime = None if key.expires_at is None else key.expires_at - key.created_at
    new = replace(
        key,
        id=new_id(),
        created_at=now,
        expires_at=None if lifetime is None else now + lifetime,
    )
    old_expires_at = None
    if grace_secs:
        old_expires_at = min(now + grace_secs, key.expires_at or now + grace_secs)
    secret = new_secret()
    key_table.replace(key, new, secret, old_expires_at=old_expires_at)
    return new, secret, old_expires_at


def _manages(caller: Principal, key: ApiKey) -> bool:
    return key.scope <= caller.scope and caller.may_grant(key.namespaces)


def _check_grant(maker: Principal, scope: Scope, namespaces: tuple[str, ...] | None) -> None:
    if scope > maker.scope:
        raise ScopeInsufficientError(
            f"this key's scope is {maker.scope.label}; it cannot grant {scope.label}"
        )
    if not maker.may_grant(namespaces):
        own = ", ".join(maker.namespaces or ()) or "none"
        raise NamespaceDeniedError(
            f"this key opens {own}; it cannot grant {', '.join(namespaces or ('all namespaces',))}"
        )
