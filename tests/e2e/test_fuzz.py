"""The API held to its own description, by requests made from it; `make fuzz` makes more."""

import os
import subprocess
import sys

import pytest

from tests.e2e.service import ROOT, LocalService, Service
from tests.fuzz import fuzz


@pytest.fixture
def own_tenant(service: Service) -> str:
    """An admin key that opens nothing of what other tests store."""
    if not isinstance(service, LocalService):
        pytest.skip("a tenant's first key is made beside the local service")
    made = subprocess.run(
        [sys.executable, "-m", "infra.key", "--tenant", "fuzz", "--scope", "admin"],
        cwd=ROOT,
        env=os.environ | {"PORT": str(service.port)},
        capture_output=True,
        text=True,
        check=True,
    )
    return made.stdout.strip()


def test_requests_with_a_key_are_answered_as_described(service: Service, own_tenant: str) -> None:
    run = fuzz(service.url, own_tenant, requests=1, seed=7)

    assert run.returncode == 0, run.stdout[-8_000:]


def test_requests_without_a_key_are_all_turned_away(service: Service) -> None:
    run = fuzz(service.url, None, requests=1, seed=7)

    assert run.returncode == 0, run.stdout[-8_000:]
