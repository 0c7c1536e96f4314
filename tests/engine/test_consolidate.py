"""Several memories that say the same become one, and nothing is lost."""

from collections.abc import Callable, Sequence
from functools import partial
from time import time
from typing import Any

import pytest

from cross_session.adapters import memory_index
from cross_session.consolidate import DEFAULT_THRESHOLD, Consolidated, consolidate
from cross_session.domain.memory import Memory, MemoryType
from cross_session.errors import ConflictError, NotFoundError
from cross_session.remember import Note
from tests.engine.owner import Owner, anywhere, around, at_once


def merge(
    owner: Owner,
    memory_ids: Sequence[str] = (),
    *,
    threshold: float = DEFAULT_THRESHOLD,
    memory_type: MemoryType | None = None,
) -> Consolidated | None:
    return consolidate(
        owner.tenant,
        owner.namespace,
        memory_ids=memory_ids,
        threshold=threshold,
        memory_type=memory_type,
    )


def merged(owner: Owner, memory_ids: Sequence[str] = (), **options: Any) -> Consolidated:
    consolidated = merge(owner, memory_ids, **options)
    assert consolidated is not None
    return consolidated


@pytest.fixture
def stocked(owner: Owner) -> tuple[Memory, Memory, Memory]:
    [tea, coffee, other] = owner.remember(
        Note(content="She likes tea", importance=0.9, tags=["drink", "a"], session_id="s1"),
        Note(
            content="She also likes coffee",
            tags=["drink", "b"],
            session_id="s1",
            metadata={"via": "web"},
            memory_type="semantic",
            event_time=1_700_000_000,
        ),
        Note(content="The train leaves on Friday"),
    )
    return tea, coffee, other


def test_named_memories_become_one_with_all_that_they_said(
    owner: Owner, stocked: tuple[Memory, Memory, Memory]
) -> None:
    tea, coffee, other = stocked

    result = merged(owner, [coffee.id, tea.id])

    one = result.memory
    assert one.content == "She likes tea\nShe also likes coffee"
    assert (one.importance, one.tags) == (0.9, ["drink", "a", "b"])
    assert (one.memory_type, one.session_id) == ("semantic", "s1")
    assert one.event_time == 1_700_000_000
    assert one.metadata == {"via": "web", "source_memory_ids": [tea.id, coffee.id]}
    assert [source.id for source in result.sources] == [tea.id, coffee.id]
    assert owner.listed() == [one, other]


def test_sources_are_no_longer_recalled_but_can_be_read(
    owner: Owner, stocked: tuple[Memory, Memory, Memory]
) -> None:
    tea, coffee, _ = stocked

    result = merged(owner, [tea.id, coffee.id])

    for routing in ("hybrid", "vector", "bm25"):
        found = owner.recall("What does she like to drink, tea or coffee?", routing=routing)
        assert tea.content not in found
        assert coffee.content not in found
        assert result.memory.content in found
    for source in (tea, coffee):
        kept = owner.get(source.id)
        assert (kept.content, kept.superseded_by) == (source.content, result.memory.id)
    assert memory_index.statistics(owner.tenant, owner.namespace, now=int(time())).total == 2


def test_the_merged_memory_may_be_given_a_type(
    owner: Owner, stocked: tuple[Memory, Memory, Memory]
) -> None:
    result = merged(owner, [stocked[0].id, stocked[1].id], memory_type="procedural")

    assert result.memory.memory_type == "procedural"


def test_a_text_that_another_contains_is_not_repeated(owner: Owner) -> None:
    memories = owner.remember("tea", "She likes tea", Note(content="tea", session_id="s2"))

    result = merged(owner, [memory.id for memory in memories])

    assert result.memory.content == "She likes tea"
    assert result.memory.session_id is None
    assert owner.contents() == ["She likes tea"]


def test_a_source_that_says_it_all_already_is_not_superseded_by_itself(owner: Owner) -> None:
    [short, whole] = owner.remember(
        Note(content="tea", event_time=100), Note(content="She likes tea", event_time=200)
    )

    result = merged(owner, [short.id, whole.id])

    assert [memory.superseded_by for memory in owner.listed()] == [None]
    assert owner.recall("tea") == ["She likes tea"]
    assert owner.get(short.id).superseded_by == result.memory.id


