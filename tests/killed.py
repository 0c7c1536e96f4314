"""Processes that end by a kill."""

import subprocess
import sys


def killed_once_acknowledged(script: str, *arguments: object) -> None:
    """Runs Python code and kills it when it prints "acknowledged"."""
    with subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "acknowledged\n"
        process.kill()
