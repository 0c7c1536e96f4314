"""The queue of sessions to consolidate: a message a session, in any order, once or more."""

import json

from cross_session.adapters.queues import sqs
from cross_session.domain.session import Session
from cross_session.settings import ended_sessions_queue_url


def send(session: Session) -> None:
    """Has the session consolidated soon. Raises QueueUnavailableError."""
    body = {
        "tenant": session.tenant,
        "namespace": session.namespace,
        "session_id": session.id,
    }
    with sqs("the queue of ended sessions does not answer now") as queues:
        queues.send_message(QueueUrl=ended_sessions_queue_url(), MessageBody=json.dumps(body))
