"""How two ranked lists become one answer. Pure functions on plain values."""

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from cross_session.domain.memory import Memory
from cross_session.domain.question import Question
from cross_session.domain.search_text import as_preceding, kind_of, said_by

Part = Literal[
    "bm25",
    "vector",
    "session",
    "neighbour",
    "actor",
    "time",
    "asked_session",
    "question",
    "length",
    "when",
    "count",
    "importance",
    "recency",
    "outdated",
    "covered",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """What each part can add to a score. README's decisions have what each is worth."""

    vector: float = 0.5  # of the two searches; BM25 has the rest
    context: float = 0.3  # of BM25 on the preceding turn beside BM25 on the memory itself
    bm25_floor: float = 1.25  # rare words' worth that a full match has; less counts by its share
    vector_spread: float = 0.07  # from the best cosine to the 100th, where there are so many
    session: float = 0.5  # a session with several good memories is about the question
    session_best: int = 2
    neighbour: float = 0.2  # the turn before or after a good one
    actor: float = 0.4  # said by the one person whom the question names
    time: float = 0.6  # in the window that the question names
    asked_session: float = 1.0  # of the session that the question names
    question: float = 0.2  # a question seldom answers one
    length: float = 0.2  # "Wow!" matches anything and says nothing
    when: float = 0.1  # a word of time, to a question that asks when
    count: float = 0.15  # a number, to a question that asks how many
    importance: float = 0.05  # decides between equals
    recency: float = 0.02  # decides between equals
    now: float = 0.2  # recency, where the question says "now"
    half_life_days: float = 30.0
    outdated: float = 0.4  # a newer note says the same thing otherwise
    covered: float = 0.5  # its old session has a summary, where an overview is asked for


DEFAULT_VECTOR_WEIGHT = Weights().vector
FULL_LIST = 100  # the best of a search that are looked at; more gave no gain in evidence recall
ALWAYS_TOLD = 5
_OVERLAP = 0.4  # of the shorter note's words, to be about the same thing
_TOLD_SHARE = 0.38  # of the best score; README's decisions have what the two cost and save
_TOLD_SHARE_BY_PLACE = 0.08
_REVIEWED = 30  # how many of the best are looked through for outdated ones


def _as_written(words: str) -> frozenset[str]:
    """The words with what may follow them in a text that is split at spaces alone."""
    return frozenset(f"{word}{end}" for word in words.split() for end in ("", *".,;:!?)", "'s"))


_TIME_WORDS = _as_written(
    "yesterday today tomorrow tonight last next ago week weekend month year morning evening"
    " recently since monday tuesday wednesday thursday friday saturday sunday january february"
    " march april may june july august september october november december"
)
_NUMBER_WORDS = _as_written(
    "one two three four five six seven eight nine ten twice once couple several few"
)
_YEAR = re.compile(r"(?<!\w)(?:19|20)\d\d(?!\w)")
_DIGIT = re.compile(r"\d")
_WORD = re.compile(r"[a-z0-9]+")
_COMMON = frozenset(
    "a an and are as at be been by for from had has have i in is it not of on our that the this to"
    " was we were will with you".split()
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A memory that a search found; None for the search that did not."""

    memory: Memory
    bm25: float | None
    cosine: float | None


@dataclass(frozen=True, slots=True)
class Ranked:
    """A candidate with its score, which is the sum of its parts."""

    candidate: Candidate
    parts: Mapping[Part, float]

    @property
    def memory(self) -> Memory:
        return self.candidate.memory

    @property
    def score(self) -> float:
        return math.fsum(self.parts.values())


def min_max(scores: Mapping[str, float], *, spread: float = 0.0) -> dict[str, float]:
    """Scores moved to 0..1, best 1 and worst 0; all 1 where they are equal.

    e5's cosines crowd into .65 to .9, and BM25 has no upper end: only their order and
    spacing within one answer can be compared. Scores less than `spread` apart move less far.
    """
    if not scores:
        return {}
    low, high = min(scores.values()), max(scores.values())
    width = max(high - low, spread)
    if width == 0:
        return dict.fromkeys(scores, 1.0)
    return {key: 1 - (high - score) / width for key, score in scores.items()}


def fuse(candidates: Sequence[Candidate], *, vector_weight: float) -> list[Ranked]:
    """Best first by the two searches alone: the weighted mean of their min-max scores."""
    bm25, cosine = _by_search(candidates)
    text, meaning = min_max(bm25), min_max(cosine)
    return _best_first(
        Ranked(
            one,
            {
                "bm25": (1 - vector_weight) * text.get(one.memory.id, 0.0),
                "vector": vector_weight * meaning.get(one.memory.id, 0.0),
            },
        )
        for one in candidates
    )


def rank(
    candidates: Sequence[Candidate],
    question: Question,
    *,
    corpus: int,
    now: int,
    asked_session: str | None = None,
    weights: Weights = Weights(),
) -> list[Ranked]:
    """Best first.

    `corpus` is how many memories the BM25 scores are of, at least 1; `now` is in Unix seconds;
    `asked_session` is the session that the question names.
    """
    bm25, cosine = _by_search(candidates)
    rarest_word = math.log(1 + corpus)  # BM25's weight of a word that one memory has
    best_text = max([weights.bm25_floor * rarest_word, *bm25.values()])
    meaning = min_max(cosine, spread=0.0 if len(cosine) >= FULL_LIST else weights.vector_spread)
    parts: dict[str, dict[Part, float]] = {
        one.memory.id: {
            "bm25": (1 - weights.vector) * bm25.get(one.memory.id, 0.0) / best_text,
            "vector": weights.vector * meaning.get(one.memory.id, 0.0),
        }
        for one in candidates
    }
    relevance = {key: part["bm25"] + part["vector"] for key, part in parts.items()}
    sessions = _sessions(candidates, relevance, best=weights.session_best)
    neighbours = _neighbours(candidates, relevance)
    window = question.window.bounds() if question.window else None
    for one in candidates:
        memory, part = one.memory, parts[one.memory.id]
        part["session"] = weights.session * sessions[memory.session_id or memory.id]
        part["neighbour"] = weights.neighbour * neighbours.get(memory.id, 0.0)
        part |= _of_itself(
            memory,
            question,
            window=window,
            now=now,
            asked_session=asked_session,
            weights=weights,
        )
    ranked = _best_first(Ranked(one, parts[one.memory.id]) for one in candidates)
    if question.asks_present:
        for key in _outdated([one.memory for one in ranked[:_REVIEWED]]):
            parts[key]["outdated"] = -weights.outdated
        ranked = _best_first(ranked)
    return ranked


def worth_telling(ranked: Sequence[Ranked]) -> list[Ranked]:
    """The best `ALWAYS_TOLD` and, of the others, those that are worth their tokens in a prompt.

    The further down, the closer to the best a score must be: a question with a clear answer
    gets few, an open one many.
    """
    best = ranked[0].score if ranked else 0.0
    return [
        one
        for place, one in enumerate(ranked)
        if place < ALWAYS_TOLD
        or one.score >= best * (_TOLD_SHARE + _TOLD_SHARE_BY_PLACE * math.log1p(place))
    ]


def _of_itself(
    memory: Memory,
    question: Question,
    *,
    window: tuple[float, float] | None,
    now: int,
    asked_session: str | None,
    weights: Weights,
) -> dict[Part, float]:
    """The parts that depend on no other candidate."""
    content = memory.content
    age_days = max(0, now - memory.event_time) / 86_400
    recency = weights.recency + (weights.now if question.asks_now else 0)
    words = content.count(" ") + 1
    parts: dict[Part, float] = {
        "length": weights.length * min(math.log(1 + words) / math.log(40), 1.0),
        "importance": weights.importance * memory.importance,
        "recency": recency * 0.5 ** (age_days / weights.half_life_days),
    }
    if len(question.actors) == 1 and said_by(question.actors[0], content, memory.metadata):
        parts["actor"] = weights.actor
    if window and window[0] <= memory.event_time < window[1]:
        parts["time"] = weights.time
    if asked_session is not None and memory.session_id == asked_session:
        parts["asked_session"] = weights.asked_session
    if question.asks_overview and memory.covered:
        parts["covered"] = -weights.covered
    if content.rstrip().endswith("?"):
        parts["question"] = -weights.question
    if question.asks_when and _tells_time(content):
        parts["when"] = weights.when
    if question.asks_how_many and _tells_number(content):
        parts["count"] = weights.count
    return parts


def _tells_time(content: str) -> bool:
    if ("19" in content or "20" in content) and _YEAR.search(content):
        return True
    return not _TIME_WORDS.isdisjoint(content.lower().split())


def _tells_number(content: str) -> bool:
    return bool(_DIGIT.search(content)) or not _NUMBER_WORDS.isdisjoint(content.lower().split())


def _by_search(candidates: Iterable[Candidate]) -> tuple[dict[str, float], dict[str, float]]:
    bm25 = {one.memory.id: one.bm25 for one in candidates if one.bm25 is not None}
    cosine = {one.memory.id: one.cosine for one in candidates if one.cosine is not None}
    return bm25, cosine


def _best_first(ranked: Iterable[Ranked]) -> list[Ranked]:
    """By score; among equals the newer first."""
    return sorted(ranked, key=lambda one: (one.score, one.memory.sequence), reverse=True)


def _sessions(
    candidates: Sequence[Candidate], relevance: Mapping[str, float], *, best: int
) -> dict[str, float]:
    """Of each session, the mean of its best memories' relevance; too few count as 0.

    A memory without a session is one by itself.
    """
    members: defaultdict[str, list[float]] = defaultdict(list)
    for one in candidates:
        members[one.memory.session_id or one.memory.id].append(relevance[one.memory.id])
    return {
        session: sum(sorted(scores, reverse=True)[:best]) / best
        for session, scores in members.items()
    }


def _neighbours(
    candidates: Sequence[Candidate], relevance: Mapping[str, float]
) -> dict[str, float]:
    """Of each memory, the relevance of the better of the turns right before and after it."""
    at = {
        (
            one.memory.session_id,
            as_preceding(one.memory.content, one.memory.metadata),
        ): one.memory.id
        for one in candidates
    }
    best: dict[str, float] = {}
    for one in candidates:
        memory = one.memory
        before = at.get((memory.session_id, memory.preceding)) if memory.preceding else None
        if before is not None:
            best[memory.id] = max(best.get(memory.id, 0.0), relevance[before])
            best[before] = max(best.get(before, 0.0), relevance[memory.id])
    return best


def _outdated(memories: Sequence[Memory]) -> set[str]:
    """The ids of notes whose subject a newer note among them speaks of.

    Notes alone, which have a kind: a turn of a chat does not replace an earlier one.
    """
    notes = sorted(
        (memory for memory in memories if kind_of(memory.metadata)),
        key=lambda memory: (memory.event_time, memory.sequence),
    )
    words = [_words(memory.content) for memory in notes]
    return {
        older.id
        for index, older in enumerate(notes)
        if any(_same_subject(words[index], newer) for newer in words[index + 1 :])
    }


def _words(text: str) -> set[str]:
    return set(_WORD.findall(text.lower())) - _COMMON


def _same_subject(one: set[str], other: set[str]) -> bool:
    """By the overlap coefficient of their words (Szymkiewicz–Simpson)."""
    shorter = min(len(one), len(other))
    return shorter > 0 and len(one & other) >= _OVERLAP * shorter
