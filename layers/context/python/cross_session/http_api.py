"""The one place that knows HTTP: who calls, and what each error becomes."""

import json
from base64 import b64decode
from collections.abc import Mapping
from email import message_from_bytes
from http import HTTPStatus
from time import perf_counter, time
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError
from aws_lambda_powertools.utilities.typing import LambdaContext

from cross_session import audit, errors, metrics, timing
from cross_session.adapters import idempotency_table
from cross_session.default_owner import default_owner
from cross_session.domain.access import Principal, Scope
from cross_session.domain.usage import Allowance
from cross_session.limits import limiter, refusal
from cross_session.strict_json import strict_json

PROBLEM_JSON = "application/problem+json"
RETRY_AFTER_SECS = 1
AUTHORIZER_CACHE_SECS = 60  # for so long API Gateway repeats what the authorizer said

# Of each error: its status, and the code that the public clients tell callers.
ANSWER_TO: dict[type[errors.CrossSessionError], tuple[HTTPStatus, str]] = {
    errors.InvalidRequestError: (HTTPStatus.BAD_REQUEST, "INVALID_REQUEST"),
    errors.AuthenticationFailedError: (HTTPStatus.UNAUTHORIZED, "AUTHENTICATION_REQUIRED"),
    errors.ScopeInsufficientError: (HTTPStatus.FORBIDDEN, "INSUFFICIENT_SCOPE"),
    errors.NamespaceDeniedError: (HTTPStatus.FORBIDDEN, "NAMESPACE_ACCESS_DENIED"),
    errors.RateLimitedError: (HTTPStatus.TOO_MANY_REQUESTS, "RATE_LIMIT_EXCEEDED"),
    errors.NotFoundError: (HTTPStatus.NOT_FOUND, "NOT_FOUND"),
    errors.RouteNotFoundError: (HTTPStatus.NOT_FOUND, "ROUTE_NOT_FOUND"),
    errors.MethodNotAllowedError: (HTTPStatus.METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED"),
    errors.UnsupportedMediaTypeError: (
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        "UNSUPPORTED_MEDIA_TYPE",
    ),
    errors.UnknownFieldError: (HTTPStatus.UNPROCESSABLE_ENTITY, "UNPROCESSABLE_CONTENT"),
    errors.ConflictError: (HTTPStatus.CONFLICT, "CONFLICT"),
    errors.PayloadTooLargeError: (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "PAYLOAD_TOO_LARGE"),
    errors.FeatureDisabledError: (HTTPStatus.NOT_IMPLEMENTED, "FEATURE_DISABLED"),
    errors.EngineUnavailableError: (HTTPStatus.SERVICE_UNAVAILABLE, "SERVICE_UNAVAILABLE"),
    errors.IdentityUnavailableError: (HTTPStatus.SERVICE_UNAVAILABLE, "SERVICE_UNAVAILABLE"),
    errors.TableUnavailableError: (HTTPStatus.SERVICE_UNAVAILABLE, "SERVICE_UNAVAILABLE"),
    errors.QueueUnavailableError: (HTTPStatus.SERVICE_UNAVAILABLE, "SERVICE_UNAVAILABLE"),
    errors.IdempotencyKeyReusedError: (HTTPStatus.UNPROCESSABLE_ENTITY, "UNPROCESSABLE_CONTENT"),
    errors.RequestInProgressError: (HTTPStatus.SERVICE_UNAVAILABLE, "SERVICE_UNAVAILABLE"),
}

_NUMBERS = ("expires_at", "rate_limit_per_minute", "daily_quota")

logger = Logger(service="cross-session")


class Api(APIGatewayHttpResolver):
    """A function's routes, answering only callers whom the authorizer knows."""

    def __init__(self, *, takes_files: bool = False) -> None:
        """`takes_files` lets a form's file stand for the member `data` of a JSON body."""
        self._takes_files = takes_files
        self._let_into: str | None = None
        super().__init__(enable_validation=True, json_body_deserializer=_json_object)
        self.exception_handler(errors.CrossSessionError)(problem_of)
        self.exception_handler(RequestValidationError)(_invalid)
        self.not_found(self._no_route)
        self.exception_handler(RecursionError)(_nested_too_deep)
        self.exception_handler(Exception)(self._unexpected)

    def answer(
        self, event: dict[str, Any], context: LambdaContext, *, public: bool = False
    ) -> dict[str, Any]:
        """The HTTP answer to a payload-2.0 event; an unknown caller is told so before all else."""
        timing.reset()
        with timing.timed("total"):
            try:
                caller = None if public else _principal(event)
            except errors.CrossSessionError as error:
                return _refused(problem_of(error))
            if caller is None or caller.rate_limit_per_minute is None:
                answer = self._answer_to(caller, event, context)
            else:
                answer = self._within_limit(caller, caller.rate_limit_per_minute, event, context)
        answer["headers"]["Server-Timing"] = timing.server_timing()
        return answer

    def _within_limit(
        self, caller: Principal, limit: int, event: dict[str, Any], context: LambdaContext
    ) -> dict[str, Any]:
        """The answer, counted, with the headers that tell the caller how much it may still ask."""
        with timing.timed("limits"):
            allowance = limiter.admit(caller, limit=limit)
        started = perf_counter()
        if allowance.refused:
            answer = _refused(problem_of(refusal(allowance)))
        else:
            answer = self._answer_to(caller, event, context)
        answer["headers"] |= _limit_headers(allowance)
        with timing.timed("limits"):
            limiter.record(
                caller,
                allowance,
                ok=answer["statusCode"] < HTTPStatus.BAD_REQUEST,
                size=len((answer.get("body") or "").encode()),
                seconds=perf_counter() - started,
            )
        return answer

    def _answer_to(
        self, caller: Principal | None, event: dict[str, Any], context: LambdaContext
    ) -> dict[str, Any]:
        try:
            if self._takes_files:
                _file_to_json(event)
            _check_body(event)
            default_owner.set(caller.sole_namespace if caller else None)
            self.append_context(caller=caller)  # type: ignore[no-untyped-call]
            request = _idempotent_request(event, caller) if caller else None
            return self._answer_once(request, event, context)
        except errors.CrossSessionError as error:
            return _refused(problem_of(error))

    def _answer_once(
        self,
        request: idempotency_table.Request | None,
        event: dict[str, Any],
        context: LambdaContext,
    ) -> dict[str, Any]:
        """The first answer again where the same request was answered before.

        Only what changed something is kept, so after any refusal or failure a repeat runs.
        """
        if request is None:
            return self.resolve(event, context)
        remaining_ms = context.get_remaining_time_in_millis()
        first = idempotency_table.claim(request, remaining_ms=remaining_ms)
        if first is not None:
            first["headers"]["Idempotency-Replayed"] = "true"
            return first
        answer = self.resolve(event, context)
        try:
            if (
                HTTPStatus(answer["statusCode"]).is_success
                and "Retry-After" not in answer["headers"]
            ):
                idempotency_table.keep(request, answer)
            else:
                idempotency_table.release(request)
        except errors.TableUnavailableError as error:
            # A repeat waits until the claim runs out, then runs, and comes to the same.
            logger.warning("the answer is not kept for a repeat", exc_info=error)
        return answer

    def resolve(self, event: Any, context: LambdaContext) -> dict[str, Any]:
        """The routes' answer; what one of them changed is written down."""
        caller: Principal | None = self.context.get("caller")  # gone once it is answered
        self._let_into = None
        answer: dict[str, Any] = super().resolve(event, context)
        if caller is not None and HTTPStatus(answer["statusCode"]).is_success:
            self._audit(event, caller, answer)
        return answer

    @property
    def caller(self) -> Principal:
        caller: Principal = self.context["caller"]
        return caller

    def authorize(self, scope: Scope, namespace: str | None = None) -> Principal:
        """The caller, if its key reaches this far.

        Raises ScopeInsufficientError and NamespaceDeniedError; to an end user another's
        namespace is not there, so NotFoundError.
        """
        caller = self.caller
        if caller.scope < scope:
            raise errors.ScopeInsufficientError(
                f"this key's scope is {caller.scope.label}; the call needs {scope.label}"
            )
        if namespace is not None and not caller.may_touch(namespace):
            if caller.end_user:
                raise errors.NotFoundError("namespace")
            raise errors.NamespaceDeniedError(f"this key is not for namespace {namespace}")
        self._let_into = namespace
        return caller

    def _audit(
        self, event: Mapping[str, Any], caller: Principal, answer: Mapping[str, Any]
    ) -> None:
        """Writes down what was done. It is done, so a failure here is ours alone to hear of."""
        try:
            audit.record(
                event["routeKey"],
                caller,
                self._let_into,
                request=event.get("body") or "",
                answer=answer["body"] or "",
            )
        except Exception:
            logger.exception("no audit event", route=event["routeKey"], actor=caller.key_id)
            metrics.count("AuditFailure")

    def _no_route(self, _error: Exception) -> Response[str]:
        return problem_of(errors.RouteNotFoundError(f"there is no {self.current_event.path}"))

    def _unexpected(self, _error: Exception) -> Response[str]:
        logger.exception("unexpected error", path=self.current_event.path)
        request_id = self.current_event.request_context.request_id
        return problem(
            HTTPStatus.INTERNAL_SERVER_ERROR,
            "INTERNAL_ERROR",
            f"something went wrong here; request {request_id} is in the logs",
        )


def problem(
    status: HTTPStatus,
    code: str,
    detail: str,
    *,
    invalid: list[dict[str, str]] | None = None,
    headers: Mapping[str, str] | None = None,
    **members: str,
) -> Response[str]:
    """An RFC 9457 problem document that also has the members the public clients read."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": status.phrase,
        "status": int(status),
        "detail": detail,
        "error": detail,
        "code": code,
        **members,
    }
    if invalid:
        body["errors"] = invalid
        body["details"] = "; ".join(f"{one['field']}: {one['reason']}" for one in invalid)
    return Response(
        status_code=status,
        content_type=PROBLEM_JSON,
        headers=dict(headers or {}),
        body=json.dumps(body, ensure_ascii=False),
    )


def problem_of(error: errors.CrossSessionError) -> Response[str]:
    status, code = ANSWER_TO[type(error)]
    match error:
        case errors.InvalidRequestError(field=field, reason=reason):
            return problem(status, code, str(error), invalid=[{"field": field, "reason": reason}])
        case errors.AuthenticationFailedError(code=code):
            return problem(status, code, str(error), headers={"WWW-Authenticate": "Bearer"})
        case errors.NotFoundError(resource=resource):
            return problem(status, f"{resource.upper()}_NOT_FOUND", str(error), resource=resource)
        case errors.MethodNotAllowedError(allowed=allowed):
            return problem(status, code, str(error), headers={"Allow": ", ".join(allowed)})
        case errors.RateLimitedError(retry_after=retry_after):
            return problem(status, code, str(error), headers={"Retry-After": str(retry_after)})
        case errors.IdentityUnavailableError():
            headers = {"Retry-After": str(AUTHORIZER_CACHE_SECS)}
            return problem(status, code, str(error), headers=headers)
        case (
            errors.EngineUnavailableError()
            | errors.TableUnavailableError()
            | errors.QueueUnavailableError()
            | errors.RequestInProgressError()
        ):
            logger.warning("unavailable", exc_info=error)
            return problem(status, code, str(error), headers={"Retry-After": str(RETRY_AFTER_SECS)})
        case _:
            return problem(status, code, str(error))


def _invalid(error: RequestValidationError) -> Response[str]:
    found = [_field_and_reason(one) for one in error.errors()]
    first = f"{found[0]['field']}: {found[0]['reason']}"
    return problem(
        HTTPStatus.BAD_REQUEST,
        "INVALID_REQUEST",
        first if len(found) == 1 else f"{first} (and {len(found) - 1} more)",
        invalid=found,
    )


def _field_and_reason(error: Mapping[str, Any]) -> dict[str, str]:
    if error["type"] == "json_invalid":
        reason = f"{error['ctx']['error']}, at character {error['loc'][1]}"
        return {"field": "body", "reason": reason}
    return {"field": _field(error["loc"]), "reason": error["msg"].removeprefix("Value error, ")}


def _field(location: tuple[str | int, ...]) -> str:
    """`("body", "memories", 3, "content")` as `memories[3].content`."""
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location[1:])
    return path.removeprefix(".") or str(location[0])


def _nested_too_deep(_error: RecursionError) -> Response[str]:
    return problem(HTTPStatus.BAD_REQUEST, "INVALID_REQUEST", "body: JSON is nested too deep")


def _refused(response: Response[str]) -> dict[str, Any]:
    """A problem as the answer to an event that no route has seen."""
    return {
        "statusCode": response.status_code,
        "headers": {**response.headers, "Content-Type": PROBLEM_JSON},
        "body": response.body,
        "isBase64Encoded": False,
    }


def _file_to_json(event: dict[str, Any]) -> None:
    """Turns a form into a JSON body with the text of the form's first file as `data`."""
    kind = event["headers"].get("content-type", "")
    if not kind.lower().startswith("multipart/form-data"):
        return
    sent = event.get("body") or ""
    body = b64decode(sent) if event.get("isBase64Encoded") else sent.encode()
    form = message_from_bytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + body)
    file = next((part for part in form.walk() if part.get_filename() is not None), None)
    content = file.get_payload(decode=True) if file else None
    if not isinstance(content, bytes):
        raise errors.InvalidRequestError("file", "the form has no file")
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise errors.InvalidRequestError("file", "is not UTF-8") from error
    event |= {"body": json.dumps({"data": text}), "isBase64Encoded": False}
    event["headers"]["content-type"] = "application/json"


