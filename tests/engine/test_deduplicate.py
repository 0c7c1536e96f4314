"""Repeats are folded into what they repeat, told, and kept; other statements are left alone."""

from collections.abc import Callable
from time import time
from typing import Any

import pytest

from cross_session.adapters import memory_index, namespace_table
from cross_session.adapters.embeddings import embedder
from cross_session.deduplicate import Deduplicated, deduplicate, deduplicate_due
from cross_session.domain.memory import Memory
from cross_session.domain.policy import MemoryPolicy
from cross_session.remember import Note
from cross_session.supersede import restore
from tests.engine.owner import Owner

BUDGETS = ["The project's budget is 5,000 euros", "The project's budget is 6,000 euros"]
TEA = ["Mira likes green tea in the morning", "In the morning Mira likes green tea."]


def set_policy(owner: Owner, **fields: Any) -> None:
    namespace_table.set_policy(owner.tenant, owner.namespace, MemoryPolicy(**fields))


def clean(owner: Owner, *, threshold: float = 0.9, **options: Any) -> Deduplicated:
    return deduplicate(owner.tenant, owner.namespace, threshold=threshold, **options)


def one_by_one(owner: Owner, *notes: Note | str) -> list[Memory]:
    return [owner.remember(note)[0] for note in notes]


def test_by_default_every_memory_stays(owner: Owner) -> None:
    one_by_one(owner, *TEA)

    assert sorted(owner.contents()) == sorted(TEA)


@pytest.mark.parametrize("store", [one_by_one, Owner.remember])
def test_a_repeat_is_folded_as_it_is_stored_where_the_policy_says_so(
    owner: Owner, store: Callable[..., list[Memory]]
) -> None:
    set_policy(owner, dedup_on_store=True, dedup_threshold=0.9)

    [first, repeat, other] = store(owner, *TEA, "The train leaves on Friday")

    assert (repeat.superseded_by, repeat.superseded_kind) == (first.id, "deduplication")
    assert (first.superseded_by, other.superseded_by) == (None, None)
    assert owner.contents() == ["The train leaves on Friday", TEA[0]]
    assert owner.get(repeat.id) == repeat


def test_other_numbers_make_another_statement_however_near_it_is(owner: Owner) -> None:
    set_policy(owner, dedup_on_store=True, dedup_threshold=0.8)
    [first, _] = one_by_one(owner, *BUDGETS)
    [vector] = embedder().passages(BUDGETS[1:])

    [near] = memory_index.nearest(owner.tenant, owner.namespace, [vector], limit=9, now=0)

    assert {one.memory.id for one in near if one.cosine > 0.9} > {first.id}
    assert sorted(owner.contents()) == BUDGETS


def test_the_threshold_is_the_policys(owner: Owner) -> None:
    set_policy(owner, dedup_on_store=True, dedup_threshold=1.0)

    one_by_one(owner, *TEA)

    assert len(owner.listed()) == 2


def test_to_say_again_what_was_contradicted_meanwhile_is_news(owner: Owner) -> None:
    set_policy(owner, dedup_on_store=True, dedup_threshold=0.9)

    one_by_one(owner, *BUDGETS, "The project's budget is 5,000 euros again")

    assert len(owner.listed()) == 3


def test_a_folded_store_that_is_repeated_stays_folded_and_its_survivor_current(
    owner: Owner,
) -> None:
    set_policy(owner, dedup_on_store=True, dedup_threshold=0.9)
    before = one_by_one(owner, *TEA)

    again = [*one_by_one(owner, *TEA), *owner.remember(*TEA)]

    assert [memory.id for memory in again] == [memory.id for memory in before] * 2
    assert owner.contents() == [TEA[0]]


def test_a_folded_repeat_of_a_value_that_is_replaced_does_not_come_back(owner: Owner) -> None:
    set_policy(owner, dedup_on_store=True, dedup_threshold=0.9)
    one_by_one(
        owner,
        Note(content="The backend uses MongoDB", subject="backend.database"),
        Note(content="The backend still uses MongoDB.", session_id="s2"),
        Note(content="The backend uses PostgreSQL", subject="backend.database"),
    )

    assert owner.contents() == ["The backend uses PostgreSQL"]


