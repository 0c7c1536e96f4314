"""What lifts a memory, and what the whole order rests on."""

import math
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cross_session.domain.explanation import sentence
from cross_session.domain.question import Question, read
from cross_session.domain.ranking import Candidate, Ranked, Weights, rank
from tests.builders import memory

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
DAY = 86_400


def asked(text: str, *actors: str) -> Question:
    return read(text, actors=actors, now=NOW, timezone=UTC)


def found(
    id: str, *, bm25: float | None = 10.0, cosine: float | None = 0.8, **fields: Any
) -> Candidate:
    return Candidate(memory(id, **fields), bm25, cosine)


def order(question: Question, *candidates: Candidate, **options: Any) -> list[str]:
    ranked = rank(candidates, question, corpus=1_000, now=int(NOW.timestamp()), **options)
    return [one.memory.id for one in ranked]


def test_nothing_found_is_nothing_ranked() -> None:
    assert rank([], asked("Anything?"), corpus=1_000, now=0) == []


def test_among_equals_the_newer_comes_first() -> None:
    older, newer = found("older", sequence=1), found("newer", sequence=2)

    assert order(asked("Which database?"), older, newer) == ["newer", "older"]


def test_among_equals_the_more_important_comes_first() -> None:
    trifle = found("trifle", importance=0.2, sequence=2)
    matter = found("matter", importance=0.9, sequence=1)

    assert order(asked("Which database?"), trifle, matter) == ["matter", "trifle"]


def test_importance_does_not_outweigh_a_clearly_better_match() -> None:
    better = found("better", importance=0.1, bm25=12.0, cosine=0.85)
    worse = found("worse", importance=1.0, bm25=6.0, cosine=0.8)

    assert order(asked("Which database?"), worse, better) == ["better", "worse"]


def test_who_is_named_in_the_question_speaks_first() -> None:
    ada = found("ada", metadata={"actor": "Ada"})
    bob = found("bob", content="Bob: content of bob")

    assert order(asked("What did Bob say?", "Ada", "Bob"), ada, bob) == ["bob", "ada"]
    assert order(asked("What did Ada say?", "Ada", "Bob"), bob, ada) == ["ada", "bob"]


def test_two_people_named_lift_neither() -> None:
    ada, bob = found("ada", metadata={"actor": "Ada"}), found("bob", metadata={"actor": "Bob"})

    for one in rank([ada, bob], asked("What did Ada tell Bob?", "Ada", "Bob"), corpus=1_000, now=0):
        assert "actor" not in one.parts


def test_what_happened_at_the_time_asked_for_comes_first() -> None:
    yesterday = found("yesterday", event_time=int(NOW.timestamp()) - DAY)
    last_week = found("last week", event_time=int(NOW.timestamp()) - 7 * DAY)

    assert order(asked("What did we do yesterday?"), last_week, yesterday)[0] == "yesterday"


def test_the_session_asked_for_comes_first() -> None:
    here = found("here", session_id="s1", bm25=5.0)
    elsewhere = found("elsewhere", session_id="s2", bm25=10.0)

    question = asked("What did we decide in the last meeting?")

    assert order(question, elsewhere, here, asked_session="s1") == ["here", "elsewhere"]


def test_a_session_with_several_good_memories_lifts_each() -> None:
    crowd = [found(f"crowd {number}", session_id="s1") for number in range(3)]
    alone = found("alone", session_id="s2", sequence=2 * 10**18)

    assert order(asked("Which database?"), alone, *crowd)[-1] == "alone"


def test_a_question_seldom_answers_one() -> None:
    question = found("question", content="Which database do you like best?")
    answer = found("answer", content="The database I like best is Postgres")

    assert order(asked("Which database?"), question, answer) == ["answer", "question"]


def test_a_time_is_told_to_who_asks_when_and_a_number_to_who_asks_how_many() -> None:
    timeless = found("timeless", content="The launch went well for all")
    timed = found("timed", content="The launch went well last Tuesday")
    counted = found("counted", content="The launch went well with three")

    assert order(asked("When was the launch?"), timeless, counted, timed)[0] == "timed"
    assert order(asked("How many launched?"), timeless, timed, counted)[0] == "counted"


