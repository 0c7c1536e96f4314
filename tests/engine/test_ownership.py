"""No call with one owner's names reaches another owner's memory."""

import inspect
from collections.abc import Callable, Iterator
from dataclasses import replace
from time import time

import pytest

from cross_session.adapters import memory_index
from cross_session.domain.feedback import Feedback
from cross_session.domain.memory import Memory
from cross_session.domain.selection import Selection
from cross_session.domain.supersession import superseded
from cross_session.errors import ConflictError
from tests.engine.owner import Owner, anywhere

VECTOR = anywhere(1)[0]
IDS = ("same_0", "same_1")
SELECTIONS = [
    Selection(),
    Selection(ids=IDS),
    Selection(session_id="s1"),
    Selection(any_tags=("shared",)),
    Selection(metadata={"tenant": "shared"}),
    Selection(ids=IDS, all_tags=("shared",), session_id="s1", min_importance=0, since=0),
]


@pytest.fixture
def owners(new_owner: Callable[[], Owner]) -> list[Owner]:
    """Two tenants with two namespaces each; all four hold the same ids and texts."""
    first, second = new_owner(), new_owner()
    four = [one.beside(name) for one in (first, second) for name in ("user-a", "user-a.b")]
    for one in four:
        one.place(
            [VECTOR, VECTOR],
            ids="same",
            content="The same text for all",
            tags=["shared"],
            session_id="s1",
            metadata={"tenant": "shared"},
            subject="s.t",
            feedback=Feedback(upvotes=1),
        )
    return four


def standing(owners: list[Owner]) -> Iterator[list[Memory]]:
    for owner in owners:
        yield owner.listed()


def test_each_function_of_the_index_is_held_to_its_owner_here() -> None:
    public = {
        name
        for name, function in vars(memory_index).items()
        if inspect.isfunction(function)
        and function.__module__ == memory_index.__name__
        and not name.startswith("_")
    }

    of_no_owner = {"check", "create_index", "delete_expired"}
    assert public - of_no_owner == {
        "candidates",
        "count",
        "counts",
        "cover",
        "create",
        "delete",
        "delete_some",
        "feedback_counts",
        "find_all",
        "get",
        "links",
        "listed",
        "live_until",
        "most_important",
        "namespaces_of",
        "nearest",
        "neighbours",
        "oldest_first",
        "owned",
        "postpone_expiry",
        "relink",
        "replace",
        "statistics",
        "superseded",
        "values_of",
        "put",
        "quoting",
        "summaries_of",
        "uncover",
        "with_vectors",
    }


@pytest.mark.parametrize("selection", SELECTIONS, ids=str)
def test_a_read_gives_its_owners_memories_alone(owners: list[Owner], selection: Selection) -> None:
    now = int(time())
    for owner in owners:
        tenant, namespace = owner.tenant, owner.namespace
        found = memory_index.candidates(
            tenant,
            namespace,
            text="same text",
            context_weight=1,
            vector=VECTOR,
            selection=selection,
            now=now,
        )
        listed, total = memory_index.listed(tenant, namespace, selection, limit=100, now=now)
        with_vectors = memory_index.with_vectors(tenant, namespace, limit=100, now=now)
        got = [memory_index.get(tenant, namespace, id, now=now) for id in IDS]
        near = memory_index.neighbours(tenant, namespace, listed, now=now)
        important, available = memory_index.most_important(
            tenant, namespace, min_importance=0, decays={}, limit=100, now=now
        )

        walked = list(
            memory_index.oldest_first(tenant, namespace, after=None, superseded=True, now=now)
        )
        by_id = memory_index.find_all(tenant, namespace, IDS)

        seen = [
            *walked,
            *(stored.memory for stored in by_id.values()),
            *(memory for beside in near.values() for memory in beside),
            *important,
            *(one.memory for one in found.candidates),
            *listed,
            *(stored.memory for stored, _ in with_vectors),
            *(stored.memory for stored in got),
        ]
        assert {(memory.tenant, memory.namespace) for memory in seen} == {(tenant, namespace)}
        assert len(walked) == len(by_id) == 2
        assert len(listed) == total == len(important) == available == 2
        assert sum(map(len, near.values())) == 2
        assert [one.bm25 is None or one.cosine is None for one in found.candidates] == [
            False,
            False,
        ]
        assert memory_index.statistics(tenant, namespace, now=now).total == 2
        assert memory_index.count(tenant, namespace, selection) == 2
        [nearest] = memory_index.nearest(tenant, namespace, [VECTOR], limit=100, now=now)
        assert {(near.memory.tenant, near.memory.namespace) for near in nearest} == {
            (tenant, namespace)
        }
        assert len(nearest) == 2
        values = memory_index.values_of(tenant, namespace, ["s.t"], since=0, now=now)
        assert sorted(value.link.id for value in values) == list(IDS)
        assert memory_index.links(tenant, namespace, IDS).keys() == set(IDS)
        assert memory_index.counts(tenant, [namespace], now=now) == {namespace: 2}
        assert memory_index.feedback_counts(tenant, namespace).upvotes == 2


