"""What can go wrong, in the service's own words. `http_api` gives each its status."""


class CrossSessionError(Exception):
    """Carries one sentence for the caller, safe to show."""


class InvalidRequestError(CrossSessionError):
    """The request contradicts itself or asks for nothing; `field` is the one to change."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


class AuthenticationFailedError(CrossSessionError):
    """The credential is absent, unknown or no longer good; `code` says which."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class ScopeInsufficientError(CrossSessionError):
    """The key is good, but its scope does not reach this operation."""


class NamespaceDeniedError(CrossSessionError):
    """The key is good, but not for this namespace."""


class RateLimitedError(CrossSessionError):
    """The key or the user has had its share; after `retry_after` seconds there is more."""

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class UnknownFieldError(CrossSessionError):
    """The request has fields that nothing here reads, where ignoring one could grant too much."""


class NotFoundError(CrossSessionError):
    """Absent, or another owner's: the words are the same for both."""

    def __init__(self, resource: str) -> None:
        super().__init__(f"{resource} not found")
        self.resource = resource


class RouteNotFoundError(CrossSessionError):
    """No such path."""


class MethodNotAllowedError(CrossSessionError):
    """The path is there, but not for this method."""

    def __init__(self, method: str, allowed: list[str]) -> None:
        super().__init__(f"{method} is not for this path; {', '.join(allowed)} is")
        self.allowed = allowed


class UnsupportedMediaTypeError(CrossSessionError):
    """The body is not what it must be to be read."""


class PayloadTooLargeError(CrossSessionError):
    """More than one request or one answer holds; the message says how to do it in parts."""


class FeatureDisabledError(CrossSessionError):
    """The protocol knows this call, this service does not."""


class ConflictError(CrossSessionError):
    """Somebody else changed the thing meanwhile; reading it again and repeating helps."""


class EngineUnavailableError(CrossSessionError):
    """OpenSearch does not answer, or answers that it can't now."""


class IdentityUnavailableError(CrossSessionError):
    """Users' tokens cannot be checked: their issuer does not show its keys."""


class TableUnavailableError(CrossSessionError):
    """DynamoDB does not answer, or throttles past the client's retries."""


class QueueUnavailableError(CrossSessionError):
    """SQS does not take what must be kept while OpenSearch is away."""


class IdempotencyKeyReusedError(CrossSessionError):
    """The key came with another request before."""


class RequestInProgressError(CrossSessionError):
    """The first request with this idempotency key is not answered yet; repeating helps."""
