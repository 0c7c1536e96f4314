"""Requests made from the API's own description, held to it: no 5xx, no answer that it
does not describe, no way past the key. `make fuzz`, or `python -m tests.fuzz URL KEY`."""

import os
import subprocess
import sys
from pathlib import Path

from infra.routes import ROUTES

ROOT = Path(__file__).resolve().parents[2]


def fuzz(
    url: str, key: str | None, *, requests: int, seed: int
) -> subprocess.CompletedProcess[str]:
    """Runs schemathesis with all its checks; without a key everything must answer 401.

    `requests` are shared among the operations, beside some 2,000 that it always makes.
    """
    command = [
        str(Path(sys.executable).with_name("schemathesis")),
        "run",
        f"{url}/openapi.json",
        "--checks=all",
        f"--max-examples={max(1, requests // len(ROUTES))}",
        f"--seed={seed}",
        "--continue-on-failure",
        "--suppress-health-check=all",
    ]
    if key is not None:
        command.append(f"--header=Authorization: Bearer {key}")
    return subprocess.run(
        command,
        env=os.environ | {"SCHEMATHESIS_HOOKS": "tests.fuzz.hooks"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
