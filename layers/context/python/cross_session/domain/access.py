"""Who calls, and what that caller may touch."""

import re
from dataclasses import dataclass
from enum import IntEnum

NAMESPACE_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$"
NAMESPACE_GRANT = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}\*?$|^\*$")


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
    """A verified caller. `namespaces` are exact names or `prefix*`; None grants all of them."""

    tenant: str
    key_id: str
    scope: Scope
    namespaces: tuple[str, ...] | None

    def may_touch(self, namespace: str) -> bool:
        if self.namespaces is None:
            return True
        return any(
            namespace.startswith(grant[:-1]) if grant.endswith("*") else namespace == grant
            for grant in self.namespaces
        )
