"""What can go wrong, one class a meaning, and how a failed answer says which it was."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, TypedDict

import httpx


class FieldError(TypedDict):
    field: str
    reason: str


class CrossSessionError(Exception):
    """The service did not do what it was asked.

    `detail` is its own words, `code` its machine-readable one. `status` is None when it never
    answered. `retry_after` is how many seconds it asked to be left alone. `request_id` is what an
    operator needs to find the request in the logs.
    """

    def __init__(
        self,
        detail: str,
        *,
        status: int | None = None,
        code: str | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
        errors: list[FieldError] | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.status = status
        self.code = code
        self.request_id = request_id
        self.retry_after = retry_after
        self.errors = errors or []

    def __str__(self) -> str:
        reasons = "; ".join(f"{error['field']}: {error['reason']}" for error in self.errors)
        origin = [
            str(self.status) if self.status else None,
            self.code,
            f"request {self.request_id}" if self.request_id else None,
        ]
        message = f"{self.detail}: {reasons}" if reasons else self.detail
        known = " ".join(filter(None, origin))
        return f"{message} [{known}]" if known else message


class ValidationError(CrossSessionError):
    """400, 422: the request doesn't fit; `errors` has each field and the reason."""


class AuthenticationError(CrossSessionError):
    """401: the API key is missing, unknown or expired."""


class PermissionDeniedError(CrossSessionError):
    """403: the API key is valid, but not for this."""


class NotFoundError(CrossSessionError):
    """404: not there, or somebody else's."""


class ConflictError(CrossSessionError):
    """409: it changed since it was read, or the same write is under way."""


class PayloadTooLargeError(CrossSessionError):
    """413: beyond a limit, which `detail` names."""


class RateLimitError(CrossSessionError):
    """429: too many requests; wait `retry_after` seconds."""


class FeatureNotAvailableError(CrossSessionError):
    """501: this server doesn't offer that; asking again won't help."""


class ServerError(CrossSessionError):
    """5xx: the service failed."""


class ServiceUnavailableError(ServerError):
    """503: the service, or what it needs, is away; wait `retry_after` seconds."""


class ConnectionFailedError(CrossSessionError):
    """No answer arrived: the connection failed, broke or timed out. `__cause__` is httpx's."""


class UnexpectedAnswerError(CrossSessionError):
    """A success that isn't the service's: usually `base_url` points at something else."""


_CLASS_OF_STATUS: dict[int, type[CrossSessionError]] = {
    400: ValidationError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    413: PayloadTooLargeError,
    422: ValidationError,
    429: RateLimitError,
    501: FeatureNotAvailableError,
    503: ServiceUnavailableError,
}


def error_of(response: httpx.Response, *, now: datetime) -> CrossSessionError:
    """The error that an unsuccessful answer means, whoever wrote its body."""
    status = response.status_code
    error_class = _CLASS_OF_STATUS.get(status, ServerError if status >= 500 else CrossSessionError)
    problem = _json_object(response)
    headers = response.headers
    return error_class(
        _first_text(problem, "detail", "error", "message", "Message", "title")
        or _excerpt(response),
        status=status,
        code=_first_text(problem, "code"),
        request_id=_first_text(problem, "request_id")
        or _first_text(headers, "apigw-requestid", "x-amzn-requestid", "x-request-id"),
        retry_after=_seconds_to_wait(headers.get("retry-after"), now=now),
        errors=_field_errors(problem.get("errors")),
    )


def _json_object(response: httpx.Response) -> Mapping[str, Any]:
    try:
        body = response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _first_text(members: Mapping[str, Any], *names: str) -> str | None:
    texts = (members.get(name) for name in names)
    return next((text for text in texts if isinstance(text, str) and text), None)


def _excerpt(response: httpx.Response) -> str:
    """The status in words and, of a body that is no problem document, the title or the start."""
    try:
        phrase = HTTPStatus(response.status_code).phrase
    except ValueError:
        phrase = "Unknown status"
    title = re.search(r"<title[^>]*>(.*?)</title>", response.text, re.IGNORECASE | re.DOTALL)
    words = " ".join((title[1] if title else response.text).split())
    return f"{phrase}: {words[:200]}" if words else f"{phrase}, with an empty body"


def _field_errors(errors: object) -> list[FieldError]:
    if not isinstance(errors, list):
        return []
    return [
        FieldError(field=str(error.get("field", "")), reason=str(error.get("reason", "")))
        for error in errors
        if isinstance(error, dict)
    ]


def _seconds_to_wait(retry_after: str | None, *, now: datetime) -> float | None:
    """A Retry-After (RFC 9110: seconds or a date in GMT) from `now`; None if absent or garbled."""
    if retry_after is None:
        return None
    if retry_after.isdecimal():
        return float(retry_after)
    try:
        date = parsedate_to_datetime(retry_after).replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
    return max(0.0, (date - now).total_seconds())
