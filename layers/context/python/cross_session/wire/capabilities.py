"""What the service can do, in the words in which the public clients ask."""

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel

from cross_session import __version__
from cross_session.domain.access import NAMESPACE_PATTERN
from cross_session.domain.session import DEFAULT_IDLE_TIMEOUT_SECS, MAX_IDLE_TIMEOUT_SECS
from cross_session.wire.base import SESSION_ID_PATTERN

_MAX_ID_BYTES = 128
_MAX_GRACE_SECS = 604_800
_E5 = {
    "name": "e5-small",
    "aliases": ["e5-small-v2"],
    "dimension": 384,
    "max_seq_length": 512,
    "effective_max_seq_length": 512,
    "active": True,
    "modality": "text",
}


class Capabilities(BaseModel):
    capabilities_version: int = 1
    server_version: str = __version__
    api_versions: list[str] = ["v1"]
    default_model: str = "e5-small"
    models: list[dict[str, Any]] = [_E5]
    index_kinds: list[str] = ["hnsw", "fulltext"]
    vector_index_kinds: list[str] = ["hnsw"]
    live_vector_index_kinds: list[str] = ["hnsw"]
    distance_metrics: list[str] = ["cosine"]
    search_mode: str = "hybrid"
    search_modes_accepted: list[str] = ["hybrid"]
    fulltext_language: str = "en"
    query_languages: list[str] = ["en"]
    reembed_pending: bool = False
    scoring: dict[str, Any] = {"strategy": "single-vector"}
    auth: dict[str, Any]
    naming: dict[str, Any]
    sessions: dict[str, Any]
    records: dict[str, bool] = {"enabled": False}
    attachments: dict[str, bool] = {"enabled": False}
    documents: dict[str, bool] = {"enabled": False}
    vision: dict[str, bool] = {"enabled": False}

    @classmethod
    def true_of(cls, methods_of: Callable[[str], list[str]]) -> "Capabilities":
        """`methods_of` tells which methods a path answers, none where there is none."""
        can_rotate = "POST" in methods_of("/admin/keys/key_1/rotate")
        return cls(
            auth={
                "prefix_patterns": True,
                "sessions_by_agent": True,
                "key_update": "PATCH" in methods_of("/admin/keys/key_1"),
                "rotation_grace_max_secs": _MAX_GRACE_SECS if can_rotate else 0,
            },
            naming={
                "agent_id_pattern": NAMESPACE_PATTERN,
                "agent_id_max_bytes": _MAX_ID_BYTES,
                "session_id_pattern": SESSION_ID_PATTERN,
                "session_id_max_bytes": _MAX_ID_BYTES,
                "namespace_pattern": NAMESPACE_PATTERN,
                "namespace_max_bytes": _MAX_ID_BYTES,
            },
            sessions={
                "idle_timeout_secs": DEFAULT_IDLE_TIMEOUT_SECS,
                "max_idle_timeout_secs": MAX_IDLE_TIMEOUT_SECS,
                "touch": True,
                "ended_reason": True,
            },
        )
