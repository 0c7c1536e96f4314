"""Lambda's runtime on this machine: AWS's emulator and runtime client around a function's zips."""

import os
import platform
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from infra import build
from infra.build import ROOT, Architecture, LayerName
from infra.maven import MissingToolError
from infra.model import MODEL
from infra.routes import FUNCTIONS
from tests.ports import free_ports

HOME: Final = ROOT / ".local" / "emulator"
EMULATOR: Final = (
    "github.com/aws/aws-lambda-runtime-interface-emulator/cmd/aws-lambda-rie"
    "@v0.0.0-20261030222936-bef5c4ba774d"
)
RUNTIME_PACKAGES: Final = ("awslambdaric==4.2.2", "boto3")  # boto3 at the lock's version
START_SECONDS: Final = 10
INVOKE_SECONDS: Final = 30

NATIVE: Final[Architecture] = "arm64" if platform.machine() in ("arm64", "aarch64") else "x86_64"


def every_function() -> list[str]:
    modules = (ROOT / "functions").glob("*.py")
    return sorted(module.stem for module in modules if module.stem != "__init__")


@dataclass(frozen=True)
class Zips:
    """Folders as Lambda unpacks them."""

    code: Path
    layers: Mapping[LayerName, Path]


def zips_of(function: str) -> Zips:
    """What is built for the function and this machine."""
    names: list[LayerName] = ["context", "dependencies"]
    if FUNCTIONS[function].model:
        names += ["inference", "model"]
    layers = {name: build.layer(name, NATIVE) for name in names}
    return Zips(build.functions_code(), layers)


def ensure_emulator(progress: Callable[[str], None]) -> None:
    """Makes `HOME`: the emulator, and in `python` what a runtime has beside Python itself.

    Raises MissingToolError without Go, CalledProcessError where `go` or `uv` fails.
    """
    lock = ROOT / "requirements.lock"

    def fill(new: Path) -> None:
        go = shutil.which("go")
        if go is None:
            raise MissingToolError(
                "Go is not on the PATH: install it (apt-get install golang, brew install go)"
            )
        progress("Emulator: building AWS's Runtime Interface Emulator, up to a minute")
        subprocess.run([go, "install", EMULATOR], check=True, env=os.environ | {"GOBIN": str(new)})
        command = [sys.executable, "-m", "uv", "pip", "install", "--quiet", *RUNTIME_PACKAGES]
        command += ["--constraints", str(lock), "--only-binary", ":all:"]
        command += ["--python-version", build.RUNTIME, "--target", str(new / "python")]
        subprocess.run(command, check=True)
        build.add_bytecode(new / "python", unpacked_at="/var/lang", progress=progress)

    build.put_in_place(
        HOME, made_of=repr((EMULATOR, RUNTIME_PACKAGES, lock.read_text())), fill=fill
    )


@dataclass(frozen=True)
class Failed:
    """What Lambda says instead of an answer, e.g. `Runtime.ImportModuleError`."""

    type: str
    message: str


class Function:
    """A function in the emulator. The first event starts its runtime, as in Lambda."""

    def __init__(self, url: str, log: Path) -> None:
        self._url = url
        self._log = log

    def invoke(self, event: Any) -> Any:
        """The handler's answer, or Failed."""
        answer = httpx.post(self._url, json=event, timeout=INVOKE_SECONDS).json()
        if isinstance(answer, dict) and "errorType" in answer:
            return Failed(answer["errorType"], answer["errorMessage"])
        return answer

    @property
    def init_ms(self) -> float:
        """From the start of the runtime's process to its asking for the first event."""
        return self._reported(r"INIT REPORT\(durationMs: ([\d.]+)\)")

    @property
    def first_ms(self) -> float:
        """The first event, without the start."""
        return self._reported(r"INVOKE RTDONE\(.*duration: ([\d.]+)ms\)")

    def _reported(self, pattern: str) -> float:
        found = re.search(pattern, self._log.read_text())
        assert found is not None, self._log.read_text()
        return float(found[1])


@contextmanager
def started(
    function: str, environment: Mapping[str, str], *, zips: Zips | None = None, folder: Path
) -> Iterator[Function]:
    """The function with its zips and the runtime's packages on the path, and nothing else.

    The built zips unless told otherwise; `folder` is for its log.
    """
    zips = zips or zips_of(function)
    port = free_ports(2)
    command = [str(HOME / "aws-lambda-rie"), "--log-level", "info"]
    command += ["--runtime-interface-emulator-address", f"127.0.0.1:{port}"]
    command += ["--runtime-api-address", f"127.0.0.1:{port + 1}"]
    command += [*python_command(), "-m", "awslambdaric", f"functions.{function}.handler"]
    log = folder / f"{function}-{port}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=zips.code,
            env={**variables(function, zips), **environment},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait_for(port, process, log)
        url = f"http://127.0.0.1:{port}/2015-03-31/functions/function/invocations"
        yield Function(url, log)
    finally:
        process.terminate()
        process.wait(10)


def python_command() -> list[str]:
    """Without site-packages, so that nothing on this machine helps out what a layer lacks."""
    python = build.runtime_python()
    assert python is not None, f"there is no Python {build.RUNTIME} on this machine"
    return [python, "-S"]


def variables(function: str, zips: Zips) -> dict[str, str]:
    """The environment that Lambda makes, `/opt` put together by paths: only root writes there."""
    layers = [str(root / "python") for root in zips.layers.values()]
    made = {
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1024",
        "AWS_LAMBDA_FUNCTION_NAME": function,
        "AWS_LAMBDA_FUNCTION_TIMEOUT": "30",
        "AWS_LAMBDA_FUNCTION_VERSION": "1",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_REGION": "us-east-1",
        "LAMBDA_TASK_ROOT": str(zips.code),
        "LANG": "C.UTF-8",
        "PATH": "/usr/bin:/bin",
        "PYTHONDONTWRITEBYTECODE": "1",  # /opt and /var/task can't be written to
        "PYTHONPATH": ":".join([*layers, str(HOME / "python")]),
        "TZ": ":UTC",
        "_HANDLER": f"functions.{function}.handler",
    }
    if "model" in zips.layers:
        made["MODEL_DIR"] = str(zips.layers["model"] / MODEL.name)
    return made


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port)):
                return
        except ConnectionRefusedError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(log.read_text()) from None
            time.sleep(0.01)
