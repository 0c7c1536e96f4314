"""HTTP: health, the API's description, and every path that no route answers."""

import json
import re
from functools import cache
from pathlib import Path
from time import time
from typing import Any

import aws_lambda_powertools.event_handler.openapi.swagger_ui as swagger_ui
from aws_lambda_powertools.event_handler import Response, content_types
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import BaseModel

from cross_session import __version__
from cross_session.domain.access import Scope
from cross_session.errors import FeatureDisabledError, MethodNotAllowedError, RouteNotFoundError
from cross_session.http_api import Api, problem_of
from cross_session.wire.capabilities import Capabilities

OPENAPI = Path(__file__).with_name("openapi.json")
PREFLIGHT = "OPTIONS /{proxy+}"

# What the protocol's public clients can call and this service does not have, by path.
NOT_BUILT = (
    "/debug",
    "/health",
    "/ops",
    "/v1/admin",
    "/v1/agents",
    "/v1/analytics",
    "/v1/audit",
    "/v1/events",
    "/v1/extract",
    "/v1/feedback",
    "/v1/knowledge",
    "/v1/kpis",
    "/v1/memories",
    "/v1/memory/documents",
    "/v1/memory/entities",
    "/v1/namespaces",
    "/v1/ops",
    "/v1/route",
)

NOT_BUILT_HERE = {("POST", "/v1/namespaces")}  # where another method is

app = Api()
_started_at = time()


class Alive(BaseModel):
    alive: bool = True
    version: str = __version__
    uptime_seconds: int


class Health(BaseModel):
    status: str = "ok"
    healthy: bool = True
    version: str = __version__
    uptime_seconds: int


@app.get("/health", tags=["service"])
def health() -> Health:
    """Tells that the service answers; needs no key."""
    return Health(uptime_seconds=int(time() - _started_at))


@app.get("/health/live", tags=["service"])
def live() -> Alive:
    """Tells that the service runs; needs no key."""
    return Alive(uptime_seconds=int(time() - _started_at))


@app.get("/v1/capabilities", tags=["service"])
def capabilities() -> Capabilities:
    """Tells what this service can do, for clients that ask first."""
    app.authorize(Scope.READ)
    return Capabilities.true_of(_methods_of)


@app.get("/openapi.json", include_in_schema=False)
def openapi() -> Response[str]:
    return Response(200, content_types.APPLICATION_JSON, OPENAPI.read_text())


@app.get("/docs", include_in_schema=False)
def docs() -> Response[str]:
    if app.current_event.query_string_parameters.get("format") == "json":  # the page's own link
        return openapi()
    return Response(200, content_types.TEXT_HTML, _docs_page())


@app.not_found
def no_route(_error: NotFoundError) -> Response[str]:
    method, path = app.current_event.http_method, app.current_event.path
    if (allowed := _methods_of(path)) and (method, path) not in NOT_BUILT_HERE:
        return problem_of(MethodNotAllowedError(method, allowed))
    if any(path == known or path.startswith(f"{known}/") for known in NOT_BUILT):
        return problem_of(FeatureDisabledError(f"{method} {path} is not built in this service"))
    return problem_of(RouteNotFoundError(f"there is no {path}; /docs lists what there is"))


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    if event["routeKey"] == PREFLIGHT:
        return {"statusCode": 204}  # the gateway adds what the browser asked for
    public = event["routeKey"] not in ("$default", "GET /v1/capabilities")
    return app.answer(event, context, public=public)


@cache
def _routes() -> list[tuple[re.Pattern[str], list[str]]]:
    paths: dict[str, dict[str, Any]] = json.loads(OPENAPI.read_text())["paths"]
    return [
        (re.compile(re.sub(r"\{\w+\}", "[^/]+", path)), [method.upper() for method in methods])
        for path, methods in paths.items()
    ]


def _methods_of(path: str) -> list[str]:
    if path in ("/openapi.json", "/docs"):
        return ["GET"]
    fitting = (methods for pattern, methods in _routes() if pattern.fullmatch(path))
    return sorted({method for methods in fitting for method in methods})


@cache
def _docs_page() -> str:
    assets = Path(swagger_ui.__file__).parent
    return swagger_ui.generate_swagger_html(
        spec=OPENAPI.read_text(),
        swagger_js=(assets / "swagger-ui-bundle.min.js").read_text(),
        swagger_css=(assets / "swagger-ui.min.css").read_text(),
        swagger_base_url="",
        oauth2_config=None,
        persist_authorization=True,
    )
