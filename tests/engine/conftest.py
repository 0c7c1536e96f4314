"""An owner of its own for each test, and the session table beside the real engine."""

import uuid
from collections.abc import Callable, Iterator

import boto3
import pytest
from moto import mock_aws
from opensearchpy import OpenSearch

from cross_session.adapters import table as table_adapter
from cross_session.settings import table_settings
from infra.table import TABLE
from tests.engine.owner import Owner


@pytest.fixture(scope="module", autouse=True)
def table() -> Iterator[None]:
    """An empty session table for the module's tests."""
    table_adapter._table.cache_clear()
    with mock_aws():
        boto3.client("dynamodb").create_table(TableName=table_settings().name, **TABLE)
        yield
    table_adapter._table.cache_clear()


@pytest.fixture(scope="session")
def new_owner(engine: str) -> Callable[[], Owner]:
    """Makes a tenant that nobody else has, each time it is called."""
    assert engine
    return lambda: Owner(f"tenant-{uuid.uuid4().hex[:12]}", "user-bob")


@pytest.fixture
def owner(new_owner: Callable[[], Owner]) -> Owner:
    return new_owner()


@pytest.fixture(scope="session")
def opensearch(engine: str) -> Iterator[OpenSearch]:
    """The engine itself, for what the service does not show."""
    with OpenSearch(engine, timeout=30) as client:
        yield client
