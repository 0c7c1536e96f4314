"""A namespace erased: all of it, and nothing else."""

from itertools import count
from time import time

import pytest

from cross_session.adapters import import_table, memory_index, namespace_table, session_table
from cross_session.domain.policy import MemoryPolicy
from cross_session.domain.selection import Selection
from cross_session.erase import erase
from cross_session.errors import NotFoundError
from cross_session.remember import Note
from cross_session.revise import revise
from tests.engine.owner import Owner, anywhere


@pytest.fixture
def stocked(owner: Owner) -> Owner:
    """Two sessions, an import's status, and memories: live, superseded, expired."""
    owner.start("s1")
    owner.start("s2")
    owner.remember(
        Note(content="Ada: it rained", id="live", session_id="s1"),
        Note(content="it rains", id="superseded", session_id="s1"),
        Note(content="it drips", id="expired", expires_at=1),
    )
    revise(owner.tenant, owner.namespace, "superseded", {"superseded_by": "live"})
    import_table.put(owner.tenant, owner.namespace, "imp_1", {}, now=int(time()))
    return owner


def held(owner: Owner) -> tuple[int, int, bool]:
    """Memories of any kind, sessions, and whether there is anything else."""
    sessions = list(session_table.newest(owner.tenant, owner.namespace, now=0))
    return (
        memory_index.count(owner.tenant, owner.namespace, Selection()),
        len(sessions),
        not namespace_table.is_empty(owner.tenant, owner.namespace),
    )


def test_everything_of_a_namespace_goes_and_the_receipt_counts_it(stocked: Owner) -> None:
    assert held(stocked) == (3, 2, True)

    receipt = erase(stocked.tenant, stocked.namespace)

    assert (receipt.memories, receipt.sessions, receipt.records) == (3, 2, 2)
    assert receipt.erased_at is not None
    assert held(stocked) == (0, 0, False)
    assert namespace_table.actors(stocked.tenant, stocked.namespace) == frozenset()
    with pytest.raises(NotFoundError):
        stocked.session("s1")


def test_an_erased_namespace_has_no_policy_no_listing_and_no_work_planned(owner: Owner) -> None:
    policy = MemoryPolicy(consolidation_enabled=True, dedup_on_store=True)
    namespace_table.set_policy(owner.tenant, owner.namespace, policy)
    assert (owner.tenant, owner.namespace) in namespace_table.due(int(time()) + 1)

    erase(owner.tenant, owner.namespace)

    assert namespace_table.get(owner.tenant, owner.namespace).policy == MemoryPolicy()
    assert owner.namespace not in namespace_table.listed(owner.tenant)
    assert (owner.tenant, owner.namespace) not in namespace_table.due(int(time()) + 1)


def test_other_namespaces_keep_what_they_have(stocked: Owner) -> None:
    neighbour = stocked.beside("user-bob2")
    neighbour.remember("it rains elsewhere")
    neighbour.start("s3")

    erase(stocked.tenant, stocked.namespace)

    assert held(neighbour)[:2] == (1, 1)


def test_erasing_again_tells_of_the_same_erasure(stocked: Owner) -> None:
    first = erase(stocked.tenant, stocked.namespace)

    assert erase(stocked.tenant, stocked.namespace) == first


def test_what_came_after_an_erasure_has_a_receipt_of_its_own(stocked: Owner) -> None:
    first = erase(stocked.tenant, stocked.namespace)
    stocked.remember("the sun shines")

    second = erase(stocked.tenant, stocked.namespace)

    assert second.receipt_id != first.receipt_id
    assert (second.memories, second.sessions) == (1, 0)


def test_an_empty_namespace_is_erased_with_a_receipt_of_nothing(owner: Owner) -> None:
    receipt = erase(owner.tenant, owner.namespace)

    assert receipt.erased_at is not None
    assert (receipt.memories, receipt.sessions, receipt.records) == (0, 0, 0)


def test_an_erasure_that_runs_out_of_time_goes_on_with_the_next_call(owner: Owner) -> None:
    vectors = anywhere(4_500)
    for start in range(0, 4_500, 500):
        owner.place(vectors[start : start + 500], ids=f"mem_{start}")

    readings = count(step=15.0)  # a round takes that long, so the second is not begun

    first = erase(owner.tenant, owner.namespace, clock=lambda: next(readings))
    second = erase(owner.tenant, owner.namespace)

    assert first.erased_at is None
    assert 0 < first.memories < 4_500
    assert second.erased_at is not None
    assert (second.receipt_id, second.memories) == (first.receipt_id, 4_500)
    assert held(owner) == (0, 0, False)
