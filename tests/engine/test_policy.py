"""What a namespace's policy does to its memories as they age."""

from dataclasses import replace
from time import time
from typing import get_args

import pytest

from cross_session import limits
from cross_session.adapters import memory_index, namespace_table
from cross_session.domain.feedback import Feedback
from cross_session.domain.memory import Memory, MemoryType
from cross_session.domain.policy import Decay, MemoryPolicy, kept
from cross_session.errors import RateLimitedError
from cross_session.rate import rate
from cross_session.rehearse import rehearse
from cross_session.remember import Note
from cross_session.revise import revise
from tests.engine.owner import Owner, anywhere

DAY = 86_400


def set_policy(owner: Owner, policy: MemoryPolicy) -> None:
    namespace_table.set_policy(owner.tenant, owner.namespace, policy)


def test_a_memory_that_is_given_no_end_has_the_one_of_its_type(owner: Owner) -> None:
    set_policy(owner, MemoryPolicy(working_ttl_seconds=60, semantic_ttl_seconds=600))

    stored = owner.remember(
        Note(content="a", memory_type="working"),
        Note(content="b", memory_type="semantic"),
        Note(content="c"),
        Note(content="d", memory_type="working", expires_at=int(time()) + 5_000),
    )

    ends = [memory.expires_at and memory.expires_at - memory.created_at for memory in stored]
    assert ends[:3] == [60, 600, None]
    assert ends[3] in (4_999, 5_000)


def test_a_namespace_lets_no_more_through_in_a_minute_than_its_policy(
    owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "limiter", limits.Limiter(lambda: 1_800_000_000.0))
    set_policy(
        owner,
        MemoryPolicy(
            rate_limit_enabled=True,
            rate_limit_stores_per_minute=3,
            rate_limit_recalls_per_minute=2,
        ),
    )
    for number in range(3):
        owner.remember(f"note {number}")
    for _ in range(2):
        owner.recall("note")

    with pytest.raises(RateLimitedError, match="3 requests a minute"):
        owner.remember("note 3")
    with pytest.raises(RateLimitedError, match="2 requests a minute"):
        owner.recall("note")

    assert len(owner.listed()) == 3
    owner.beside("user-eve").remember("a namespace without a limit")
    set_policy(owner, MemoryPolicy(rate_limit_stores_per_minute=3))
    owner.remember("a limit that is not enabled")


def test_a_policy_leaves_what_was_stored_before_as_it_was(owner: Owner) -> None:
    [before] = owner.remember("a")

    set_policy(owner, MemoryPolicy(episodic_ttl_seconds=60))
    [again] = owner.remember("a")

    assert (before.expires_at, again.expires_at) == (None, None)


@pytest.mark.parametrize("decay", get_args(Decay))
def test_at_a_wake_up_a_memory_counts_as_much_as_its_decay_leaves(
    owner: Owner, decay: Decay
) -> None:
    now = int(time())
    ages = [0, 3, 14, 28, 365]
    placed = [
        owner.place(
            anywhere(1),
            ids=f"{age}-{kind}-{flagged}",
            memory_type=kind,
            importance=0.9,
            created_at=now - age * DAY,
            feedback=Feedback(flagged=flagged),
        )[0]
        for age in ages
        for kind in ("episodic", "semantic")
        for flagged in (False, True)
    ]

    def left(memory: Memory) -> float:
        age_days = (now - memory.created_at) / DAY
        own = decay if memory.memory_type == "semantic" else "exponential"
        return kept(own, age_days=age_days, flagged=memory.feedback.flagged)

    decays: dict[MemoryType, Decay] = {"semantic": decay}
    found, _ = memory_index.most_important(
        owner.tenant, owner.namespace, min_importance=0, decays=decays, limit=99, now=now
    )

    assert [left(memory) for memory in found] == pytest.approx(
        sorted((left(memory) for memory in placed), reverse=True)
    )


def test_each_recall_puts_off_a_memorys_end_where_the_policy_says_so(owner: Owner) -> None:
    set_policy(
        owner,
        MemoryPolicy(spaced_repetition_factor=1.5, spaced_repetition_base_interval_seconds=100),
    )
    end = int(time()) + 1_000
    stored = owner.remember(Note(content="a", expires_at=end), Note(content="b"))

    for _ in range(2):
        rehearse(owner.tenant, owner.namespace, stored)

    assert [owner.get(memory.id).expires_at for memory in stored] == [end + 300, None]


def test_without_a_policy_a_recall_puts_off_nothing(owner: Owner) -> None:
    [stored] = owner.remember(Note(content="a", expires_at=int(time()) + 1_000))

    rehearse(owner.tenant, owner.namespace, [stored])

    assert owner.get(stored.id) == stored


def test_feedback_stays_with_a_memory_whatever_else_is_changed(owner: Owner) -> None:
    [stored] = owner.remember(Note(content="a", importance=0.8))

    rate(owner.tenant, owner.namespace, stored.id, "downvote")
    rate(owner.tenant, owner.namespace, stored.id, "flag")
    revise(owner.tenant, owner.namespace, stored.id, {"content": "b", "importance": 0.3})
    owner.remember(Note(content="a", tags=["again"]))
    rated = rate(owner.tenant, owner.namespace, stored.id, "upvote")

    assert owner.get(stored.id) == rated
    entries = rated.feedback.entries
    assert [entry.signal for entry in entries] == ["downvote", "flag", "upvote"]
    assert [entry.new_importance for entry in entries] == pytest.approx([0.68, 0.68, 0.345])
    assert rated.importance == pytest.approx(0.345)
    assert rated.feedback == replace(rated.feedback, upvotes=1, downvotes=1, flags=1, flagged=False)
