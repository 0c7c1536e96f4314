"""Memories read by id, listed, counted; and those whose time is over."""

from collections.abc import Callable
from time import time
from typing import Any

import pytest
from opensearchpy import OpenSearch

from cross_session.adapters import memory_index
from cross_session.domain.selection import Selection
from cross_session.errors import NotFoundError
from cross_session.forget import forget, forget_expired
from cross_session.remember import Note
from cross_session.revise import revise
from tests.engine.owner import EVERYTHING, Owner, anywhere

PAST = 1_000_000_000
EXPIRED = Note(content="The guest password is swordfish", session_id="s1", expires_at=PAST)


def documents(opensearch: OpenSearch, owner: Owner) -> int:
    """How many documents the engine holds for the tenant, expired ones too."""
    query = {"query": {"term": {"tenant": owner.tenant}}}
    count: int = opensearch.count(index="memories", body=query)["count"]
    return count


def page(owner: Owner, **options: Any) -> tuple[list[str], int]:
    memories, total = memory_index.listed(
        owner.tenant, owner.namespace, Selection(), now=int(time()), **options
    )
    return [memory.content for memory in memories], total


def test_the_memories_of_many_namespaces_are_counted_at_once(owner: Owner) -> None:
    owner.remember("one", "two")
    others = [f"{number}{'n' * 125}" for number in range(100, 599)]

    counted = memory_index.counts(owner.tenant, [*others, owner.namespace], now=int(time()))

    assert counted == {owner.namespace: 2}


def test_a_memory_that_is_not_there_is_not_found(owner: Owner) -> None:
    with pytest.raises(NotFoundError, match=r"^memory not found$"):
        owner.get("mem_absent")


@pytest.mark.parametrize("id", ["a:b", "a.b", "x" * 128, "A-b_c.d:e"])
def test_a_memory_is_read_by_whichever_id_its_caller_gave(owner: Owner, id: str) -> None:
    owner.remember(Note(id=id, content="anything"))

    assert owner.get(id).content == "anything"
    assert owner.listed(ids=(id,)) == [owner.get(id)]


def test_memories_are_listed_newest_first_or_oldest_first(owner: Owner) -> None:
    owner.remember("one", "two")
    owner.remember("three")
    owner.remember("four", "five")

    assert page(owner, limit=10) == (["five", "four", "three", "two", "one"], 5)
    assert page(owner, limit=10, oldest_first=True) == (["one", "two", "three", "four", "five"], 5)


def test_a_repeat_or_a_revision_keeps_a_memorys_place_in_the_list(owner: Owner) -> None:
    [first, _] = owner.remember("one", "two")

    owner.remember(Note(content="one", importance=0.9))
    revise(owner.tenant, owner.namespace, first.id, {"content": "one, revised"})

    assert owner.contents() == ["two", "one, revised"]


def test_pages_make_up_the_whole_list_and_each_knows_its_length(owner: Owner) -> None:
    owner.place(anywhere(25))

    pages = [page(owner, limit=10, offset=offset) for offset in (0, 10, 20, 30)]

    contents = [content for contents, _ in pages for content in contents]
    assert contents == [f"placed memory number {number}" for number in reversed(range(25))]
    assert [(len(contents), total) for contents, total in pages] == [
        (10, 25),
        (10, 25),
        (5, 25),
        (0, 25),
    ]


def test_no_memory_is_skipped_or_shown_twice_where_many_were_stored_at_one_instant(
    owner: Owner,
) -> None:
    owner.place(anywhere(30), sequence=7)

    shown = [page(owner, limit=7, offset=offset)[0] for offset in range(0, 35, 7)]

    assert len({content for contents in shown for content in contents}) == 30


def test_a_memorys_namespaces_are_those_of_its_tenant_that_hold_its_id(
    owner: Owner, new_owner: Callable[[], Owner]
) -> None:
    for one in (owner, owner.beside("user-eve"), new_owner()):
        one.remember(Note(id="status", content="anything"))
    owner.beside("user-sam").remember("anything")

    found = memory_index.namespaces_of(owner.tenant, "status")

    assert sorted(found) == ["user-bob", "user-eve"]
    assert memory_index.namespaces_of(owner.tenant, "absent") == []


def test_statistics_describe_what_can_be_recalled(owner: Owner) -> None:
    owner.place(anywhere(1), ids="a", memory_type="semantic", importance=1.0, created_at=100)
    owner.place(anywhere(2), ids="b", importance=0.25, created_at=200)
    owner.place(anywhere(1), ids="c", importance=0.0, created_at=50, expires_at=PAST)
    owner.place(anywhere(1), ids="d", importance=0.0, created_at=50, superseded_by="a_0")

    found = memory_index.statistics(owner.tenant, owner.namespace, now=int(time()))

    assert found == memory_index.Statistics(
        total=3,
        by_type={"semantic": 1, "episodic": 2},
        average_importance=0.5,
        oldest_at=100,
        newest_at=200,
    )