def test_a_tenants_namespaces_are_its_own(owners: list[Owner]) -> None:
    for owner in owners:
        found = memory_index.namespaces_of(owner.tenant, "same_0")
        assert sorted(found) == ["user-a", "user-a.b"]

    owners[0].place(anywhere(1), ids="private")
    assert memory_index.namespaces_of(owners[2].tenant, "private_0") == []


def test_a_repeated_write_meets_its_owners_memory_alone(owners: list[Owner]) -> None:
    before = list(standing(owners))

    for owner, memories in zip(owners, before, strict=True):
        found = memory_index.create(memories, [VECTOR] * 2)
        assert [stored.memory for stored in found if stored] == memories
        assert {stored.memory.tenant for stored in found if stored} == {owner.tenant}

    assert list(standing(owners)) == before


def test_a_replacement_touches_its_owners_memory_alone(owners: list[Owner]) -> None:
    before = list(standing(owners))
    stored = memory_index.get(owners[0].tenant, owners[0].namespace, "same_0", now=0)

    changed = replace(stored.memory, content="Changed", importance=0.9)
    memory_index.replace(stored, changed, None)

    assert owners[0].get("same_0") == changed
    assert list(standing(owners[1:])) == before[1:]


def test_a_memory_is_superseded_among_its_owners_alone(owners: list[Owner]) -> None:
    before = list(standing(owners))
    mine = owners[0]
    stored = memory_index.links(mine.tenant, mine.namespace, ["same_0"])["same_0"]

    memory_index.relink(
        mine.tenant,
        mine.namespace,
        [(stored, superseded(stored.link, before[0][0], kind="supersedes", at=1))],
    )
    memory_index.postpone_expiry(mine.tenant, mine.namespace, IDS, seconds=5)
    memory_index.live_until(mine.tenant, mine.namespace, dict.fromkeys(IDS, 9_999_999_999))

    gone, count = memory_index.superseded(mine.tenant, mine.namespace, limit=9, offset=0, now=0)
    assert ([memory.id for memory in gone], count) == (["same_0"], 1)
    assert list(standing(owners[1:])) == before[1:]
    for other in owners[1:]:
        assert memory_index.superseded(other.tenant, other.namespace, limit=9, offset=0, now=0) == (
            [],
            0,
        )


def test_anothers_version_does_not_open_a_memory_for_replacement(owners: list[Owner]) -> None:
    mine = memory_index.get(owners[0].tenant, owners[0].namespace, "same_0", now=0)
    theirs = memory_index.get(owners[2].tenant, owners[2].namespace, "same_0", now=0)

    with pytest.raises(ConflictError):
        memory_index.replace(mine, replace(theirs.memory, content="Changed"), None)

    assert owners[2].get("same_0") == theirs.memory


def test_a_summary_reaches_its_owners_memories_alone(owners: list[Owner]) -> None:
    for owner in owners:
        (summary,) = owner.place([VECTOR], ids="sum", memory_type="summary", session_id="s1")
        quoting = replace(summary, metadata={"source_memory_ids": ["same_0"]})
        memory_index.put(quoting, VECTOR)
    tenant, namespace = owners[0].tenant, owners[0].namespace

    memory_index.cover(tenant, namespace, "s1", "sum_0")
    memory_index.uncover(owners[1].tenant, owners[1].namespace, ["sum_0"])

    assert [{one.covered_by for one in owner.listed()} for owner in owners] == [
        {"sum_0"},
        *[{None}] * 3,
    ]
    found = [
        *memory_index.quoting(tenant, namespace, IDS),
        *memory_index.summaries_of(tenant, namespace, ["s1"]).values(),
    ]
    assert [(one.tenant, one.namespace, one.id) for one in found] == [
        (tenant, namespace, "sum_0")
    ] * 2


@pytest.mark.parametrize("selection", SELECTIONS, ids=str)
def test_a_deletion_takes_its_owners_memories_alone(
    owners: list[Owner], selection: Selection
) -> None:
    before = list(standing(owners))

    deleted = memory_index.delete(owners[1].tenant, owners[1].namespace, selection)

    assert {memory.tenant for memory in deleted} == {owners[1].tenant}
    assert {memory.namespace for memory in deleted} == {owners[1].namespace}
    assert len(deleted) == 2
    after = list(standing(owners))
    assert after == [before[0], [], *before[2:]]


def test_names_that_a_pattern_would_match_are_names(owners: list[Owner]) -> None:
    for namespace in ("user-*", "user-", "user-a*", "user-a.b.c", "USER-A", "user-a,user-a.b"):
        stranger = owners[0].beside(namespace)
        assert stranger.listed() == []
        assert stranger.recall("same text") == []
        for tenant in ("*", owners[0].tenant[:-1], f"{owners[0].tenant},{owners[2].tenant}"):
            assert replace(stranger, tenant=tenant).listed() == []


def test_an_erasure_deletes_its_owners_memories_alone(owners: list[Owner]) -> None:
    first, *others = owners
    before = list(standing(others))

    assert memory_index.delete_some(first.tenant, first.namespace) == 2

    assert first.listed() == []
    assert list(standing(others)) == before
