"""API keys, as they travel. Times are Unix seconds. A field that nothing reads is refused."""

import re
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from cross_session.domain.access import NAMESPACE_GRANT, NAMESPACE_PATTERN, Principal, Scope
from cross_session.domain.api_key import ApiKey
from cross_session.domain.usage import MAX_DAILY_QUOTA, MAX_RATE_LIMIT, Usage
from cross_session.errors import InvalidRequestError, UnknownFieldError
from cross_session.wire.base import Whole

MAX_GRACE_SECS = 604_800
MAX_EXPIRES_IN_DAYS = 36_500
KEY_ID_PATTERN = r"^key_[0-9a-f]{1,64}$"
SHOWN_ONCE = "Keep this key: it is not shown again."

# The protocol's own name of an agent's namespace; here the agent's id is its name.
AGENT_PREFIX = "_dakera_agent_"
KEYS_NAMESPACE_PATTERN = NAMESPACE_PATTERN.replace("^", f"^(?:{AGENT_PREFIX})?")


def plain_namespace(namespace: str) -> str:
    return namespace.removeprefix(AGENT_PREFIX)


def _grant(grant: str) -> str:
    grant = plain_namespace(grant)
    if not re.fullmatch(NAMESPACE_GRANT, grant):
        raise ValueError(f"{grant!r} is neither a namespace nor a prefix*")
    return grant


Grants = Annotated[list[Annotated[str, AfterValidator(_grant)]], Field(max_length=100)]
Name = Annotated[str, Field(min_length=1, max_length=128)]
ScopeName = Literal["read", "write", "admin", "super_admin"]
ExpiresInDays = Annotated[int, Field(ge=1, le=MAX_EXPIRES_IN_DAYS), Whole]
RateLimit = Annotated[
    int, Field(ge=1, le=MAX_RATE_LIMIT, description="The service's own if absent or null"), Whole
]
DailyQuota = Annotated[
    int, Field(ge=1, le=MAX_DAILY_QUOTA, description="The service's own if absent or null"), Whole
]


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, json_schema_extra={"additionalProperties": False})

    @model_validator(mode="before")
    @classmethod
    def _known(cls, sent: Any) -> Any:
        unknown = sorted(set(sent) - set(cls.model_fields)) if isinstance(sent, dict) else []
        if unknown:
            raise UnknownFieldError(
                f"{', '.join(unknown)}: not known here; known are {', '.join(cls.model_fields)}"
            )
        return sent


class _NewKey(_Strict):
    name: Name
    scope: ScopeName = Field(description="super_admin is the same as admin")
    expires_in_days: ExpiresInDays | None = None
    rate_limit_per_minute: RateLimit | None = None
    daily_quota: DailyQuota | None = None

    def asked(self) -> dict[str, Any]:
        """As `keys.issue` takes it, without the namespaces."""
        fields = self.model_dump(
            include={"name", "expires_in_days", "rate_limit_per_minute", "daily_quota"}
        )
        return fields | {
            "scope": Scope.ADMIN if self.scope == "super_admin" else Scope.of(self.scope)
        }


class CreateKey(_NewKey):
    namespaces: Grants | None = Field(
        default=None, description="Exact names or prefix*; all if absent or null, none if empty"
    )

    def grants(self) -> tuple[str, ...] | None:
        return None if self.namespaces is None else tuple(dict.fromkeys(self.namespaces))


class CreateNamespaceKey(_NewKey):
    extra_namespaces: Grants | None = None

    def grants(self, namespace: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys([namespace, *(self.extra_namespaces or ())]))


class UpdateKey(_Strict):
    name: Name | None = None
    namespaces: Grants | None = Field(default=None, description="null grants all of them")
    rate_limit_per_minute: RateLimit | None = None
    daily_quota: DailyQuota | None = None

    def changes(self) -> dict[str, Any]:
        """The fields that the caller named; all but the name may be set to None.

        Raises InvalidRequestError where there are none.
        """
        changes = self.model_dump(exclude_unset=True)
        if changes.get("name", "") is None:
            del changes["name"]
        if not changes:
            raise InvalidRequestError(
                "body", "sets nothing: name, namespaces, rate_limit_per_minute or daily_quota"
            )
        if changes.get("namespaces") is not None:
            changes["namespaces"] = tuple(dict.fromkeys(changes["namespaces"]))
        return changes


class RotateKey(_Strict):
    grace_secs: Annotated[int, Field(ge=0, le=MAX_GRACE_SECS)] | None = Field(
        default=None, description="For so long the old key stays good; it ends at once if absent"
    )


class KeyOut(BaseModel):
    key_id: str
    name: str
    scope: str
    namespaces: list[str] | None = Field(description="null: all of them")
    created_at: int
    expires_at: int | None
    active: bool
    replaced_by: str | None = Field(description="The key that this one was rotated to")
    rate_limit_per_minute: int | None = Field(description="null: the service's own")
    daily_quota: int | None = Field(description="null: the service's own")

    @classmethod
    def of(cls, record: ApiKey, **more: Any) -> Self:
        return cls(
            key_id=record.id,
            name=record.name,
            scope=record.scope.label,
            namespaces=None if record.namespaces is None else list(record.namespaces),
            created_at=record.created_at,
            expires_at=record.expires_at,
            active=record.active,
            replaced_by=record.replaced_by,
            rate_limit_per_minute=record.rate_limit_per_minute,
            daily_quota=record.daily_quota,
            **more,
        )


class KeyCreated(KeyOut):
    key: str = Field(description="The secret: shown here and never again")
    warning: str = SHOWN_ONCE


class NamespaceKeyCreated(KeyCreated):
    namespace: str


class KeyPage(BaseModel):
    keys: list[KeyOut]
    total: int


class NamespaceKeyPage(KeyPage):
    namespace: str


class KeyRotated(BaseModel):
    key_id: str = Field(description="The new key's")
    new_key: str = Field(description="The secret: shown here and never again")
    old_key_id: str
    old_key_expires_at: int | None = Field(description="null: it has ended")
    warning: str = SHOWN_ONCE


class Done(BaseModel):
    success: bool = True
    message: str


class KeyUsage(BaseModel):
    """Of the last 90 days; a request is counted within seconds of the caller's next one."""

    key_id: str
    total_requests: int
    successful_requests: int
    failed_requests: int
    rate_limited_requests: int
    bytes_transferred: int = Field(description="Of answers' bodies")
    avg_latency_ms: float = Field(description="In the function")
    last_used_at: int | None

    @classmethod
    def of(cls, key_id: str, usage: Usage, **more: Any) -> Self:
        return cls(
            key_id=key_id,
            total_requests=usage.total,
            successful_requests=usage.successful,
            failed_requests=usage.failed,
            rate_limited_requests=usage.rate_limited,
            bytes_transferred=usage.bytes_sent,
            avg_latency_ms=usage.average_latency_ms,
            last_used_at=usage.last_used_at,
            **more,
        )


class NamespaceKeyUsage(KeyUsage):
    namespace: str


class WhoAmI(BaseModel):
    key_id: str
    name: str
    scope: str
    namespaces: list[str] | None = Field(description="null: all of them")
    unrestricted: bool
    expires_at: int | None
    grants_version: None = None
    inert_namespaces: list[str] = Field(default=[], description="There are none here")
    auth_enabled: bool = True

    @classmethod
    def of(cls, caller: Principal) -> Self:
        return cls(
            key_id=caller.key_id,
            name=caller.name,
            scope=caller.scope.label,
            namespaces=None if caller.namespaces is None else list(caller.namespaces),
            unrestricted=caller.unrestricted,
            expires_at=caller.expires_at,
        )
