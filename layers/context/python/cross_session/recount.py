"""A session's memories counted anew, from the index."""

from contextlib import suppress
from random import random
from time import sleep, time_ns

from cross_session.adapters import memory_index, session_table
from cross_session.domain.selection import Selection
from cross_session.domain.session import Session
from cross_session.errors import NotFoundError

_ATTEMPTS = 20
_CLOCKS_APART_NS = 1_000_000_000


def recount(tenant: str, namespace: str, session_id: str) -> None:
    """Has the session count what the index holds of it.

    A memory is written first and counted then; where a function died in between, this heals
    the count. Somebody may have written and not yet counted when this looks: who counts and
    finds a recount in its time (`recounted_since`) recounts too, so that the last one is
    right. Where others keep counting, the last of them leaves it right or the session's end
    does. A session that the namespace doesn't have needs no count.
    """
    with suppress(NotFoundError):
        for _ in range(_ATTEMPTS):
            told, version = session_table.counted(tenant, namespace, session_id)
            held = memory_index.count(tenant, namespace, Selection(session_id=session_id))
            if held == told or session_table.set_count(
                tenant, namespace, session_id, held, version=version, now_ns=time_ns()
            ):
                return
            sleep(random() * 0.05)  # noqa: S311


def recounted_since(session: Session, began_ns: int) -> bool:
    """Whether a recount may have seen what was written since then, before it was counted."""
    return session.recounted_at_ns > began_ns - _CLOCKS_APART_NS
