"""What answers what, and what it may reach. The stacks and the local server both read it here.

A new function is a module in `functions`, an entry in FUNCTIONS, and whatever starts it: routes,
a schedule, a queue. One that nothing starts is there to be invoked on demand.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

AUTHORIZER = "authorizer"
AUTHORIZER_CACHE_SECONDS = 60
DEFAULT_FUNCTION = "service"  # answers every path that has no route


@dataclass(frozen=True)
class Route:
    """A path in API Gateway's notation, and the module in `functions` that answers it."""

    method: str
    path: str
    function: str
    public: bool = False


@dataclass(frozen=True)
class Schedule:
    function: str
    every_seconds: int


@dataclass(frozen=True)
class Queue:
    """Messages to `consumer`; one that it could not take `max_receives` times is a dead letter.

    A message that was received comes again after `visibility_seconds`, which Lambda wants to be
    six times its consumer's timeout.

    At most `max_concurrency` environments take from it at a time, so that a backlog leaves the
    engine room for people who wait.
    """

    name: str
    consumer: str
    fifo: bool = False
    batch_size: int = 10
    visibility_seconds: int = 180
    max_receives: int = 5
    max_concurrency: int = 10

    @property
    def url_variable(self) -> str:
        """The environment variable that tells functions where it is."""
        return f"{self.name.upper()}_QUEUE_URL"

    @property
    def dead_letters_url_variable(self) -> str:
        return f"{self.name.upper()}_DEAD_LETTER_QUEUE_URL"


@dataclass(frozen=True)
class Function:
    """What a module in `functions` may reach; all else is denied to it.

    `engine`: "documents" reads and writes memories and creates their index, "indices" may do all
    that the engine can. `model` gives it the embedding model, `summarizes` the one of
    Bedrock where a deployment names one. `redrives` names the queues whose dead letters it may
    send again. One that is `alone` must not run twice at a time. A Lambda function gets CPU by its
    memory: 1,769 MB is one core.
    """

    table: Literal["read", "write"] | None = None
    engine: Literal["documents", "indices"] | None = None
    model: bool = False
    summarizes: bool = False
    sends_to: tuple[str, ...] = ()
    redrives: tuple[str, ...] = ()
    alone: bool = False
    memory_mb: int = 512
    timeout_seconds: int = 30  # also the most that an HTTP API waits


FUNCTIONS: Mapping[str, Function] = {
    "agents": Function(table="write", engine="documents"),
    "authorizer": Function(table="read", timeout_seconds=10),  # the most that an HTTP API waits
    "consolidate": Function(
        table="write", engine="documents", model=True, summarizes=True, memory_mb=1769
    ),
    "deduplicate": Function(table="write", engine="documents", model=True, timeout_seconds=300),
    "expire": Function(table="write", engine="documents", timeout_seconds=300),
    "index_memories": Function(
        table="write", engine="documents", model=True, sends_to=("spill",), memory_mb=1769
    ),
    "keys": Function(table="write"),
    "knowledge": Function(table="write", engine="documents", model=True, memory_mb=1769),
    "memories": Function(
        table="write",
        engine="documents",
        model=True,
        summarizes=True,
        sends_to=("spill",),
        memory_mb=1769,
    ),
    "migrate_index": Function(engine="indices", alone=True, timeout_seconds=900),
    "namespaces": Function(table="write", engine="documents", model=True, memory_mb=1769),
    "redrive": Function(redrives=("spill", "ended_sessions"), timeout_seconds=300),
    "service": Function(table="write"),
    "sessions": Function(table="write", sends_to=("ended_sessions",)),
    "sweep": Function(table="write", sends_to=("ended_sessions",), timeout_seconds=300),
}

QUEUES = (
    # put off up to 15 minutes each time, 100 times are a day without the engine
    Queue("spill", consumer="index_memories", fifo=True, max_receives=100),
    # one at a time, as Bedrock, if it writes the summary, may take half of the consumer's time
    Queue("ended_sessions", consumer="consolidate", batch_size=1),
)

