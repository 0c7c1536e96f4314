"""The service over HTTP: BASE_URL with API_KEY where they are set, else one started here."""

import os
import uuid
from collections.abc import Callable, Iterator

import httpx
import pytest

from tests.e2e.service import LocalService, Service
from tests.ports import free_ports

Call = Callable[..., httpx.Response]


@pytest.fixture(scope="session")
def service(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    if url := os.environ.get("BASE_URL"):
        yield Service(url, os.environ["API_KEY"])
        return
    engine: str = request.getfixturevalue("engine")
    local = LocalService.start(
        tmp_path_factory.mktemp("service"), port=free_ports(3), engine=engine
    )
    yield local
    assert local.stop() == 0, (local.state / "serve.log").read_text()[-4000:]


@pytest.fixture
def namespace() -> str:
    return f"test-{uuid.uuid4().hex[:12]}"


@pytest.fixture(scope="session")
def http(service: Service) -> Iterator[httpx.Client]:
    """A client with the service's key; a request may bring headers of its own."""
    headers = {"Authorization": f"Bearer {service.key}"}
    with httpx.Client(base_url=service.url, headers=headers, timeout=30) as client:
        yield client
