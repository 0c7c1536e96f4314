"""Near in meaning, and yet another statement."""

from typing import Any

import pytest

from cross_session.domain.duplicate import repeats, says_nothing_new
from tests.builders import memory


@pytest.mark.parametrize(
    ("new", "old"),
    [
        ("Budget is 6,000", "Budget is 5,000"),
        ("The budget is 5,000 euros", "The budget is 50,000 euros"),
        ("The meeting is at 9:15", "The meeting is at 9:30"),
        ("There are two open bugs", "There are three open bugs"),
        ("Anna likes tea", "Maria likes tea"),
        ("We use MongoDB", "We use PostgreSQL"),
        ("We chose MongoDB instead of PostgreSQL", "We chose PostgreSQL instead of MongoDB"),
        ("Bob reports to Ada", "Ada reports to Bob"),
        ("The launch is on Monday", "The launch is on Tuesday"),
        ("She does not eat meat", "She does eat meat"),
        ("She doesn't eat meat", "She eats meat"),
        ("She never works on weekends", "She works on weekends"),
        ("The build failed", "The build passed"),
        ("Dark mode is disabled", "Dark mode is enabled"),
        ("Call after lunch", "Call before lunch"),
        ("Mira is a vegetarian and allergic to nuts", "Mira is a vegetarian"),
        ("Great trip to the mountains", "Great dinner with the neighbours"),
    ],
)
def test_another_statement_is_no_repeat(new: str, old: str) -> None:
    assert not says_nothing_new(new, old)


@pytest.mark.parametrize(
    ("new", "old"),
    [
        ("Budget is 5000.", "The budget is 5,000"),
        ("We decided to use PostgreSQL", "Decided to use PostgreSQL"),
        ("The user prefers dark mode in the editor", "User likes dark mode in the editor"),
        ("She doesn’t eat meat", "She does not eat meat"),
        ("Backend stays Python and FastAPI.", "The backend is Python with FastAPI."),
        ("Mira is a vegetarian", "Mira is a vegetarian and allergic to nuts"),
        (
            "Photos get shrunk to 1,600 pixels on the phone.",
            "Photos are shrunk on the phone to 1,600 pixels before they are uploaded.",
        ),
        ("Deploys take four minutes.", "A deploy takes four minutes and can be rolled back."),
    ],
)
def test_the_same_in_other_words_is_a_repeat(new: str, old: str) -> None:
    assert says_nothing_new(new, old)


@pytest.mark.parametrize("text", ["", "?!", "🙂", "the", "ÄÖÜ ß 你好", "a" * 10_000])
def test_any_text_repeats_itself(text: str) -> None:
    assert says_nothing_new(text, text)


@pytest.mark.parametrize(
    ("new", "old"),
    [
        ({}, {"expires_at": 2_000_000_000}),
        ({"memory_type": "semantic"}, {}),
        ({"tags": ["decision"]}, {"tags": ["other"]}),
        ({"subject": "backend.database"}, {}),
        ({"subject": "backend.database"}, {"subject": "backend.language"}),
    ],
    ids=str,
)
def test_nothing_stands_for_a_memory_that_would_be_found_where_it_is_not(
    new: dict[str, Any], old: dict[str, Any]
) -> None:
    said = {"content": "We use PostgreSQL"}

    assert not repeats(memory("new", **said, **new), memory("old", **said, **old))


@pytest.mark.parametrize(
    ("new", "old"),
    [
        ({"expires_at": 1_999_999_999}, {}),
        ({"expires_at": 2_000_000_000}, {"expires_at": 1_999_999_999}),
        ({"tags": ["decision"]}, {"tags": ["decision", "database"]}),
        ({}, {"subject": "backend.database"}),
        ({"subject": "backend.database"}, {"subject": "backend.database"}),
        ({"session_id": "s2", "importance": 0.9}, {"session_id": "s1"}),
    ],
    ids=str,
)
def test_a_memory_that_says_as_much_stands_for_its_repeat(
    new: dict[str, Any], old: dict[str, Any]
) -> None:
    said = {"content": "We use PostgreSQL"}

    assert repeats(memory("new", **said, **new), memory("old", **said, **old))