def _json_object(text: str) -> Any:
    """A body's object; the resolver would take a list for its first item."""
    body = strict_json(text)
    if body is not None and not isinstance(body, dict):
        raise errors.InvalidRequestError("body", "must be a JSON object")
    return body


def _check_body(event: dict[str, Any]) -> None:
    """Sees to it that the body is UTF-8 and said to be JSON, in the words the resolver knows."""
    if not event.get("body"):
        return
    sent = event["headers"].get("content-type", "application/json")
    if sent.partition(";")[0].strip().lower() != "application/json":
        raise errors.UnsupportedMediaTypeError(
            f"the body is {sent}; send application/json and name it in Content-Type"
        )
    event["headers"]["content-type"] = "application/json"
    if event.get("isBase64Encoded"):
        try:
            b64decode(event["body"]).decode()
        except UnicodeDecodeError as error:
            raise errors.InvalidRequestError("body", "is not UTF-8") from error


def _idempotent_request(
    event: Mapping[str, Any], caller: Principal
) -> idempotency_table.Request | None:
    """What a repeat is known by; None for a request that has no key or changes nothing."""
    key = event["headers"].get("idempotency-key")
    http = event["requestContext"]["http"]
    if key is None or http["method"] == "GET":
        return None
    longest = idempotency_table.MAX_KEY_LENGTH
    if not (0 < len(key) <= longest and key.isascii() and key.isprintable()):
        raise errors.InvalidRequestError(
            "Idempotency-Key", f"must be 1 to {longest} printable ASCII characters"
        )
    return idempotency_table.Request(
        tenant=caller.tenant,
        key_id=caller.key_id,
        method=http["method"],
        path=http["path"],
        idempotency_key=key,
        query=event["rawQueryString"],
        body=event.get("body", ""),
    )


