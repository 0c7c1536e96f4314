"""One account for all these tests, with the service deployed into it by the README's commands."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from infra import build
from tests.deploy.emulator import Emulator
from tests.ports import free_ports

ROOT = Path(__file__).resolve().parents[2]
STAGE = "dev"
OPERATING = re.search(
    r"\n## Deploy and operate\n(.*?)\n## ", (ROOT / "README.md").read_text(), re.S
)


@dataclass
class Operator:
    """Somebody with AWS credentials who types the README's commands.

    `settings` is the CDK's own file of context in the operator's home: what an emulator can't do
    otherwise stands there, and the commands are the README's as they are.
    """

    emulator: Emulator
    home: Path
    settings: dict[str, str]

    def type(self, commands: str, *, fails: bool = False, timeout: int = 900) -> str:
        (self.home / ".cdk.json").write_text(json.dumps({"context": self.settings}))
        outside = {
            name: value
            for name, value in os.environ.items()
            if "MAKE" not in name and not name.startswith("AWS_") and name != "TABLE_NAME"
        }
        ran = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", commands],
            cwd=ROOT,
            env=outside
            | self.emulator.environment
            | {"HOME": str(self.home), "npm_config_cache": _npm_cache()},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert (ran.returncode != 0) is fails, f"{ran.stdout[-6000:]}\n{ran.stderr[-6000:]}"
        return ran.stdout


def readme(words: str) -> str:
    """The README's block of commands that contains `words`."""
    assert OPERATING
    blocks: list[str] = re.findall(r"```bash\n(.*?)```", OPERATING[1], re.S)
    [block] = [block for block in blocks if words in block]
    return block


@pytest.fixture(scope="session")
def operator(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    build.ensure("x86_64", print)
    folder = tmp_path_factory.mktemp("account")
    emulator = Emulator.start(folder, port=free_ports(1), engine=engine)
    home = tmp_path_factory.mktemp("home")
    settings = {
        "architecture": "x86_64",
        "model_dir": str(build.layer("model", "x86_64") / "e5-small-v2"),
        "opensearch_scheme": "http",
    }
    yield Operator(emulator, home, settings)
    emulator.stop()
    shutil.rmtree(folder, ignore_errors=True)


def _npm_cache() -> str:
    ran = subprocess.run(
        ["npm", "config", "get", "cache"], capture_output=True, text=True, check=True
    )
    return ran.stdout.strip()
