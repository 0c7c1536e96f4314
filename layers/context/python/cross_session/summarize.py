"""Memories in, the text that stands for them out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from aws_lambda_powertools import Logger

from cross_session.adapters import bedrock_summary, memory_index
from cross_session.adapters.bedrock_summary import SummaryUnavailableError
from cross_session.adapters.embeddings import embedder
from cross_session.domain.memory import Memory, MemoryType
from cross_session.domain.selection import Selection
from cross_session.domain.sentences import sentences
from cross_session.domain.summary import as_text, candidates, choose, most_telling
from cross_session.errors import NotFoundError
from cross_session.remember import Note, remember
from cross_session.settings import summary_model

DEFAULT_TARGET: MemoryType = "semantic"

logger = Logger(service="cross-session")


@dataclass(frozen=True, slots=True)
class Summary:
    """`sources` are the memories that it quotes or, of a model's, that the model was given."""

    text: str
    sources: list[Memory]
    method: str

    def metadata(self) -> dict[str, Any]:
        """Where it comes from. The times are of what was summed up, in Unix seconds."""
        times = [memory.event_time for memory in self.sources]
        return {
            "source_memory_ids": [memory.id for memory in self.sources],
            "summary_method": self.method,
            "from": min(times),
            "until": max(times),
        }


def sum_up(
    memories: Sequence[Memory], vectors: Sequence[Sequence[float]], *, first: str | None = None
) -> Summary:
    """One or more memories, oldest first, in a few sentences; `first` is the caller's own summary.

    By Bedrock where the setting names a model and it answers, else by choosing sentences.
    """
    telling = most_telling(memories, np.array(vectors, dtype=np.float32))
    if model := summary_model():
        try:
            text = bedrock_summary.write([memory.content for memory in telling], first, model=model)
        except SummaryUnavailableError as error:
            logger.warning("no summary by Bedrock; sentences are chosen", exc_info=error)
        else:
            return Summary(text, telling, f"bedrock:{model}")
    found = candidates(telling)
    said = sentences(first or "")
    embedded = embedder().passages([*said, *(sentence.text for sentence in found)])
    embedded_array = np.array(embedded, dtype=np.float32)
    chosen = choose(
        found, embedded_array[len(said) :], said=said, said_vectors=embedded_array[: len(said)]
    )
    quoted = {sentence.source.id: sentence.source for sentence in chosen}
    return Summary(as_text(first, chosen), list(quoted.values()) or telling, "extractive")


def summarize(
    tenant: str,
    namespace: str,
    *,
    memory_ids: Sequence[str],
    memory_type: MemoryType | None,
    now: int,
) -> tuple[Memory, int]:
    """Stores a memory that sums up the named ones, which stay as they are; and how many they were.

    The same ones again are the same memory. Raises NotFoundError for an id that is not there.
    """
    wanted = dict.fromkeys(memory_ids)
    found = memory_index.with_vectors(
        tenant,
        namespace,
        selection=Selection(ids=tuple(wanted), derived=True),
        limit=len(wanted),
        now=now,
    )
    if len(found) < len(wanted):
        raise NotFoundError("memory")
    found.sort(key=lambda one: one[0].memory.sequence)
    memories = [stored.memory for stored, _ in found]
    summary = sum_up(memories, [vector for _, vector in found])
    sessions = {memory.session_id for memory in memories}
    note = Note(
        content=summary.text,
        memory_type=memory_type or DEFAULT_TARGET,
        importance=max(memory.importance for memory in memories),
        tags=list(dict.fromkeys(tag for memory in memories for tag in memory.tags)),
        session_id=sessions.pop() if len(sessions) == 1 else None,
        metadata=summary.metadata() | {"type": "summary"},
        event_time=max(memory.event_time for memory in memories),
    )
    return remember(tenant, namespace, [note]).memories[0], len(memories)
