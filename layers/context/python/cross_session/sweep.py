"""Sessions that fell idle, or that nobody consolidated yet, or that became old."""

from dataclasses import dataclass
from time import time

from cross_session.adapters import ended_sessions, session_table
from cross_session.domain.session import CONSOLIDATION_RETRY_SECS

MAX_SESSIONS = 1_000  # a run; the next one goes on, as those that were seen to are due later


@dataclass(frozen=True, slots=True)
class Swept:
    ended_count: int
    sent_count: int


def sweep() -> Swept:
    """Ends idle sessions for good, and has those consolidated that are due for it.

    A session is sent before its next look is put off: a run that dies sends it twice rather
    than never. Raises QueueUnavailableError where the queue takes none.
    """
    now = int(time())
    ended = sent = 0
    for session in session_table.due(now=now, limit=MAX_SESSIONS):
        if session.ended_at is None:
            if not session_table.end_idle(session.tenant, session.id, now=now):
                continue
            ended += 1
        ended_sessions.send(session)
        sent += 1
        session_table.put_off(
            session.tenant, session.id, until=now + CONSOLIDATION_RETRY_SECS, now=now
        )
    return Swept(ended, sent)
