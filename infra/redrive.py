"""Sends dead letters again: `python -m infra.redrive --stage dev`.

Without a stage it does so on this machine, where PORT tells which service is meant.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable

from cross_session.errors import QueueUnavailableError
from infra.local import aws
from infra.outputs import NotDeployedError, output

Redrive = Callable[[], dict[str, dict[str, int]]]


def redrive_all(redrive: Redrive, say: Callable[[str], None]) -> None:
    """Repeats it until nothing more can be moved, and says what was."""
    moved: dict[str, int] = {}
    while True:
        queues = redrive()
        for name, counts in queues.items():
            moved[name] = moved.get(name, 0) + counts["moved"]
        if not any(counts["moved"] and counts["left"] for counts in queues.values()):
            break
    for name, counts in queues.items():
        say(f"{name}: {moved[name]} sent again, {counts['left']} left")


def _deployed(stage: str) -> Redrive:
    import boto3

    name = output(stage, "RedriveFunction")
    functions = boto3.client("lambda")

    def redrive() -> dict[str, dict[str, int]]:
        answer = functions.invoke(FunctionName=name, Payload=b"{}")
        said: dict[str, dict[str, int]] = json.load(answer["Payload"])
        if "FunctionError" in answer:
            sys.exit(f"{name} failed: {said.get('errorMessage')}")
        return said

    return redrive


def _local() -> Redrive:
    os.environ.update(aws.environment(int(os.environ.get("PORT", "3300")) + 1))
    from functions import redrive

    return lambda: redrive.handler({}, None)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--stage", help="a deployed stage; this machine if absent")
    stage = arguments.parse_args().stage
    try:
        redrive_all(_deployed(stage) if stage else _local(), print)
    except NotDeployedError as error:
        sys.exit(str(error))
    except QueueUnavailableError:
        sys.exit("no service there: start it with `make serve`, or set PORT")


if __name__ == "__main__":
    main()
