"""Who calls, and what that caller may touch."""

import hashlib
import re
from dataclasses import dataclass
from enum import IntEnum

NAMESPACE_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$"
NAMESPACE_GRANT = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}\*?$|^\*$")
_ESCAPED, _HASHED = "esc.", "sha256."


class Scope(IntEnum):
    """Each scope includes the ones before it."""

    READ = 1
    WRITE = 2
    ADMIN = 3

    @classmethod
    def of(cls, name: str) -> "Scope":
        return cls[name.upper()]

    @property
    def label(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """A verified caller. `namespaces` are exact names or `prefix*`; None grants all of them.

    An end user is known by a token rather than by a key. `rate_limit_per_minute` None means
    that its requests are neither limited nor counted.
    """

    tenant: str
    key_id: str
    scope: Scope
    namespaces: tuple[str, ...] | None
    name: str = ""
    end_user: bool = False
    expires_at: int | None = None
    rate_limit_per_minute: int | None = None
    daily_quota: int | None = None

    @property
    def unrestricted(self) -> bool:
        return self.namespaces is None or "*" in self.namespaces

    @property
    def sole_namespace(self) -> str | None:
        """The one namespace that the caller has, where it has exactly one."""
        match self.namespaces:
            case (str(only),) if not only.endswith("*"):
                return only
        return None

    def may_touch(self, namespace: str) -> bool:
        if self.namespaces is None:
            return True
        return any(opens(grant, namespace) for grant in self.namespaces)

    def may_grant(self, namespaces: tuple[str, ...] | None) -> bool:
        """Whether all that these grants open is the caller's."""
        if self.namespaces is None or self.unrestricted:
            return True
        if namespaces is None:
            return False
        return all(any(covers(own, grant) for own in self.namespaces) for grant in namespaces)


def opens(grant: str, namespace: str) -> bool:
    return namespace.startswith(grant[:-1]) if grant.endswith("*") else namespace == grant


def covers(grant: str, other: str) -> bool:
    """Whether `grant` opens every namespace that `other` does."""
    if other.endswith("*"):
        return grant.endswith("*") and other.startswith(grant[:-1])
    return opens(grant, other)


def user_namespace(sub: str) -> str:
    """The namespace of the end user whom an issuer knows as `sub`; no two share one.

    `user-` and the sub where that is a namespace. Else, as in `user-esc.auth0.7c42` for "auth0|42",
    each byte of its UTF-8 but letters, digits, _ and - is a dot and two hexadecimal digits; or,
    where that is too long, its SHA-256 follows `user-sha256.`.
    """
    plain = f"user-{sub}"
    if re.fullmatch(NAMESPACE_PATTERN, plain) and not sub.startswith((_ESCAPED, _HASHED)):
        return plain
    sent = sub.encode("utf-8", "surrogatepass")
    escaped = re.sub(rb"[^A-Za-z0-9_-]", lambda byte: b".%02x" % ord(byte[0]), sent).decode()
    name = f"user-{_ESCAPED}{escaped}"
    if re.fullmatch(NAMESPACE_PATTERN, name):
        return name
    return f"user-{_HASHED}{hashlib.sha256(sent).hexdigest()}"
