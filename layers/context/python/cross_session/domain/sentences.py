"""A text's sentences, and which of them say most."""

import math
import re
from collections.abc import Set as AbstractSet

SHARE = 0.5  # of a text's words, that an excerpt keeps
LEAST_WORDS = 14  # fewer are hardly worth shortening
_REPEATED = 0.6  # of a sentence's telling words
_NEGATIONS = frozenset("no not never none nobody nothing without".split())
_LEAST_WORTH = 0.9  # "Hey Mel!" or "It was great." says nothing without its neighbours

_END = re.compile(r"(?<=[.!?…])\s+|(?<=[。！？])|[\n\r\u2028\u2029]+")
_WORD = re.compile(r"\w+")
# Words that say little of what a sentence is about, in English.
_COMMON = frozenset(
    "a about all also am an and any are as at be been but by can could did do does doing done for"
    " from get got had has have he her hey hi him his how i if in into is it its just like me more"
    " much my no not now of on one or our out really she so some such than thanks that the their"
    " them then there these they this those to too up us very was we well were what when where"
    " which who why will with would wow yeah yes you your".split()
)


def sentences(text: str) -> list[str]:
    """In order, without the blanks between them."""
    return [sentence for part in _END.split(text) if (sentence := part.strip())]


def telling_words(text: str) -> frozenset[str]:
    """The distinct words that are about something, in lower case and without an English ending."""
    words = (word.lower() for word in _WORD.findall(text))
    return frozenset(
        _stem(word) for word in words if word not in _COMMON and (len(word) > 1 or word.isdigit())
    )


def repeats(sentence: str, said: str) -> bool:
    """Whether `said` tells what the sentence tells, in much the same words.

    Not where a number, a name or a negation of the one is missing in the other: "launch on
    1 May" and "launch on 9 June" have most words in common.
    """
    one, other = telling_words(sentence), telling_words(said)
    if not one or len(one & other) < _REPEATED * len(one):
        return False
    return _particulars(sentence) <= _words_of(said) and _negated(sentence) == _negated(said)


def excerpt(text: str, *, about: AbstractSet[str]) -> str:
    """The sentences that say most, in their order, in about `SHARE` of the words; "…" for gaps.

    One that has a word of `about`, which are `telling_words`, says more than others; a
    question says less. At least the best sentence stays, and a short text stays whole.
    """
    parts = sentences(text)
    length = sum(_words(part) for part in parts)
    left = max(SHARE * length, LEAST_WORDS)
    if len(parts) < 2 or length <= left:
        return text
    worth = {index: _worth(part, about) for index, part in enumerate(parts)}
    chosen: set[int] = set()
    for index in sorted(worth, key=lambda index: (-worth[index], index)):
        if chosen and worth[index] < _LEAST_WORTH:
            break
        if not chosen or _words(parts[index]) <= left:
            chosen.add(index)
            left -= _words(parts[index])
    return text if len(chosen) == len(parts) else _with_gaps(parts, chosen)


def _particulars(sentence: str) -> set[str]:
    """Its numbers and, but for the first word, what is written with a capital."""
    words = _WORD.findall(sentence)
    return {
        word.lower()
        for place, word in enumerate(words)
        if any(map(str.isdigit, word)) or (place > 0 and word[0].isupper())
    }


def _negated(sentence: str) -> bool:
    return not _NEGATIONS.isdisjoint(_words_of(sentence)) or "n't" in sentence


def _words_of(text: str) -> set[str]:
    return {word.lower() for word in _WORD.findall(text)}


def _with_gaps(parts: list[str], chosen: set[int]) -> str:
    standing: list[str] = []
    for index, part in enumerate(parts):
        if index in chosen:
            standing.append(part)
        elif not standing or standing[-1] != "…":
            standing.append("…")
    return " ".join(standing)


def _worth(sentence: str, about: AbstractSet[str]) -> float:
    told = telling_words(sentence)
    worth = len(told) / math.sqrt(2 + _words(sentence))
    if sentence.endswith("?"):
        worth *= 0.3
    return worth + len(told & about)


def _words(text: str) -> int:
    return sum(1 for _ in _WORD.finditer(text))


def _stem(word: str) -> str:
    for ending in ("ing", "ed", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) > 2:
            return word.removesuffix(ending)
    return word