def test_near_duplicates_are_found_where_none_are_named(owner: Owner) -> None:
    same = [
        "The backend project uses PostgreSQL as its database",
        "The backend project uses PostgreSQL as its database.",
        "The backend project uses PostgreSQL as the database",
    ]
    others = ["She plays the cello", "The train leaves on Friday"]
    owner.remember(*same[:2], *others, same[2])

    result = merged(owner)

    assert {source.content for source in result.sources} == set(same)
    assert sorted(owner.contents()) == sorted([result.memory.content, *others])


def test_the_largest_group_is_merged_first_and_then_the_next(owner: Owner) -> None:
    [first, second] = anywhere(2)
    owner.place(around(first, count=2, spread=0.001), ids="pair")
    owner.place(around(second, count=3, spread=0.001), ids="trio")

    sizes = [len(merged(owner).sources) for _ in range(2)]

    assert sizes == [3, 2]


@pytest.mark.usefixtures("stocked")
def test_memories_that_are_not_alike_stay_as_they_are(owner: Owner) -> None:
    before = owner.listed()

    assert merge(owner, threshold=0.999) is None
    assert owner.listed() == before


def test_nothing_comes_of_nothing(owner: Owner) -> None:
    assert merge(owner) is None
    owner.remember("Alone")
    assert merge(owner) is None
    assert owner.contents() == ["Alone"]


@pytest.mark.parametrize("stranger", ["absent", "another namespace's", "another tenant's"])
def test_a_name_that_is_not_there_is_not_found_and_nothing_changes(
    owner: Owner,
    new_owner: Callable[[], Owner],
    stocked: tuple[Memory, Memory, Memory],
    stranger: str,
) -> None:
    if stranger == "another namespace's":
        owner.beside("user-eve").remember(Note(id="theirs", content="She likes tea"))
    elif stranger == "another tenant's":
        new_owner().remember(Note(id="theirs", content="She likes tea"))
    before = owner.listed()

    with pytest.raises(NotFoundError):
        merge(owner, [stocked[0].id, "theirs"])

    assert owner.listed() == before


def test_a_repeat_changes_nothing_more(
    owner: Owner, stocked: tuple[Memory, Memory, Memory]
) -> None:
    tea, coffee, other = stocked
    result = merged(owner, [tea.id, coffee.id])

    try:
        again = merge(owner, [tea.id, coffee.id])
    except NotFoundError:
        again = None

    assert again is None or again.memory.id == result.memory.id
    assert [memory.id for memory in owner.listed()] == [result.memory.id, other.id]
    assert owner.get(tea.id).superseded_by == result.memory.id


def test_a_repeat_without_names_finds_no_more_duplicates(owner: Owner) -> None:
    owner.remember("She likes tea", "She likes tea.")
    result = merged(owner)

    assert merge(owner) is None
    assert owner.listed() == [result.memory]


def test_a_consolidation_cut_off_midway_is_completed_by_its_repeat(
    owner: Owner,
    stocked: tuple[Memory, Memory, Memory],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tea, coffee, other = stocked
    write = memory_index.replace

    def fail_the_second(*args: Any) -> None:
        monkeypatch.setattr(memory_index, "replace", fail)
        write(*args)

    def fail(*_: Any) -> None:
        raise ConflictError("cut off")

    monkeypatch.setattr(memory_index, "replace", fail_the_second)
    with pytest.raises(ConflictError):
        merge(owner, [tea.id, coffee.id])
    monkeypatch.undo()

    result = merged(owner, [tea.id, coffee.id])

    assert [memory.id for memory in owner.listed()] == [result.memory.id, other.id]


def test_consolidated_by_several_at_once_one_memory_remains(
    owner: Owner, stocked: tuple[Memory, Memory, Memory]
) -> None:
    tea, coffee, other = stocked

    answers = at_once([partial(merge, owner, [tea.id, coffee.id])] * 4)

    refused = [answer for answer in answers if isinstance(answer, Exception)]
    assert all(isinstance(error, ConflictError | NotFoundError) for error in refused)
    assert len(refused) < 4
    [one, untouched] = owner.listed()
    assert untouched == other
    assert one.content == "She likes tea\nShe also likes coffee"


def test_what_was_to_expire_still_expires_once_merged(owner: Owner) -> None:
    soon, later = int(time()) + 1_000, int(time()) + 2_000
    memories = owner.remember(
        Note(content="She likes tea", expires_at=soon),
        Note(content="She likes green tea", expires_at=later),
    )

    result = merged(owner, [memory.id for memory in memories])

    assert result.memory.expires_at is not None
    assert result.memory.expires_at <= later
