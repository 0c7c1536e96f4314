"""The connection to OpenSearch: signed where IAM guards it, its outages told in one way."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

from opensearchpy import OpenSearch, Urllib3AWSV4SignerAuth
from opensearchpy.exceptions import HTTP_EXCEPTIONS, TransportError
from opensearchpy.exceptions import ConnectionError as EngineConnectionError

from cross_session.errors import EngineUnavailableError
from cross_session.settings import engine_settings
from cross_session.timing import timed

TIMEOUT_SECS = 5

_AWAY = {429, 502, 503, 504}


@cache
def client() -> OpenSearch:
    """One kept-alive connection: a function asks one question at a time.

    A request goes out a second time where the connection broke under it, since one that was
    kept while the environment slept may be dead without anybody having been told.
    """
    settings = engine_settings()
    return OpenSearch(
        settings.url,
        http_auth=_signer(settings.signing_region) if settings.signing_region else None,
        timeout=TIMEOUT_SECS,
        max_retries=1,
        retry_on_status=(),
    )


@contextmanager
def engine() -> Iterator[OpenSearch]:
    """The client, its time counted and its outages told as EngineUnavailableError.

    An index that takes no writes for now, because it is being moved or its disk is full, is
    an outage too.
    """
    with timed("engine"):
        try:
            yield client()
        except EngineConnectionError as error:
            raise EngineUnavailableError("the memory index does not answer now") from error
        except TransportError as error:
            if error.status_code in _AWAY:
                raise EngineUnavailableError("the memory index is too busy now") from error
            if error.error == "cluster_block_exception":
                raise EngineUnavailableError("the memory index takes no writes now") from error
            raise


def raise_for(outcome: Mapping[str, Any]) -> None:
    """Raises for a part of a request what the client raises for a whole one."""
    if "error" in outcome:
        failure = HTTP_EXCEPTIONS.get(outcome["status"], TransportError)
        raise failure(outcome["status"], outcome["error"]["type"], outcome["error"])


def _signer(region: str) -> Urllib3AWSV4SignerAuth:
    """Signs each request with the credentials as they are then: they may be renewed."""
    from botocore.session import Session  # not needed where nothing is signed

    return Urllib3AWSV4SignerAuth(Session().get_credentials(), region, service="es")
