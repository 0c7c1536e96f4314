"""What is recalled lives longer, where its namespace's policy says so."""

from collections.abc import Sequence
from contextlib import suppress

from cross_session.adapters import memory_index, namespace_table
from cross_session.domain.memory import Memory
from cross_session.errors import EngineUnavailableError


def rehearse(tenant: str, namespace: str, recalled: Sequence[Memory]) -> None:
    """Puts off the end of the recalled memories that have one.

    Costs nothing where the policy doesn't ask for it, and never fails what was recalled.
    """
    ending = [memory.id for memory in recalled if memory.expires_at is not None]
    if not ending:
        return
    seconds = namespace_table.recent(tenant, namespace).policy.extension_seconds
    if seconds:
        with suppress(EngineUnavailableError):
            memory_index.postpone_expiry(tenant, namespace, ending, seconds=seconds)
