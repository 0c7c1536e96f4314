"""A reader's word on a memory moves its importance and stays with it."""

from dataclasses import replace
from time import time

from cross_session.domain.feedback import Signal
from cross_session.domain.memory import Memory
from cross_session.revise import rework


def rate(tenant: str, namespace: str, memory_id: str, signal: Signal) -> Memory:
    """Raises NotFoundError, and ConflictError where other writers keep getting in between."""
    now = int(time())

    def rated(memory: Memory) -> Memory:
        feedback = memory.feedback.given(signal, importance=memory.importance, at=now)
        return replace(memory, feedback=feedback, importance=feedback.entries[-1].new_importance)

    return rework(tenant, namespace, memory_id, rated)
