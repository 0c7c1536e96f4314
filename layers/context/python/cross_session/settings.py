"""What differs between deployments, read from the environment once."""

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path


def _required(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        raise RuntimeError(f"the environment variable {name} is not set")
    return value


@dataclass(frozen=True, slots=True)
class TableSettings:
    name: str


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """`signing_region` is the domain's, None where requests go unsigned."""

    url: str
    shards: int
    replicas: int
    signing_region: str | None


@dataclass(frozen=True, slots=True)
class AuditSettings:
    kept_days: int


@dataclass(frozen=True, slots=True)
class EmbeddingSettings:
    model: Path
    threads: int


@dataclass(frozen=True, slots=True)
class OidcSettings:
    """`audiences`: what a token's `aud`, or without one its `client_id`, may be."""

    issuer: str
    audiences: frozenset[str]
    tenant: str


@dataclass(frozen=True, slots=True)
class LimitSettings:
    """What a key, or an end user's token, may do where its record says nothing else."""

    per_minute: int
    daily_quota: int | None
    user_per_minute: int
    user_daily_quota: int | None


@cache
def table_settings() -> TableSettings:
    return TableSettings(name=_required("TABLE_NAME"))


@cache
def engine_settings() -> EngineSettings:
    signing = os.environ.get("OPENSEARCH_SIGNING")
    if signing not in (None, "aws"):
        raise RuntimeError(f"OPENSEARCH_SIGNING is 'aws' or not set, not {signing!r}")
    return EngineSettings(
        url=_required("OPENSEARCH_URL"),
        shards=int(os.environ.get("OPENSEARCH_SHARDS", "1")),
        replicas=int(os.environ.get("OPENSEARCH_REPLICAS", "0")),
        signing_region=_required("AWS_REGION") if signing == "aws" else None,
    )


@cache
def embedding_settings() -> EmbeddingSettings:
    return EmbeddingSettings(
        model=Path(os.environ.get("MODEL_DIR", "/opt/e5-small-v2")),
        threads=int(os.environ.get("EMBEDDING_THREADS", "1")),
    )


@cache
def ended_sessions_queue_url() -> str:
    """Where sessions go to be consolidated."""
    return _required("ENDED_SESSIONS_QUEUE_URL")


@cache
def consolidate_after_days() -> int:
    """How old a session's newest memory is when its summary begins to speak for the others."""
    return int(os.environ.get("CONSOLIDATE_AFTER_DAYS", "30"))


@cache
def summary_model() -> str | None:
    """The model of Amazon Bedrock that writes summaries; None where sentences are chosen."""
    return os.environ.get("BEDROCK_SUMMARY_MODEL") or None


@cache
def spill_queue_url() -> str:
    """Where stores go while the engine is away."""
    return _required("SPILL_QUEUE_URL")


@cache
def oidc_settings() -> OidcSettings | None:
    """None where end users have no tokens."""
    issuer = os.environ.get("OIDC_ISSUER")
    if not issuer:
        return None
    audiences = (one.strip() for one in _required("OIDC_AUDIENCE").split(","))
    return OidcSettings(
        issuer=issuer,
        audiences=frozenset(filter(None, audiences)),
        tenant=os.environ.get("OIDC_TENANT", "default"),
    )


@cache
def limit_settings() -> LimitSettings:
    return LimitSettings(
        per_minute=int(os.environ.get("RATE_LIMIT_PER_MINUTE", "6000")),
        daily_quota=_count_or_none("DAILY_QUOTA"),
        user_per_minute=int(os.environ.get("USER_RATE_LIMIT_PER_MINUTE", "600")),
        user_daily_quota=_count_or_none("USER_DAILY_QUOTA"),
    )


def _count_or_none(name: str) -> int | None:
    value = os.environ.get(name)
    return int(value) if value else None


@cache
def audit_settings() -> AuditSettings:
    return AuditSettings(kept_days=int(os.environ.get("AUDIT_KEPT_DAYS", "90")))