ROUTES = (
    Route("POST", "/v1/sessions/start", "sessions"),
    Route("POST", "/v1/sessions/{session_id}/end", "sessions"),
    Route("POST", "/v1/sessions/{session_id}/touch", "sessions"),
    Route("GET", "/v1/sessions", "sessions"),
    Route("GET", "/v1/sessions/{session_id}", "sessions"),
    Route("GET", "/v1/agents/{agent_id}/sessions", "sessions"),
    Route("GET", "/v1/sessions/{session_id}/memories", "memories"),
    Route("POST", "/v1/memory/store", "memories"),
    Route("POST", "/v1/memories/store/batch", "memories"),
    Route("POST", "/v1/memory/recall", "memories"),
    Route("POST", "/v1/memory/search", "memories"),
    Route("POST", "/v1/context", "memories"),
    Route("POST", "/v1/memories/recall/batch", "memories"),
    Route("GET", "/v1/memory/get/{memory_id}", "memories"),
    Route("PUT", "/v1/memory/update/{memory_id}", "memories"),
    Route("POST", "/v1/memory/importance", "memories"),
    Route("POST", "/v1/memory/forget", "memories"),
    Route("POST", "/v1/memory/consolidate", "memories"),
    Route("POST", "/v1/knowledge/summarize", "memories"),
    Route("GET", "/v1/agents/{agent_id}/memories", "memories"),
    Route("GET", "/v1/agents/{agent_id}/stats", "memories"),
    Route("GET", "/v1/agents/{agent_id}/wake-up", "memories"),
    Route("POST", "/admin/keys", "keys"),
    Route("GET", "/admin/keys", "keys"),
    Route("GET", "/admin/keys/{key_id}", "keys"),
    Route("PATCH", "/admin/keys/{key_id}", "keys"),
    Route("DELETE", "/admin/keys/{key_id}", "keys"),
    Route("POST", "/admin/keys/{key_id}/deactivate", "keys"),
    Route("POST", "/admin/keys/{key_id}/rotate", "keys"),
    Route("GET", "/admin/keys/{key_id}/usage", "keys"),
    Route("POST", "/v1/namespaces/{namespace}/keys", "keys"),
    Route("GET", "/v1/namespaces/{namespace}/keys", "keys"),
    Route("PATCH", "/v1/namespaces/{namespace}/keys/{key_id}", "keys"),
    Route("DELETE", "/v1/namespaces/{namespace}/keys/{key_id}", "keys"),
    Route("GET", "/v1/namespaces/{namespace}/keys/{key_id}/usage", "keys"),
    Route("GET", "/v1/auth/whoami", "keys"),
    Route("DELETE", "/v1/memories/forget/batch", "memories"),
    Route("POST", "/v1/memory/feedback", "knowledge"),
    Route("POST", "/v1/memories/{memory_id}/feedback", "knowledge"),
    Route("GET", "/v1/memories/{memory_id}/feedback", "knowledge"),
    Route("PATCH", "/v1/memories/{memory_id}/importance", "knowledge"),
    Route("POST", "/v1/knowledge/deduplicate", "knowledge"),
    Route("GET", "/v1/memory/deduplicated", "knowledge"),
    Route("POST", "/v1/memory/deduplicated/{memory_id}/restore", "knowledge"),
    Route("GET", "/v1/agents", "agents"),
    Route("POST", "/v1/agents", "agents"),
    Route("GET", "/v1/agents/{agent_id}/feedback/summary", "agents"),
    Route("GET", "/v1/feedback/health", "agents"),
    Route("GET", "/v1/namespaces", "agents"),
    Route("GET", "/v1/namespaces/{namespace}/memory_policy", "agents"),
    Route("PUT", "/v1/namespaces/{namespace}/memory_policy", "agents"),
    Route("GET", "/v1/capabilities", "service"),
    Route("DELETE", "/v1/namespaces/{namespace}", "namespaces"),
    Route("GET", "/v1/export", "namespaces"),
    Route("POST", "/v1/import", "namespaces"),
    Route("GET", "/v1/import/{job_id}/status", "namespaces"),
    Route("GET", "/v1/audit", "namespaces"),
    Route("GET", "/v1/audit/export", "namespaces"),
    Route("POST", "/v1/audit/export", "namespaces"),
    Route("GET", "/health", "service", public=True),
    Route("GET", "/health/live", "service", public=True),
    Route("GET", "/health/ready", "memories", public=True),
    Route("GET", "/openapi.json", "service", public=True),
    Route("GET", "/docs", "service", public=True),
)

# A browser asks before it sends; without a route of its own $default would want a credential.
PREFLIGHT = Route("OPTIONS", "/{proxy+}", DEFAULT_FUNCTION, public=True)

SCHEDULES = (
    Schedule("expire", every_seconds=60),
    Schedule("deduplicate", every_seconds=3_600),
    Schedule("sweep", every_seconds=60),
)
