"""Ports that nobody listens on."""

import os
import random
import socket

# of each process that runs tests its own, as a port may be taken some time after it was found
_SPAN = 2_000
_FIRST = 20_000 + _SPAN * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))


def free_ports(count: int) -> int:
    """The first of `count` neighbouring free ports on 127.0.0.1."""
    while True:
        first = random.randrange(_FIRST, _FIRST + _SPAN)  # noqa: S311
        try:
            for port in range(first, first + count):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        return first
