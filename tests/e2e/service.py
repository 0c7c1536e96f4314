"""The service as tests see it: an address, a key, and a process that can be killed."""

import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import httpx

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 120


@dataclass
class Service:
    """A running service; `key` is an admin key for all namespaces."""

    url: str
    key: str


@dataclass
class LocalService(Service):
    """`make serve` in a process group of its own, its state in a folder that outlives it."""

    state: Path
    port: int
    engine: str | None
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @classmethod
    def start(cls, state: Path, *, port: int, engine: str | None) -> Self:
        """`engine` None lets the service start its own OpenSearch."""
        service = cls(f"http://127.0.0.1:{port}", "", state, port, engine)
        service.run()
        return service

    def run(self) -> None:
        environment = {
            name: value for name, value in os.environ.items() if name != "OPENSEARCH_URL"
        }
        environment |= {
            "PORT": str(self.port),
            "STATE_DIR": str(self.state),
            "POWERTOOLS_LOG_LEVEL": "ERROR",
        }
        if self.engine is not None:
            environment["OPENSEARCH_URL"] = self.engine
        self.state.mkdir(parents=True, exist_ok=True)
        log = (self.state / "serve.log").open("ab")
        with log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "infra.local.server"],
                cwd=ROOT,
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._healthy():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((self.state / "serve.log").read_text()[-4000:])
            time.sleep(0.1)
        self.key = (self.state / "key").read_text()

    def stop(self) -> int:
        """An orderly stop; the exit status."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(60)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait(60)

    def _healthy(self) -> bool:
        try:
            return httpx.get(f"{self.url}/health").is_success
        except httpx.TransportError:
            return False
