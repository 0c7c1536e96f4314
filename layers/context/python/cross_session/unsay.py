"""Summaries that quote what is no longer to be said."""

from collections.abc import Sequence
from contextlib import suppress

from cross_session.adapters import memory_index, session_table
from cross_session.domain.selection import Selection
from cross_session.errors import NotFoundError


def unsay(tenant: str, namespace: str, memory_ids: Sequence[str]) -> None:
    """Deletes the sessions' summaries that quote these memories, and has them made anew.

    For memories that were forgotten, reworded or superseded.
    """
    quoting = memory_index.quoting(tenant, namespace, memory_ids)
    if not quoting:
        return
    memory_index.delete(tenant, namespace, Selection(ids=tuple(one.id for one in quoting)))
    for session_id in {one.session_id for one in quoting if one.session_id}:
        with suppress(NotFoundError):
            session_table.look_again(tenant, session_id)
