"""Moves the memories into an index as the code wants it: `python -m infra.migrate --stage dev`.

Without a stage it does so on this machine, where PORT tells which service is meant.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable

from infra.on_demand import InvocationError, Invoke, deployed
from infra.outputs import NotDeployedError

SECONDS_BETWEEN_TRIES = 2


def migrate(invoke: Invoke, say: Callable[[str], None]) -> None:
    """Repeats the function's step until all is done."""
    while True:
        progress = invoke({})
        state = progress["state"]
        if state == "done":
            say("done: the index in use is as the code wants it")
            return
        if state == "waiting":
            say("waiting for the engine, which does not answer")
            time.sleep(SECONDS_BETWEEN_TRIES)
        else:
            say(f"{state}: {progress['copied']:,} of {progress['total']:,} memories")


def _local() -> Invoke:
    port = int(os.environ.get("PORT", "3300"))
    os.environ.setdefault("OPENSEARCH_URL", f"http://127.0.0.1:{port + 2}")
    from functions import migrate_index

    return lambda event: migrate_index.handler(event, None)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--stage", help="a deployed stage; this machine if absent")
    arguments.add_argument(
        "--drop-others",
        action="store_true",
        help="delete every index but the one in use: the old one once all is well, or the new"
        " one to give a migration up",
    )
    chosen = arguments.parse_args()
    try:
        invoke = deployed(chosen.stage, "MigrateIndexFunction") if chosen.stage else _local()
    except NotDeployedError as error:
        sys.exit(str(error))
    if chosen.drop_others:
        print("dropped:", ", ".join(invoke({"drop_others": True})["dropped"]) or "nothing")
        return
    try:
        migrate(invoke, lambda line: print(line, flush=True))
    except InvocationError as error:
        sys.exit(f"{error}\nRun this again to go on, or with --drop-others to give it up.")


if __name__ == "__main__":
    main()
