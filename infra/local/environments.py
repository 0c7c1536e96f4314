"""Lambda's execution environments on this machine: processes that answer one event each."""

import importlib
import os
import signal
import threading
import uuid
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from multiprocessing import get_context, parent_process
from queue import SimpleQueue
from typing import Any, Self

from infra.routes import AUTHORIZER, QUEUES, ROUTES, SCHEDULES


@dataclass
class Context:
    """What a handler is told of its invocation, as Lambda's runtime client does."""

    function_name: str
    function_version: str = "local"
    memory_limit_in_mb: int = 1024
    aws_request_id: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def invoked_function_arn(self) -> str:
        return f"arn:aws:lambda:us-east-1:000000000000:function:{self.function_name}"

    def get_remaining_time_in_millis(self) -> int:
        return 30_000


class Environments:
    """`count` processes, each with every function loaded and its model warm.

    One that dies takes only its own event along, which fails with BrokenProcessPool; another
    process takes its place.
    """

    def __init__(self, count: int, variables: dict[str, str]) -> None:
        self._variables = variables
        self._count = count
        self._idle: SimpleQueue[ProcessPoolExecutor] = SimpleQueue()
        for _ in range(count):
            self._idle.put(self._new())
        self._waiting = ThreadPoolExecutor(count, thread_name_prefix="environment")

    def warm(self) -> Self:
        """Returns once all processes are up."""
        environments = [self._idle.get() for _ in range(self._count)]
        loading = [environment.submit(_warm) for environment in environments]
        for one in loading:
            one.result()
        for environment in environments:
            self._idle.put(environment)
        return self

    def invoke(self, function: str, event: dict[str, Any]) -> Future[dict[str, Any]]:
        return self._waiting.submit(self._in_an_idle_one, function, event)

    def stop(self) -> None:
        self._waiting.shutdown(cancel_futures=True)
        for _ in range(self._count):
            self._idle.get().shutdown()

    def _new(self) -> ProcessPoolExecutor:
        spawn = get_context("spawn")
        return ProcessPoolExecutor(
            1, mp_context=spawn, initializer=_start, initargs=(self._variables,)
        )

    def _in_an_idle_one(self, function: str, event: dict[str, Any]) -> dict[str, Any]:
        environment = self._idle.get()
        try:
            try:
                answering = environment.submit(_invoke, function, event)
            except BrokenProcessPool:  # it died idle, before it was given the event
                environment = self._new()
                answering = environment.submit(_invoke, function, event)
            return answering.result()
        except BrokenProcessPool:
            environment = self._new()
            raise
        finally:
            self._idle.put(environment)


def _start(variables: dict[str, str]) -> None:
    os.environ.update(variables)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is the server's, which ends the pool
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None  # noqa: S101 - this runs in a pool's process
    parent.join()
    os._exit(1)


def _warm() -> None:
    functions = {AUTHORIZER} | {entry.function for entry in (*ROUTES, *SCHEDULES)}
    functions |= {queue.consumer for queue in QUEUES}
    for function in functions:
        importlib.import_module(f"functions.{function}")
    from cross_session.adapters.embeddings import embedder

    embedder().query("warm")


def _invoke(function: str, event: dict[str, Any]) -> dict[str, Any]:
    module = importlib.import_module(f"functions.{function}")
    answer: dict[str, Any] = module.handler(event, Context(function_name=function))
    return answer
