"""The README's commands and code, run as they stand, but for the port and the state's folder."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.e2e.service import ROOT, START_SECONDS
from tests.ports import free_ports

# what is typed into an AWS account is tried in tests/deploy
README = re.sub(
    r"\n## Deploy and operate\n.*?(?=\n## )", "", (ROOT / "README.md").read_text(), flags=re.DOTALL
)
BASH = re.findall(r"```bash\n(.*?)```", README, re.DOTALL)
PYTHON = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
DATABASE = "Decided to use PostgreSQL instead of MongoDB for the project"
STATUS = "API design phase completed. Moving to implementation next week."


@dataclass
class Newcomer:
    """Somebody who ran `make serve` and types the rest."""

    environment: dict[str, str]
    state: Path
    port: str

    def type(self, *command: str) -> str:
        ran = subprocess.run(
            command, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False
        )
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    def bash(self, commands: str) -> str:
        here = commands.replace("localhost:3300", f"localhost:{self.port}")
        return self.type("bash", "-ec", here.replace(".local/state", str(self.state)))


@pytest.fixture(scope="module")
def newcomer(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Newcomer]:
    state = tmp_path_factory.mktemp("newcomer")
    port = str(free_ports(3))
    outside = {name: value for name, value in os.environ.items() if "MAKE" not in name}
    environment = outside | {"PORT": port, "STATE_DIR": str(state), "OPENSEARCH_URL": engine}
    with (state / "serve.log").open("wb") as log:
        serving = subprocess.Popen(
            ["make", "serve"],
            cwd=ROOT,
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        deadline = time.monotonic() + START_SECONDS
        while "Ctrl-C stops it" not in (state / "serve.log").read_text():
            assert serving.poll() is None, (state / "serve.log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield Newcomer(dict(environment), state, port)
        os.killpg(serving.pid, signal.SIGINT)
        serving.wait(60)


def test_every_command_of_the_readme_is_one_that_is_run_here() -> None:
    commands = [block.strip() for block in BASH]

    assert commands[0] == "make serve"
    assert commands[1] == "make test"
    assert len(commands) == 6
    assert len(PYTHON) == 1


def test_make_serve_prints_lines_that_work(newcomer: Newcomer) -> None:
    log = (newcomer.state / "serve.log").read_text()
    tried = re.search(r"Try:\n(.*?)\n\n", log, re.DOTALL)
    assert tried

    assert "Decided to use PostgreSQL" in newcomer.bash(tried[1]).split("results")[1]


def test_the_story_in_python_gets_its_answer(newcomer: Newcomer) -> None:
    url = f"http://localhost:{newcomer.port}"
    key = (newcomer.state / "key").read_text()
    newcomer.environment |= {"CROSS_SESSION_URL": url, "CROSS_SESSION_API_KEY": key}

    told = newcomer.type(str(ROOT / ".venv" / "bin" / "python"), "-c", PYTHON[0])

    assert sorted(told.splitlines()) == sorted([DATABASE, STATUS])


def test_the_story_with_curl_gets_its_answer(newcomer: Newcomer) -> None:
    told = newcomer.bash(BASH[2]).splitlines()

    assert '"session_id"' in told[0]
    assert DATABASE in told[3]
    assert STATUS in told[3]
    assert '"total_memories":2' in told[4]


def test_the_key_for_an_app_opens_its_namespaces(newcomer: Newcomer) -> None:
    key = newcomer.bash(BASH[3]).strip()

    with httpx.Client(
        base_url=f"http://localhost:{newcomer.port}", headers={"Authorization": f"Bearer {key}"}
    ) as client:
        assert client.get("/v1/agents/user-ann/stats").status_code == 200
        assert client.get("/v1/agents/other/stats").status_code == 403


def test_a_namespace_is_exported_erased_and_put_back(newcomer: Newcomer) -> None:
    file = newcomer.state / "user-ann.jsonl"

    told = newcomer.bash(BASH[4].replace("user-ann.jsonl", str(file)))

    assert DATABASE in file.read_text()
    assert '"state":"erased"' in told
    assert '"imported":3' in told
    assert '"event_type":"imported"' in told


def test_a_migration_leaves_an_index_that_is_as_wanted(newcomer: Newcomer) -> None:
    told = newcomer.bash(BASH[5]).splitlines()

    assert told == ["done: the index in use is as the code wants it", "dropped: nothing"]
