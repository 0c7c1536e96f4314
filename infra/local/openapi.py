"""Writes `functions/openapi.json`, the API's description, from the code that answers it."""

import inspect
import json
import re
from collections.abc import Callable
from typing import Any

from aws_lambda_powertools.event_handler.openapi import OpenAPIMerge
from aws_lambda_powertools.event_handler.openapi.models import HTTPBearer

from cross_session import __version__
from cross_session.adapters.idempotency_table import MAX_KEY_LENGTH
from cross_session.wire.portability import MEDIA_TYPES
from functions import agents, keys, knowledge, memories, namespaces, service, sessions
from infra.routes import ROUTES

MODULES = (sessions, memories, knowledge, agents, namespaces, keys, service)

DESCRIPTION = """\
Memory across sessions for AI assistants. Send `Authorization: Bearer dk-…`, or an end user's
own token where the deployment takes them. Times are Unix seconds. `namespace` and `agent_id` are
synonyms; a recall that says `namespace` gets `results`, one that says `agent_id` gets `memories`.
A caller with exactly one namespace needs to say neither."""

PROBLEM = {
    "type": "object",
    "description": "RFC 9457 problem document",
    "required": ["type", "title", "status", "detail", "error", "code"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "error": {"type": "string", "description": "The same as `detail`"},
        "code": {"type": "string", "examples": ["INVALID_REQUEST"]},
        "details": {"type": "string"},
        "resource": {"type": "string", "description": "What was not found"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "reason"],
                "properties": {"field": {"type": "string"}, "reason": {"type": "string"}},
            },
        },
    },
}
_PROBLEM = {"$ref": "#/components/responses/Problem"}
PROBLEM_ANSWER = {
    "description": "A problem",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}
# What a route may answer instead of what it is there for; a 409 and a 422 only to writes.
PROBLEMS = ("400", "401", "403", "404", "413", "429", "500", "503")
PROBLEMS_OF_BODIES = ("409", "415", "422")

IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "A repeat with the same key and body gets the first answer again, for a day",
    "schema": {"type": "string", "minLength": 1, "maxLength": MAX_KEY_LENGTH},
}


def description() -> dict[str, Any]:
    """The OpenAPI 3.1 document of all functions' routes."""
    merge = OpenAPIMerge(
        title="Cross-Session Context",
        version=__version__,
        description=DESCRIPTION,
        security_schemes={"key": HTTPBearer(bearerFormat="dk-…")},
        security=[{"key": []}],
        on_conflict="error",
    )
    for module in MODULES:
        merge.add_schema(
            json.loads(module.app.get_openapi_json_schema(title="", version=__version__))
        )
    document: dict[str, Any] = json.loads(merge.get_openapi_json_schema())
    functions = {
        name: value for module in MODULES for name, value in vars(module).items() if callable(value)
    }
    public = {(route.method.lower(), route.path) for route in ROUTES if route.public}
    listed = dict.fromkeys(route.path for route in ROUTES)
    document["paths"] = {
        path: document["paths"][path] for path in listed if path in document["paths"]
    }
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            # Powertools makes the id of the function's name, the path and the method
            suffix = re.sub(r"\W", "_", f"{path}_{method}")
            name = operation["operationId"].removesuffix(suffix)
            operation["operationId"] = name
            operation |= _told(functions[name])
            if (method, path) in public:
                operation["security"] = []
            if method != "get":
                others = [
                    one
                    for one in operation.get("parameters", [])
                    if one["name"].lower() != "idempotency-key"
                ]
                operation["parameters"] = [*others, IDEMPOTENCY_KEY]
            answers = operation["responses"]
            answers.pop("422", None)  # Powertools' own; a request that doesn't fit gets 400
            answers |= dict.fromkeys(_problems(method, path, public), _PROBLEM)
    schemas = document["components"]["schemas"]
    for name in ("HTTPValidationError", "ResponseValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas["Problem"] = PROBLEM
    document["components"]["responses"] = {"Problem": PROBLEM_ANSWER}
    _describe_files(document["paths"])
    return document


def _problems(method: str, path: str, public: set[tuple[str, str]]) -> tuple[str, ...]:
    if (method, path) in public:
        return ("500",)
    return PROBLEMS if method == "get" else (*PROBLEMS, *PROBLEMS_OF_BODIES)


def _describe_files(paths: dict[str, Any]) -> None:
    """Files go in as a form's, and come out as their format's."""
    file = {"type": "string", "format": "binary"}
    form = {"type": "object", "required": ["file"], "properties": {"file": file}}
    paths["/v1/import"]["post"]["requestBody"]["content"]["multipart/form-data"] = {"schema": form}
    text = {"schema": {"type": "string"}}
    paths["/v1/export"]["get"]["responses"]["200"]["content"] = {
        media_type.partition(";")[0]: {} if "json" in media_type else text
        for media_type in MEDIA_TYPES.values()
    }
    for operation in paths["/v1/audit/export"].values():
        page = {"$ref": "#/components/schemas/AuditPage"}
        operation["responses"]["200"]["content"] = {
            "application/json": {"schema": page},
            "text/csv": text,
        }


def _told(function: Callable[..., Any]) -> dict[str, str]:
    """The docstring's first sentence as the summary, and what follows it as the description."""
    summary, _, more = (inspect.getdoc(function) or "").partition(". ")
    told = {"summary": summary.removesuffix(".")}
    return told | {"description": more} if more else told


if __name__ == "__main__":
    service.OPENAPI.write_text(json.dumps(description(), indent=2, ensure_ascii=False) + "\n")
