"""The built zips, the emulator, and what the functions call: DynamoDB by moto, the real engine."""

import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from infra import build
from infra.build import ROOT
from infra.local import aws
from infra.table import TABLE
from tests.ports import free_ports
from tests.runtime.emulator import NATIVE, Function, ensure_emulator, started

Start = Callable[[str], Function]


@pytest.fixture(scope="session")
def runtime() -> str:
    """The Python of the runtime; the zips for this machine and the emulator are there."""
    python = build.runtime_python()
    if platform.system() != "Linux" or python is None:
        pytest.skip(f"Lambda's runtime is Linux with Python {build.RUNTIME}")
    build.ensure(NATIVE, print)
    ensure_emulator(print)
    return python


@pytest.fixture(scope="session")
def environment(
    runtime: str, engine: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """What the stacks tell the functions, and where AWS is."""
    assert runtime
    port = free_ports(2) + 1
    table = aws.LocalAws(tmp_path_factory.mktemp("aws") / "journal", port=port).start(TABLE)
    yield {"OPENSEARCH_URL": engine, **aws.environment(port)}
    table.stop()


@pytest.fixture(scope="session")
def start(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Each function is started once, at the first call for it."""
    folder = tmp_path_factory.mktemp("runtime")
    running: dict[str, Function] = {}
    with ExitStack() as stack:

        def start(function: str) -> Function:
            if function not in running:
                running[function] = stack.enter_context(
                    started(function, environment, folder=folder)
                )
            return running[function]

        yield start


@pytest.fixture(scope="session")
def key(environment: dict[str, str]) -> str:
    """The secret of an API key, made as a user makes it."""
    port = int(environment["AWS_ENDPOINT_URL"].rpartition(":")[2])
    done = subprocess.run(
        [sys.executable, "-m", "infra.key", "--name", "phone", "--namespaces", "user-*"],
        cwd=ROOT,
        env=os.environ | {"PORT": str(port - 1)},
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()
