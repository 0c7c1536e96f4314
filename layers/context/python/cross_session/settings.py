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
class EmbeddingSettings:
    model: Path
    threads: int


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
def spill_queue_url() -> str:
    """Where stores go while the engine is away."""
    return _required("SPILL_QUEUE_URL")