def test_statistics_of_nothing_are_empty(owner: Owner) -> None:
    found = memory_index.statistics(owner.tenant, owner.namespace, now=int(time()))

    assert found == memory_index.Statistics(0, {}, None, None, None)


# Expiry


def test_an_expired_memory_is_nowhere_to_be_seen(owner: Owner) -> None:
    [memory] = owner.remember(EXPIRED)

    assert owner.recall("guest password") == []
    assert owner.recall("guest password", routing="vector") == []
    assert owner.recall("guest password", routing="bm25") == []
    assert owner.listed() == []
    assert memory_index.statistics(owner.tenant, owner.namespace, now=int(time())).total == 0
    with pytest.raises(NotFoundError):
        owner.get(memory.id)
    with pytest.raises(NotFoundError):
        revise(owner.tenant, owner.namespace, memory.id, {"importance": 1.0})


def test_a_memory_is_there_until_the_second_it_expires(owner: Owner) -> None:
    owner.place(anywhere(1), expires_at=PAST)

    def seen(now: int) -> list[int]:
        tenant, namespace = owner.tenant, owner.namespace
        found = memory_index.candidates(
            tenant,
            namespace,
            text="memory",
            context_weight=1,
            vector=anywhere(1)[0],
            selection=Selection(),
            now=now,
        )
        try:
            memory_index.get(tenant, namespace, "mem_0", now=now)
            got = 1
        except NotFoundError:
            got = 0
        return [
            got,
            len([one for one in found.candidates if one.bm25 is not None]),
            len([one for one in found.candidates if one.cosine is not None]),
            memory_index.listed(tenant, namespace, Selection(), limit=1, now=now)[1],
            len(memory_index.with_vectors(tenant, namespace, limit=1, now=now)),
            memory_index.statistics(tenant, namespace, now=now).total,
        ]

    assert seen(PAST - 1) == [1] * 6
    assert seen(PAST) == [0] * 6


def test_forgetting_the_expired_removes_them_and_takes_them_off_their_sessions_count(
    owner: Owner, opensearch: OpenSearch
) -> None:
    owner.start("s1")
    owner.remember(EXPIRED, Note(content="Stays", session_id="s1", expires_at=int(time()) + 3600))
    owner.beside("user-eve").remember(EXPIRED)
    assert (documents(opensearch, owner), owner.session("s1").memory_count) == (3, 2)

    assert forget_expired() >= 2

    assert (documents(opensearch, owner), owner.session("s1").memory_count) == (1, 1)
    assert owner.contents() == ["Stays"]


def test_an_expired_note_stored_again_is_back_and_counts_once(owner: Owner) -> None:
    owner.start("s1")
    owner.remember(EXPIRED)

    [memory] = owner.remember(Note(content=EXPIRED.content, session_id="s1"))

    assert memory.expires_at is None
    assert owner.listed() == [memory]
    assert owner.recall("guest password") == [EXPIRED.content]
    assert owner.session("s1").memory_count == 1
    forget_expired()
    assert owner.listed() == [memory]


def test_an_expired_note_stored_again_has_none_of_its_former_fields(owner: Owner) -> None:
    owner.remember(
        Note(content="x", importance=0.9, tags=["a"], metadata={"a": 1}, expires_at=PAST)
    )

    [memory] = owner.remember("x")

    assert (memory.importance, memory.tags, memory.metadata) == (0.5, [], {})
    assert owner.listed() == [memory]
    assert owner.contents(any_tags=("a",)) == owner.contents(metadata={"a": 1}) == []


def test_an_expired_note_stored_again_during_the_removal_of_the_expired_is_not_lost(
    owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner.remember(EXPIRED)
    write = memory_index._bulk

    def store_then_write(operations: Any, **options: Any) -> list[dict[str, Any]]:
        monkeypatch.undo()
        owner.remember(Note(content=EXPIRED.content, session_id="s1"))
        return write(operations, **options)

    monkeypatch.setattr(memory_index, "_bulk", store_then_write)

    forget_expired()

    assert owner.contents() == [EXPIRED.content]


def test_many_expired_memories_are_removed_whatever_their_tenants(
    new_owner: Callable[[], Owner], opensearch: OpenSearch
) -> None:
    owners = [new_owner() for _ in range(3)]
    for one in owners:
        one.place(anywhere(500), expires_at=PAST)

    assert forget_expired() >= 1_500

    assert [documents(opensearch, one) for one in owners] == [0, 0, 0]


def test_an_expired_memory_can_still_be_forgotten(owner: Owner, opensearch: OpenSearch) -> None:
    [memory] = owner.remember(EXPIRED)

    forgotten = forget(owner.tenant, owner.namespace, Selection(ids=(memory.id,)))

    assert (forgotten, documents(opensearch, owner)) == (1, 0)


def test_a_list_may_be_as_long_as_the_window(owner: Owner) -> None:
    owner.remember("one")

    assert memory_index.MAX_WINDOW == EVERYTHING
    assert page(owner, limit=EVERYTHING) == (["one"], 1)
    assert page(owner, limit=500, offset=EVERYTHING - 500) == ([], 1)
