"""What of a memory is searched."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cross_session.domain.search_text import (
    actor_of,
    as_preceding,
    context_text,
    search_text,
    spoken,
)
from tests.builders import memory

MAY_8TH = 1_683_547_200


@pytest.mark.parametrize(
    ("content", "metadata", "actor"),
    [
        ("I went sailing", {"actor": "Ada"}, "Ada"),
        ("Ada: I went sailing", {}, "Ada"),
        ("Dr. Ada Lovelace: I went sailing", {}, "Dr. Ada Lovelace"),
        ("Bob: I went sailing", {"actor": "Ada"}, "Ada"),
        ("Decision: we sail", {}, None),
        ("Status update: we sail", {}, None),
        ("note: we sail", {}, None),
        ("We sail at 10:30", {}, None),
        ("We sail", {"actor": ""}, None),
        ("We sail", {"actor": 7}, None),
    ],
)
def test_who_said_it(content: str, metadata: dict[str, Any], actor: str | None) -> None:
    assert actor_of(content, metadata) == actor


def test_a_memory_is_found_by_its_day_and_its_speaker() -> None:
    said = memory(content="I went sailing", metadata={"actor": "Ada"}, event_time=MAY_8TH)

    assert search_text(said) == "8 May 2023 Ada: I went sailing"


def test_a_speaker_is_not_named_twice() -> None:
    assert spoken("Ada: hello", {"actor": "Ada"}) == "Ada: hello"


def test_a_turn_is_read_with_the_one_before_it() -> None:
    answer = memory(content="Bob: Yes", preceding="Ada: Shall we sail?")

    assert context_text(answer) == "Ada: Shall we sail?\nBob: Yes"


def test_a_note_leaves_nothing_to_what_follows() -> None:
    assert as_preceding("We sail", {"type": "decision"}) is None
    assert as_preceding("Ada: We sail", {}) == "Ada: We sail"
    assert len(as_preceding("x" * 5_000, {}) or "") == 1_000


@given(st.text(), st.dictionaries(st.text(), st.none() | st.text() | st.integers()))
def test_any_content_and_metadata_are_read(content: str, metadata: dict[str, Any]) -> None:
    said = memory(content=content, metadata=metadata, event_time=-62_135_596_800)

    assert search_text(said).endswith(content)
    assert context_text(said).endswith(content)
