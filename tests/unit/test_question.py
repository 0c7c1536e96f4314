"""What a question asks for, besides its words."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cross_session.domain.question import Question, read

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
ACTORS = ("Ada", "Bob", "Ann", "Mary-Jane O'Neil")


def asked(text: str) -> Question:
    return read(text, actors=ACTORS, now=NOW, timezone=UTC)


@pytest.mark.parametrize(
    ("text", "actors", "nameless"),
    [
        ("What did Ada decide?", ("Ada",), "What did decide?"),
        ("what did ada decide?", ("Ada",), "what did decide?"),
        ("Is it Bob's bike?", ("Bob",), "Is it bike?"),
        ("Is it Bob’s bike?", ("Bob",), "Is it bike?"),
        ("Did Ada tell Bob?", ("Ada", "Bob"), "Did tell ?"),
        ("Where is Mary-Jane O'Neil?", ("Mary-Jane O'Neil",), "Where is ?"),
        ("Which annual plan?", (), "Which annual plan?"),
        ("Which database?", (), "Which database?"),
        ("Ada", ("Ada",), "Ada"),
    ],
)
def test_the_people_it_names_are_found_and_left_out(
    text: str, actors: tuple[str, ...], nameless: str
) -> None:
    question = asked(text)

    assert (question.actors, question.nameless) == (actors, nameless)


@pytest.mark.parametrize("text", ["When is the launch?", "Do you know when did we launch?"])
def test_a_question_for_a_time(text: str) -> None:
    assert asked(text).asks_when


@pytest.mark.parametrize("text", ["How many boats?", "How long does it take?", "How much is it?"])
def test_a_question_for_a_number(text: str) -> None:
    assert asked(text).asks_how_many


@pytest.mark.parametrize(
    "text",
    [
        "What is the status of billing?",
        "How's the backend project going?",
        "Which database do we use?",
        "Who owns the dashboard?",
        "What's our budget now?",
    ],
)
def test_a_question_for_how_things_are(text: str) -> None:
    assert asked(text).asks_present


@pytest.mark.parametrize(
    "text",
    [
        "Which database did we use?",
        "Who was on call?",
        "What is the budget we had in March?",
        "Why is Postgres better?",
        "What are we doing since yesterday?",
    ],
)
def test_a_question_for_how_things_were(text: str) -> None:
    assert not asked(text).asks_present


@given(st.text(max_size=200), st.lists(st.text(min_size=1, max_size=20), max_size=5))
def test_any_text_is_read(text: str, actors: list[str]) -> None:
    question = read(text, actors=actors, now=NOW, timezone=UTC)

    assert question.text == text
    assert set(question.actors) <= set(actors)


@pytest.mark.parametrize(
    "text",
    [
        "How's the backend project going?",
        "How are things?",
        "What did we do last week?",
        "What have we decided so far?",
        "What happened in the last month?",
        "Catch me up",
        "Give me a recap of the project",
        "Where do we stand?",
        "Where were we?",
        "What's new?",
    ],
)
def test_a_question_for_an_overview(text: str) -> None:
    assert asked(text).asks_overview


@pytest.mark.parametrize(
    "text",
    [
        "Which database do we use?",
        "What did we decide about the database?",
        "Where are we going for the team weekend?",
        "What happened to the old printer?",
        "How is the tea made?",
        "Who leads the project?",
        "How much may the cloud cost?",
    ],
)
def test_a_question_for_one_thing(text: str) -> None:
    assert not asked(text).asks_overview
