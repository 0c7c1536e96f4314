"""Sends dead letters again: `python -m infra.redrive --stage dev`.

Without a stage it does so on this machine, where PORT tells which service is meant.
"""

import argparse
import os
import sys
from collections.abc import Callable

from cross_session.errors import QueueUnavailableError
from infra.local import aws
from infra.on_demand import InvocationError, Invoke, deployed
from infra.outputs import NotDeployedError


def redrive_all(redrive: Invoke, say: Callable[[str], None]) -> None:
    """Repeats it until nothing more can be moved, and says what was."""
    moved: dict[str, int] = {}
    while True:
        queues = redrive({})
        for name, counts in queues.items():
            moved[name] = moved.get(name, 0) + counts["moved"]
        if not any(counts["moved"] and counts["left"] for counts in queues.values()):
            break
    for name, counts in queues.items():
        say(f"{name}: {moved[name]} sent again, {counts['left']} left")


def _local() -> Invoke:
    os.environ.update(aws.environment(int(os.environ.get("PORT", "3300")) + 1))
    from functions import redrive

    return lambda event: redrive.handler(event, None)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--stage", help="a deployed stage; this machine if absent")
    stage = arguments.parse_args().stage
    try:
        redrive_all(deployed(stage, "RedriveFunction") if stage else _local(), print)
    except (NotDeployedError, InvocationError) as error:
        sys.exit(str(error))
    except QueueUnavailableError:
        sys.exit("no service there: start it with `make serve`, or set PORT")


if __name__ == "__main__":
    main()