def _principal(event: Mapping[str, Any]) -> Principal:
    """Whom the authorizer vouched for. Anything but its full word is no caller."""
    said = event["requestContext"].get("authorizer", {}).get("lambda") or {}
    if "denied" in said:
        raise errors.AuthenticationFailedError(said["denied"], said["reason"])
    if "unavailable" in said:
        raise errors.IdentityUnavailableError(said["unavailable"])
    try:
        namespaces = json.loads(said["namespaces"])
        caller = Principal(
            tenant=said["tenant"],
            key_id=said["key_id"],
            scope=Scope.of(said["scope"]),
            namespaces=None if namespaces is None else tuple(namespaces),
            name=said.get("name", ""),
            end_user="end_user" in said,
            **{name: int(said[name]) for name in _NUMBERS if name in said},
        )
    except KeyError as error:
        raise errors.AuthenticationFailedError(
            "AUTHENTICATION_REQUIRED", "send Authorization: Bearer dk-…"
        ) from error
    if caller.expires_at is not None and caller.expires_at <= time():
        code = "TOKEN_EXPIRED" if caller.end_user else "API_KEY_EXPIRED"
        raise errors.AuthenticationFailedError(code, "this credential has expired")
    return caller


def _limit_headers(allowance: Allowance) -> dict[str, str]:
    headers = {
        "X-RateLimit-Limit": str(allowance.limit),
        "X-RateLimit-Remaining": str(allowance.remaining),
        "X-RateLimit-Reset": str(allowance.reset_at),
    }
    if allowance.quota_limit is not None:
        headers |= {
            "X-Quota-Used": str(allowance.quota_used),
            "X-Quota-Limit": str(allowance.quota_limit),
        }
    return headers
