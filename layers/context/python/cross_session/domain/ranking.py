"""How two ranked lists become one. Pure functions on plain values."""

from collections.abc import Mapping

DEFAULT_VECTOR_WEIGHT = 0.5


def min_max(scores: Mapping[str, float]) -> dict[str, float]:
    """Scores moved to 0..1, best 1 and worst 0; all 1 where they are equal.

    e5's cosines crowd into .65 to .9, and BM25 has no upper end: only their order and
    spacing within one answer can be compared.
    """
    if not scores:
        return {}
    low, high = min(scores.values()), max(scores.values())
    if high == low:
        return dict.fromkeys(scores, 1.0)
    return {key: (score - low) / (high - low) for key, score in scores.items()}


def fuse(
    bm25: Mapping[str, float], vector: Mapping[str, float], *, vector_weight: float
) -> dict[str, float]:
    """The weighted mean of both lists' min-max scores; absent from a list counts 0 there."""
    text, meaning = min_max(bm25), min_max(vector)
    return {
        key: (1 - vector_weight) * text.get(key, 0.0) + vector_weight * meaning.get(key, 0.0)
        for key in {**text, **meaning}
    }
