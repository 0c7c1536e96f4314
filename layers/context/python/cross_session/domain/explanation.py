"""Why a memory was recalled, in a sentence."""

from cross_session.domain.ranking import Part, Ranked

_BECAUSE: dict[Part, str] = {
    "actor": "said by the person the question names",
    "time": "from the time the question names",
    "asked_session": "of the session the question names",
    "session": "its session has more about this",
    "neighbour": "said next to a good match",
    "when": "it tells a time",
    "count": "it tells a number",
    "recency": "it is recent",
    "importance": "it was marked important",
    "outdated": "but a newer note speaks of the same thing",
    "covered": "but its session's summary tells it in short",
    "question": "but it is a question itself",
}
_WORTH_TELLING = 0.1


def sentence(ranked: Ranked) -> str:
    """What added most to the score, or took from it, in that order."""
    told = [
        _BECAUSE[part]
        for part, worth in sorted(ranked.parts.items(), key=lambda item: -item[1])
        if part in _BECAUSE and abs(worth) >= _WORTH_TELLING
    ]
    return f"{'; '.join([_found(ranked), *told])}."


def _found(ranked: Ranked) -> str:
    ways = {
        "its words": ranked.parts.get("bm25", 0.0),
        "its meaning": ranked.parts.get("vector", 0.0),
    }
    by = [way for way, worth in sorted(ways.items(), key=lambda item: -item[1]) if worth > 0]
    return f"Found by {' and '.join(by) or 'a search'}"