@pytest.mark.parametrize("clean_later", [False, True])
def test_what_is_said_again_lives_as_long_as_its_repeat_would_have(
    owner: Owner, clean_later: bool
) -> None:
    if not clean_later:
        set_policy(owner, dedup_on_store=True, dedup_threshold=0.9)
    soon = int(time()) + 1_000
    [first, *_] = one_by_one(
        owner,
        Note(content=TEA[0], expires_at=soon),
        Note(content=TEA[1], expires_at=soon + 100),
        Note(content=f"{TEA[0]}!", expires_at=soon + 50),
    )

    if clean_later:
        assert clean(owner).removed == 2

    assert [memory.id for memory in owner.listed()] == [first.id]
    assert owner.get(first.id).expires_at == soon + 100


def test_what_is_to_stay_is_not_folded_into_what_ends(owner: Owner) -> None:
    set_policy(owner, dedup_on_store=True, dedup_threshold=0.9)

    one_by_one(owner, Note(content=TEA[0], expires_at=int(time()) + 1_000), TEA[1])

    assert len(owner.listed()) == 2


def test_to_supersede_a_repeat_supersedes_what_it_repeats(owner: Owner) -> None:
    set_policy(owner, dedup_on_store=True, dedup_threshold=0.9)
    [_, repeat] = one_by_one(owner, *TEA)

    owner.remember(Note(content="Mira drinks coffee in the morning now", supersedes=repeat.id))

    assert owner.contents() == ["Mira drinks coffee in the morning now"]


def test_a_namespace_is_cleaned_of_its_repeats_and_each_can_be_put_back(owner: Owner) -> None:
    beside = owner.beside("user-ann")
    stored = one_by_one(owner, *TEA, *BUDGETS, "Mira likes green tea in the morning.")
    beside.remember(*TEA)

    done = clean(owner)

    assert done.groups == [[stored[0].id, stored[1].id, stored[4].id]]
    assert (done.found, done.removed, done.skipped, done.complete) == (2, 2, 0, True)
    assert sorted(owner.contents()) == sorted([TEA[0], *BUDGETS])
    assert len(beside.listed()) == 2
    kept, count = memory_index.superseded(
        owner.tenant, owner.namespace, limit=9, offset=0, now=int(time())
    )
    assert {memory.superseded_kind for memory in kept} == {"deduplication"}
    assert count + len(owner.listed()) == len(stored)

    for memory in kept:
        restore(owner.tenant, owner.namespace, memory.id)

    assert {memory.id: memory for memory in owner.listed()} == {
        memory.id: memory for memory in stored
    }


def test_a_dry_run_tells_and_changes_nothing(owner: Owner) -> None:
    stored = one_by_one(owner, *TEA)

    done = clean(owner, dry_run=True)

    assert (done.found, done.removed) == (1, 0)
    assert done.groups == [[memory.id for memory in stored]]
    assert len(owner.listed()) == 2
    assert clean(owner).groups == done.groups
    assert clean(owner).found == 0


def test_only_memories_of_the_type_are_looked_through(owner: Owner) -> None:
    semantic = [Note(content=text, memory_type="semantic", session_id="s2") for text in TEA]
    one_by_one(owner, *TEA, *semantic)

    done = clean(owner, memory_type="semantic")

    assert done.removed == 1
    assert len(owner.listed(memory_type="episodic")) == 2


def test_an_empty_namespace_has_no_repeats(owner: Owner) -> None:
    assert clean(owner).groups == []


def test_a_memory_that_is_changed_meanwhile_is_skipped(
    owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    [_, repeat] = one_by_one(owner, *TEA)
    write = memory_index.relink

    def after_a_change(*arguments: Any) -> Any:
        monkeypatch.undo()
        owner.remember(Note(content=repeat.content, importance=0.9))
        return write(*arguments)

    monkeypatch.setattr(memory_index, "relink", after_a_change)

    done = clean(owner)

    assert (done.found, done.removed, done.skipped) == (1, 0, 1)
    assert len(owner.listed()) == 2


def test_a_namespace_whose_policy_says_so_is_cleaned_in_the_background(
    new_owner: Callable[[], Owner],
) -> None:
    own, other = new_owner(), new_owner()
    set_policy(own, consolidation_enabled=True, consolidation_threshold=0.9)
    set_policy(other, consolidation_enabled=True)
    set_policy(other)  # and no more
    for owner in (own, other):
        one_by_one(owner, *TEA)

    assert deduplicate_due() == 1

    assert (len(own.listed()), len(other.listed())) == (1, 2)
    assert namespace_table.get(own.tenant, own.namespace).policy.consolidated_count == 1
    assert deduplicate_due() == 0
