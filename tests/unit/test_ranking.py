"""How the scores of words and of meaning become one order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cross_session.domain.ranking import ALWAYS_TOLD, Candidate, Ranked, min_max, worth_telling
from cross_session.domain.ranking import fuse as fuse_candidates
from cross_session.domain.selection import Selection
from tests.builders import memory

ids = st.text("abcdefgh", min_size=1, max_size=2)
bm25_lists = st.dictionaries(ids, st.floats(0, 1_000), max_size=12)
cosine_lists = st.dictionaries(ids, st.floats(-1, 1), max_size=12)
weights = st.floats(0, 1)


def fuse(
    bm25: dict[str, float], cosine: dict[str, float], *, vector_weight: float
) -> dict[str, float]:
    candidates = [
        Candidate(memory(id), bm25.get(id), cosine.get(id)) for id in bm25.keys() | cosine.keys()
    ]
    fused = fuse_candidates(candidates, vector_weight=vector_weight)
    assert [one.score for one in fused] == sorted((one.score for one in fused), reverse=True)
    return {one.candidate.memory.id: one.score for one in fused}


def test_the_best_score_becomes_1_and_the_worst_0() -> None:
    assert min_max({"a": 3.0, "b": 1.0, "c": 2.0}) == {"a": 1.0, "b": 0.0, "c": 0.5}


def test_equal_scores_all_become_1() -> None:
    assert min_max({"a": 7.0, "b": 7.0}) == {"a": 1.0, "b": 1.0}


def test_a_single_score_becomes_1() -> None:
    assert min_max({"a": 0.0}) == {"a": 1.0}


def test_no_scores_stay_none() -> None:
    assert min_max({}) == {}


@given(bm25_lists | cosine_lists)
def test_min_max_keeps_scores_within_0_and_1(scores: dict[str, float]) -> None:
    assert all(0 <= score <= 1 for score in min_max(scores).values())


@given(bm25_lists | cosine_lists)
def test_min_max_keeps_their_order(scores: dict[str, float]) -> None:
    moved = min_max(scores)

    assert moved.keys() == scores.keys()
    by_score = sorted(scores, key=lambda id: scores[id])
    assert [moved[id] for id in by_score] == sorted(moved.values())


def test_a_memory_found_by_both_its_words_and_its_meaning_wins() -> None:
    fused = fuse(
        {"both": 9.0, "words": 10.0, "none": 1.0},
        {"both": 0.9, "meaning": 0.95, "none": 0.7},
        vector_weight=0.5,
    )

    assert max(fused, key=lambda id: fused[id]) == "both"


def test_what_one_list_lacks_counts_0_there() -> None:
    fused = fuse({"words": 4.0}, {"meaning": 0.8}, vector_weight=0.25)

    assert fused == pytest.approx({"words": 0.75, "meaning": 0.25})


def test_nothing_found_is_nothing_fused() -> None:
    assert fuse({}, {}, vector_weight=0.5) == {}


@given(bm25_lists, cosine_lists, weights)
def test_fused_scores_lie_within_0_and_1(
    bm25: dict[str, float], cosine: dict[str, float], weight: float
) -> None:
    fused = fuse(bm25, cosine, vector_weight=weight)

    assert fused.keys() == bm25.keys() | cosine.keys()
    assert all(0 <= score <= 1 for score in fused.values())


@given(bm25_lists, cosine_lists)
def test_a_vector_weight_of_0_leaves_words_alone(
    bm25: dict[str, float], cosine: dict[str, float]
) -> None:
    fused = fuse(bm25, cosine, vector_weight=0)

    assert fused == dict.fromkeys(cosine, 0.0) | min_max(bm25)


@given(bm25_lists, cosine_lists)
def test_a_vector_weight_of_1_leaves_meaning_alone(
    bm25: dict[str, float], cosine: dict[str, float]
) -> None:
    fused = fuse(bm25, cosine, vector_weight=1)

    assert fused == dict.fromkeys(bm25, 0.0) | min_max(cosine)


@given(bm25_lists, cosine_lists, weights)
def test_a_memory_better_in_both_lists_never_ranks_behind(
    bm25: dict[str, float], cosine: dict[str, float], weight: float
) -> None:
    fused = fuse(bm25, cosine, vector_weight=weight)

    in_both = bm25.keys() & cosine.keys()
    for better in in_both:
        for worse in in_both:
            if bm25[better] >= bm25[worse] and cosine[better] >= cosine[worse]:
                assert fused[better] >= fused[worse]


def test_a_selection_that_names_nothing_is_empty() -> None:
    assert not Selection()
    assert not Selection(ids=(), any_tags=(), session_id=None, metadata={})


@pytest.mark.parametrize(
    "selection",
    [
        Selection(ids=("mem_1",)),
        Selection(memory_type="episodic"),
        Selection(min_importance=0.0),
        Selection(max_importance=0.0),
        Selection(any_tags=("a",)),
        Selection(all_tags=("a",)),
        Selection(session_id="ses_1"),
        Selection(since=0),
        Selection(until=0),
        Selection(created_after=0),
        Selection(created_before=0),
        Selection(metadata={"type": "decision"}),
    ],
    ids=repr,
)
def test_a_selection_that_names_anything_is_not_empty(selection: Selection) -> None:
    assert selection


def scored(*scores: float) -> list[Ranked]:
    return [
        Ranked(Candidate(memory(str(n)), None, None), {"bm25": s}) for n, s in enumerate(scores)
    ]


def test_a_clear_answer_leaves_out_what_is_far_behind() -> None:
    ranked = scored(2.0, *[0.8] * 30)

    assert worth_telling(ranked) == ranked[:ALWAYS_TOLD]


def test_an_open_question_is_told_all_that_is_close() -> None:
    ranked = scored(*[1.0] * 20)

    assert worth_telling(ranked) == ranked


def test_the_further_down_the_closer_it_must_be() -> None:
    told = worth_telling(scored(1.0, *[0.6] * 40))

    assert ALWAYS_TOLD < len(told) < 41


def test_few_are_all_told_whatever_their_scores() -> None:
    ranked = scored(1.0, -0.2, -0.3)

    assert worth_telling(ranked) == ranked
    assert worth_telling([]) == []
