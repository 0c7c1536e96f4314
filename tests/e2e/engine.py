"""An OpenSearch of a test's own, to be killed, stopped and started."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.local.opensearch import OpenSearchNode


class Engine:
    def __init__(self, data: Path, *, port: int) -> None:
        self._data = data
        self._port = port
        self.start()

    def start(self) -> None:
        self._node = OpenSearchNode.start(self._data, port=self._port, progress=print)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        self.stop()

    def signal(self, number: signal.Signals) -> None:
        os.kill(self._node.pid, number)

    def stop(self) -> None:
        self._node.stop()

    @contextmanager
    def hanging(self) -> Iterator[None]:
        self.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.signal(signal.SIGCONT)

    @property
    def url(self) -> str:
        return self._node.url
