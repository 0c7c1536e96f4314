"""Ports that nobody listens on."""

import random
import socket


def free_ports(count: int) -> int:
    """The first of `count` neighbouring free ports on 127.0.0.1."""
    while True:
        first = random.randrange(20_000, 30_000)  # noqa: S311
        try:
            for port in range(first, first + count):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        return first
