"""What answers what. The API stack and the local server both read it here."""

from dataclasses import dataclass

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
    Route("GET", "/v1/agents/{agent_id}/memories", "memories"),
    Route("GET", "/v1/agents/{agent_id}/stats", "memories"),
    Route("GET", "/v1/agents/{agent_id}/wake-up", "memories"),
    Route("GET", "/health", "service", public=True),
    Route("GET", "/openapi.json", "service", public=True),
    Route("GET", "/docs", "service", public=True),
)

SCHEDULES = (Schedule("expire", every_seconds=60),)
