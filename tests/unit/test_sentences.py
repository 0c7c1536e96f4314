"""What of a text is worth repeating."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cross_session.domain.sentences import excerpt, repeats, sentences, telling_words

TOLD = (
    "Hey Mel! How have you been? I ran a charity race for mental health last Saturday."
    " It was really rewarding. Thanks for asking!"
)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("One. Two! Three? Four", ["One.", "Two!", "Three?", "Four"]),
        ("No end", ["No end"]),
        ("Line one\n\nline two", ["Line one", "line two"]),
        ("PostgreSQL 17.2 costs $3.50.", ["PostgreSQL 17.2 costs $3.50."]),
        ("データベース。決めました。", ["データベース。", "決めました。"]),
        (" \n ", []),
    ],
)
def test_a_text_falls_into_sentences(text: str, parts: list[str]) -> None:
    assert sentences(text) == parts


def test_an_excerpt_keeps_what_says_most() -> None:
    short = excerpt(TOLD, about=frozenset())

    assert short == "… I ran a charity race for mental health last Saturday. …"


def test_an_excerpt_keeps_what_is_asked_about() -> None:
    short = excerpt(TOLD, about=telling_words("Was it rewarding?"))

    assert "It was really rewarding." in short


@pytest.mark.parametrize("text", ["Decided to use PostgreSQL. Ada migrates.", "One sentence " * 30])
def test_what_is_short_or_one_sentence_stays_whole(text: str) -> None:
    assert excerpt(text, about=frozenset()) == text


@given(st.text(), st.frozensets(st.text(max_size=5)))
def test_an_excerpt_says_nothing_new(text: str, about: frozenset[str]) -> None:
    said = sentences(text)

    assert all(part in said or part == "…" for part in sentences(excerpt(text, about=about)))


def test_words_are_told_apart_from_what_joins_them() -> None:
    assert telling_words("We were running the tests") == {"runn", "test"}


@pytest.mark.parametrize(
    ("sentence", "said"),
    [
        ("Printing on A3 is done.", "The printing on A3 is done, says Ines."),
        ("Backups are made each night at three.", "Nightly backups are made at three each night."),
        ("We keep no logs of visits.", "As agreed, we keep no logs of visits."),
    ],
)
def test_the_same_in_other_words_is_a_repeat(sentence: str, said: str) -> None:
    assert repeats(sentence, said)


@pytest.mark.parametrize(
    ("sentence", "said"),
    [
        ("Public launch moves to 1 April 2026.", "Public launch moves to 15 May 2026."),
        ("The budget is 5,000 euros.", "The budget is 6,000 euros."),
        ("The design is by Tomás this year.", "The design is by Ines this year."),
        ("Refunds take three days.", "Refunds don't take three days."),
        ("We keep no logs of visits.", "We keep logs of visits."),
        ("The launch is in May.", "Ines draws the icons."),
        ("…", "…"),
    ],
)
def test_another_number_name_or_negation_is_something_else(sentence: str, said: str) -> None:
    assert not repeats(sentence, said)
