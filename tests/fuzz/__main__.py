"""`python -m tests.fuzz`: against CROSS_SESSION_URL, or a service started here."""

import argparse
import os
import sys
import tempfile
from pathlib import Path

from tests.e2e.service import LocalService
from tests.fuzz import fuzz
from tests.ports import free_ports


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--requests", type=int, default=20_000)
    arguments.add_argument("--seed", type=int, default=1)
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as state:
        service = LocalService.start(
            Path(state), port=free_ports(4), engine=os.environ.get("OPENSEARCH_URL")
        )
        try:
            runs = [
                fuzz(service.url, key, requests=share, seed=chosen.seed)
                for key, share in (
                    (service.key, chosen.requests * 9 // 10),
                    (None, chosen.requests // 10),
                )
            ]
        finally:
            service.stop()
    for run in runs:
        print(run.stdout, run.stderr, file=sys.stderr)
    sys.exit(any(run.returncode for run in runs))


if __name__ == "__main__":
    main()
