"""How long each function takes to start: its zips in AWS's Runtime Interface Emulator.

"init" is from the start of the runtime's process until it asks for its first event, as the
emulator reports it; "first" is the first event, without init. "CPU" is what init takes of it, user
and system, by which runs compare on a machine that does other things too. Medians, on the CPU as
it is: a Lambda function has less at 1 GB, and more while it starts. DynamoDB is moto on the same
machine. That the runtime's own boto3 comes with its bytecode is taken for granted.
Below each function stand the packages whose modules took longest to import, without what they
import in turn.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from cross_session.adapters import memory_index
from infra import build
from infra.local import aws
from infra.local.opensearch import OpenSearchNode
from infra.table import TABLE
from tests.bench.report import table
from tests.ports import free_ports
from tests.runtime.emulator import (
    NATIVE,
    Failed,
    Zips,
    ensure_emulator,
    every_function,
    python_command,
    started,
    variables,
    zips_of,
)
from tests.unit.conftest import caller, request

RECALL = {"namespace": "user-bob", "query": "Which database did we choose?"}
FIRST_EVENTS: dict[str, Any] = {
    "authorizer": request(
        "GET", "/v1/sessions", who=None, headers={"authorization": "Bearer dk-unknown"}
    ),
    "memories": request("POST", "/v1/memory/recall", body=json.dumps(RECALL), who=caller()),
    "service": request("GET", "/health", who=None),
    "sessions": request(
        "POST", "/v1/sessions/start", body=json.dumps({"namespace": "user-bob"}), who=caller()
    ),
}


def main() -> None:
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--starts", type=int, default=11)
    starts = arguments.parse_args().starts
    build.ensure(NATIVE, print)
    ensure_emulator(print)
    port = free_ports(2)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        local = aws.LocalAws(folder / "journal", port=port).start(TABLE)
        node = OpenSearchNode.start(folder / "opensearch", port=port + 1, progress=print)
        os.environ["OPENSEARCH_URL"] = node.url
        try:
            memory_index.create_index()
            measure({"OPENSEARCH_URL": node.url, **aws.environment(port)}, folder, starts)
        finally:
            node.stop()
            local.stop()


def measure(environment: Mapping[str, str], folder: Path, starts: int) -> None:
    rows = []
    for function in every_function():
        built = zips_of(function)
        row = [function]
        for zips in (_without_bytecode(built, folder / function), built):
            inits, firsts = zip(
                *(_start(function, zips, environment, folder) for _ in range(starts)), strict=True
            )
            cpu = [_cpu_ms(function, zips, environment) for _ in range(starts)]
            row += [f"{median(ms):.0f}" for ms in (cpu, inits, firsts)]
        rows.append(row)
        print(f"{function}: {_imports(function, built, environment)}", flush=True)
    print(f"\nCold starts without and with bytecode, medians of {starts}; ms")
    print(table(("", "CPU", "init", "first", "CPU", "init", "first"), rows))


def _start(
    function: str, zips: Zips, environment: Mapping[str, str], folder: Path
) -> tuple[float, float]:
    """Milliseconds of init and of the first event."""
    with started(function, environment, zips=zips, folder=folder) as running:
        answer = running.invoke(FIRST_EVENTS.get(function, {}))
        if isinstance(answer, Failed):
            raise RuntimeError(f"{function}: {answer}")
        return running.init_ms, running.first_ms


def _without_bytecode(zips: Zips, folder: Path) -> Zips:
    ignore = shutil.ignore_patterns("__pycache__")
    code = shutil.copytree(zips.code, folder / "code", ignore=ignore)
    layers = {
        name: shutil.copytree(root, folder / name, ignore=ignore)
        for name, root in zips.layers.items()
    }
    return Zips(code, layers)


def _cpu_ms(function: str, zips: Zips, environment: Mapping[str, str]) -> float:
    program = (
        f"import awslambdaric.bootstrap, functions.{function}, time;"
        " print(1000 * time.process_time())"
    )
    return float(_run(["-c", program], function, zips, environment).stdout)


def _imports(function: str, zips: Zips, environment: Mapping[str, str]) -> str:
    arguments = ["-X", "importtime", "-c", f"import functions.{function}"]
    done = _run(arguments, function, zips, environment)
    took: Counter[str] = Counter()
    for microseconds, module in re.findall(r"(\d+) \| +\d+ \| +(\w+)", done.stderr):
        took[module] += int(microseconds)
    return ", ".join(f"{module} {us / 1000:.0f}" for module, us in took.most_common(6))


def _run(
    arguments: Sequence[str], function: str, zips: Zips, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Python as the runtime has it."""
    return subprocess.run(
        [*python_command(), *arguments],
        cwd=zips.code,
        env={**variables(function, zips), **environment},
        check=True,
        capture_output=True,
        text=True,
    )


if __name__ == "__main__":
    main()
