"""What goes wrong, spread over the run."""

import os
import random
import signal
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from threading import Thread

from tests.e2e.engine import Engine

KILLS_A_MINUTE = 0.6
PAUSES_A_MINUTE = 0.2
PAUSE_SECONDS = 7  # longer than the service waits for any answer of the engine
DOWN_SECONDS = (0.0, 4.0)  # before the engine is started again
BETWEEN_DEATHS_SECONDS = (2.0, 6.0)
QUIET_SHARE = 0.15  # of the run, at its end


class Faults:
    """Kills and pauses of the engine, one after the other; deaths of environments beside them."""

    def __init__(self, engine: Engine, server: int, *, seconds: float, seed: str) -> None:
        """`server` is the id of the process whose environments die."""
        self.injected: Counter[str] = Counter()
        self._engine = engine
        self._server = server
        self._seconds = seconds * (1 - QUIET_SHARE)
        self._chance = random.Random(seed)  # noqa: S311
        self._deaths = random.Random(seed)  # noqa: S311

    def run(self) -> None:
        """Returns when the faults are over and the engine is up.

        The thread that calls it has to outlive the engine, which ends with whoever started it.
        """
        deaths = Thread(target=self._kill_workers)
        deaths.start()
        self._trouble_engine()
        deaths.join()

    def _trouble_engine(self) -> None:
        minutes = self._seconds / 60
        kills = max(1, round(KILLS_A_MINUTE * minutes))
        pauses = max(1, round(PAUSES_A_MINUTE * minutes))
        faults = [self._kill_engine] * kills + [self._pause_engine] * pauses
        self._chance.shuffle(faults)
        began = time.monotonic()
        for number, fault in enumerate(faults):
            due = began + self._seconds * (number + 0.5) / len(faults)
            time.sleep(max(0.0, due - time.monotonic()))
            fault()

    def _kill_engine(self) -> None:
        self._engine.kill()
        self.injected["engine killed"] += 1
        time.sleep(self._chance.uniform(*DOWN_SECONDS))
        self._engine.start()

    def _pause_engine(self) -> None:
        with self._engine.hanging():
            self.injected["engine paused"] += 1
            time.sleep(PAUSE_SECONDS)

    def _kill_workers(self) -> None:
        ends = time.monotonic() + self._seconds
        while time.monotonic() < ends:
            time.sleep(self._deaths.uniform(*BETWEEN_DEATHS_SECONDS))
            if workers := workers_of(self._server):
                with suppress(ProcessLookupError):
                    os.kill(self._deaths.choice(workers), signal.SIGKILL)
                    self.injected["worker killed"] += 1


def workers_of(server: int) -> list[int]:
    """The ids of the processes in which a local service runs its functions."""
    threads = list(Path(f"/proc/{server}/task").iterdir())
    children = [int(child) for thread in threads for child in _read(thread / "children").split()]
    return sorted(one for one in children if b"spawn_main" in _read(Path(f"/proc/{one}/cmdline")))


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except (FileNotFoundError, ProcessLookupError):  # what it tells of ended meanwhile
        return b""
