"""`python -m tests.chaos`: exits 1 if anything was lost, duplicated, resurrected or leaked."""

import argparse
import random
import sys
import tempfile
from pathlib import Path

from infra.model import ensure_model
from tests.chaos.run import run


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--minutes", type=float, default=10)
    arguments.add_argument("--seed", type=int, default=random.randrange(10_000))  # noqa: S311
    chosen = arguments.parse_args()
    ensure_model(print)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as state:
        outcome = run(Path(state), minutes=chosen.minutes, seed=chosen.seed)
    print(outcome)
    sys.exit(bool(outcome.wrong))


if __name__ == "__main__":
    main()
