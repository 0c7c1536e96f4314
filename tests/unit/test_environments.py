"""Execution environments on this machine, whose processes may die."""

import os
import signal
from collections.abc import Iterator
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import active_children
from typing import Any

import pytest

from infra.local.environments import Environments
from tests.unit.conftest import request

COUNT = 2


@pytest.fixture
def environments() -> Iterator[Environments]:
    """All of them up."""
    environments = Environments(COUNT, {})
    while len(active_children()) < COUNT:
        for answer in ask(environments):
            assert answer.result()["statusCode"] == 200
    yield environments
    environments.stop()


def ask(environments: Environments) -> list[Future[dict[str, Any]]]:
    """A question for each of them."""
    event = request("GET", "/health/live", who=None)
    return [environments.invoke("service", event) for _ in range(COUNT)]


def signal_to(process_id: int | None, number: signal.Signals) -> None:
    assert process_id is not None
    os.kill(process_id, number)


def test_one_that_dies_at_work_takes_its_own_event_along_and_is_replaced(
    environments: Environments,
) -> None:
    dying, living = active_children()
    for one in (dying, living):
        signal_to(one.pid, signal.SIGSTOP)
    answers = ask(environments)
    signal_to(dying.pid, signal.SIGKILL)
    signal_to(living.pid, signal.SIGCONT)

    errors = [error for answer in answers if (error := answer.exception())]

    assert [type(error) for error in errors] in ([], [BrokenProcessPool])  # [] if not yet at work
    assert [answer.result()["statusCode"] for answer in ask(environments)] == [200] * COUNT


def test_those_that_die_idle_are_replaced(environments: Environments) -> None:
    for one in active_children():
        signal_to(one.pid, signal.SIGKILL)
        one.join()
    for answer in ask(environments):
        answer.exception()  # whose death went unnoticed may still be given an event

    assert [answer.result()["statusCode"] for answer in ask(environments)] == [200] * COUNT
