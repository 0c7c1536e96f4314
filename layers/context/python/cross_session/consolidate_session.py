"""An ended session gets its summary and, once it is old, lets it speak for the details.

Each step can be taken again, and a message that comes twice does no more than one.
"""

import hashlib
from dataclasses import replace
from time import time

from cross_session.adapters import memory_index, session_table
from cross_session.adapters.embeddings import embedder
from cross_session.domain.memory import Memory
from cross_session.domain.search_text import context_text
from cross_session.domain.selection import Selection
from cross_session.domain.session import CONSOLIDATION_RETRY_SECS, Session
from cross_session.errors import NotFoundError
from cross_session.recount import recount
from cross_session.settings import consolidate_after_days
from cross_session.summarize import Summary, sum_up

MAX_MEMORIES = 1_000  # of one session, the newest; a summary of more would be one of anything


def consolidate_session(tenant: str, namespace: str, session_id: str) -> None:
    """Brings an ended session's summary up to date; one that is open or gone is left alone.

    The summary is written first. Then, if the newest thing told is older than the setting,
    each memory is marked as covered by it. The record is marked last, unless something was
    stored or forgotten meanwhile: then the sweep looks again.
    """
    now = int(time())
    try:
        session = session_table.claim(
            tenant, namespace, session_id, until=now + CONSOLIDATION_RETRY_SECS
        )
    except NotFoundError:
        return
    recount(tenant, namespace, session_id)
    found = memory_index.with_vectors(
        tenant, namespace, selection=Selection(session_id=session_id), limit=MAX_MEMORIES, now=now
    )
    lasting = [one for one in reversed(found) if one[0].memory.expires_at is None]
    look_again_at = None
    if lasting and session.auto_summarize:
        memories = [stored.memory for stored, _ in lasting]
        summary = sum_up(memories, [vector for _, vector in lasting], first=session.summary)
        written = _as_memory(session, summary)
        old_at = max(memory.event_time for memory in memories) + consolidate_after_days() * 86_400
        if old_at <= now:
            written = replace(written, covered_by=written.id)
        memory_index.put(written, embedder().passages([context_text(written)])[0])
        if old_at <= now:
            memory_index.cover(tenant, namespace, session_id, written.id)
        else:
            look_again_at = old_at
    else:
        memory_index.delete(
            tenant, namespace, Selection(session_id=session_id, memory_type="summary")
        )
    session_table.consolidated(
        tenant,
        session_id,
        claimed=now + CONSOLIDATION_RETRY_SECS,
        now=now,
        look_again_at=look_again_at,
    )


def _as_memory(session: Session, summary: Summary) -> Memory:
    """With an id and times of the session's own, so that another run writes the same."""
    metadata = summary.metadata()
    ended_at = session.ended_at or session.started_at
    return Memory(
        id=summary_id(session),
        tenant=session.tenant,
        namespace=session.namespace,
        content=summary.text,
        memory_type="summary",
        importance=max(memory.importance for memory in summary.sources),
        tags=list(dict.fromkeys(tag for one in summary.sources for tag in one.tags)),
        session_id=session.id,
        metadata=metadata,
        event_time=metadata["until"],
        created_at=ended_at,
        updated_at=ended_at,
        sequence=ended_at * 10**9,
    )


def summary_id(session: Session) -> str:
    parts = "\x1f".join(("summary", session.tenant, session.namespace, session.id))
    return f"mem_{hashlib.sha256(parts.encode()).hexdigest()[:32]}"