def status(id: str, content: str, *, day: int, kind: str | None = "status") -> Candidate:
    metadata = {"type": kind} if kind else {}
    return found(id, content=content, event_time=1_700_000_000 + day * DAY, metadata=metadata)


@pytest.mark.parametrize(
    "question",
    ["What is the status of the billing migration?", "Where does the billing migration stand?"],
)
def test_the_newest_status_comes_before_the_ones_it_outdates(question: str) -> None:
    first = status("first", "Billing migration is at 20 percent", day=1)
    second = status("second", "Billing migration is at 60 percent", day=9)
    third = status("third", "The billing migration is done", day=20)

    ranked = order(asked(question), first, second, third)

    assert ranked[0] == "third"
    assert set(ranked) == {"first", "second", "third"}


def test_a_question_about_the_past_outdates_nothing() -> None:
    first = status("first", "Billing migration is at 20 percent", day=1)
    third = status("third", "The billing migration is done", day=20)

    for one in rank(
        [first, third], asked("How did the billing migration begin?"), corpus=1_000, now=0
    ):
        assert "outdated" not in one.parts


def test_a_turn_of_a_chat_outdates_no_other() -> None:
    first = status("first", "Billing migration is at 20 percent", day=1, kind=None)
    third = status("third", "The billing migration is done", day=20, kind=None)

    for one in rank([first, third], asked("What is the status of billing?"), corpus=1_000, now=0):
        assert "outdated" not in one.parts


candidates = st.lists(
    st.builds(
        found,
        id=st.uuids().map(str),
        bm25=st.none() | st.floats(0.1, 60),
        cosine=st.none() | st.floats(-1, 1),
        content=st.text(min_size=1, max_size=60),
        session_id=st.none() | st.sampled_from(["s1", "s2"]),
        importance=st.floats(0, 1),
        metadata=st.sampled_from([{}, {"actor": "Ada"}, {"type": "status"}]),
        preceding=st.none() | st.text(max_size=10),
        event_time=st.integers(0, 2_000_000_000),
    ),
    max_size=12,
    unique_by=lambda one: one.memory.id,
)
questions = st.sampled_from(
    ["When did Ada leave?", "What is the status?", "How many yesterday?", "In the last meeting?"]
)


def ranked_by(all_found: list[Candidate], text: str) -> list[Ranked]:
    question = asked(text, "Ada")
    return rank(all_found, question, corpus=9, now=int(NOW.timestamp()), asked_session="s1")


@given(candidates, questions)
def test_the_parts_of_a_score_add_up_to_it_and_order_the_answer(
    all_found: list[Candidate], text: str
) -> None:
    ranked = ranked_by(all_found, text)

    assert {one.memory.id for one in ranked} == {one.memory.id for one in all_found}
    for one in ranked:
        assert one.score == pytest.approx(math.fsum(one.parts.values()), abs=1e-12)
        assert math.isfinite(one.score)
    scores = [one.score for one in ranked]
    assert scores == sorted(scores, reverse=True)


@given(candidates, questions)
def test_each_hit_is_explained_in_one_sentence(all_found: list[Candidate], text: str) -> None:
    for one in ranked_by(all_found, text):
        told = sentence(one)

        assert told.startswith("Found by ")
        assert told.endswith(".")
        assert "\n" not in told


def test_an_explanation_names_what_mattered() -> None:
    bob = found("bob", content="Bob: the launch was last Tuesday")
    ada = found("ada", content="Ada: lunch", bm25=None, cosine=0.7)

    first, second = rank(
        [ada, bob], asked("When did Bob launch?", "Ada", "Bob"), corpus=1_000, now=0
    )

    assert "said by the person the question names" in sentence(first)
    assert sentence(first).startswith("Found by its words and its meaning")
    assert sentence(second).startswith("Found by ")


def test_no_weight_is_negative() -> None:
    weights = Weights()

    assert all(getattr(weights, name) >= 0 for name in Weights.__dataclass_fields__)
