"""What stands for a session: the sentences that say most of it, each once.

Chosen by maximal marginal relevance (Carbonell & Goldstein, SIGIR 1998), without a model call.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cross_session.domain.memory import Memory
from cross_session.domain.search_text import actor_of
from cross_session.domain.sentences import repeats, sentences, telling_words

MAX_SENTENCES_SOUGHT = 120  # each is embedded, some 10 ms
_MAX_MEMORIES = 40
_MAX_WORDS = 90  # about 120 tokens
_SHARE = 0.6  # of a session's words, but
_FEW_WORDS = 30  # are no more than a summary may have
_RELEVANCE = 0.7  # against novelty
_IMPORTANCE = 1.0  # beside 1 for nearness: what a caller marked is what it wants told
_LEAST_WORDS = 4
_UNRELATED = 0.7  # e5's cosine of two texts that have nothing to do with each other
_NO_NAMES = frozenset({"assistant", "system", "user"})

Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Sentence:
    text: str
    source: Memory


def most_telling(memories: Sequence[Memory], vectors: Vectors) -> list[Memory]:
    """Those to look for sentences in, in their order: central to all, and important."""
    if len(memories) <= _MAX_MEMORIES:
        return list(memories)
    worth = _worth(vectors, [memory.importance for memory in memories])
    best = sorted(np.argsort(-worth, kind="stable")[:_MAX_MEMORIES].tolist())
    return [memories[index] for index in best]


def candidates(memories: Sequence[Memory]) -> list[Sentence]:
    """The sentences that could stand in a summary: no questions, no greetings, none twice."""
    found: dict[frozenset[str], Sentence] = {}
    for memory in memories:
        for text in sentences(_without_speaker(memory)):
            told = telling_words(text)
            if not text.endswith("?") and len(told) >= 2 and len(text.split()) >= _LEAST_WORDS:
                found.setdefault(told, Sentence(text, memory))
    if not found:
        found = {frozenset(): Sentence(_without_speaker(one), one) for one in memories[-1:]}
    return list(found.values())[:MAX_SENTENCES_SOUGHT]


def choose(
    found: Sequence[Sentence], vectors: Vectors, *, said: Sequence[str], said_vectors: Vectors
) -> list[Sentence]:
    """The best of the sentences, in the order they came in; `said` stands in the summary already.

    `vectors` are the sentences' in order, as `said_vectors` are of `said`. At least one,
    unless something was said.
    """
    total = sum(len(sentence.text.split()) for sentence in found)
    left = min(_MAX_WORDS, max(_FEW_WORDS, int(_SHARE * total)))
    left -= sum(len(text.split()) for text in said)
    worth = _worth(vectors, [sentence.source.importance for sentence in found])
    nearest = _alike(vectors @ said_vectors.T).max(axis=1) if said else np.zeros(len(found))
    chosen: list[int] = []
    pending = set(range(len(found)))
    while pending:
        gain = _RELEVANCE * worth - (1 - _RELEVANCE) * nearest
        best = max(pending, key=lambda index: (gain[index], -index))
        pending.remove(best)
        text, standing = found[best].text, [*said, *(found[index].text for index in chosen)]
        words = len(text.split())
        if any(repeats(text, one) or repeats(one, text) for one in standing):
            continue
        if words <= left or not standing:
            chosen.append(best)
            left -= words
            nearest = np.maximum(nearest, _alike(vectors @ vectors[best]))
    return [found[index] for index in sorted(chosen)]


def as_text(first: str | None, chosen: Sequence[Sentence]) -> str:
    """The caller's own summary, then the sentences; a speaker is named where one begins."""
    parts = [first.strip()] if first else []
    speaking: str | None = None
    for sentence in chosen:
        speaker = actor_of(sentence.source.content, sentence.source.metadata)
        named = speaker is not None and speaker.lower() not in _NO_NAMES
        prefix = f"{speaker}: " if named and speaker != speaking else ""
        parts.append(prefix + sentence.text)
        speaking = speaker
    return " ".join(parts)


def _without_speaker(memory: Memory) -> str:
    actor = actor_of(memory.content, memory.metadata)
    return memory.content.removeprefix(f"{actor}: ") if actor else memory.content


def _worth(vectors: Vectors, importance: Sequence[float]) -> NDArray[np.float64]:
    """0 to 1 by nearness to the middle of all, and by importance."""
    middle = vectors.mean(axis=0)
    central = _alike(vectors @ (middle / np.linalg.norm(middle)))
    marked = np.array(importance, dtype=np.float64)
    return (central + _IMPORTANCE * marked) / (1 + _IMPORTANCE)


def _alike(cosines: Vectors) -> NDArray[np.float64]:
    """0 to 1 from cosines that begin at `_UNRELATED`."""
    return np.clip((cosines.astype(np.float64) - _UNRELATED) / (1 - _UNRELATED), 0, 1)
