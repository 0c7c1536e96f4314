"""What a reader's word does to a memory's importance."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cross_session.domain.feedback import MAX_ENTRIES, Feedback, Signal

NOW = 1_800_000_000


@pytest.mark.parametrize(
    ("signal", "before", "after"),
    [
        ("upvote", 0.5, 0.575),
        ("upvote", 0.9, 1.0),
        ("downvote", 0.5, 0.425),
        ("downvote", 0.0, 0.0),
        ("flag", 0.5, 0.5),
    ],
)
def test_a_signal_moves_the_importance(signal: Signal, before: float, after: float) -> None:
    feedback = Feedback().given(signal, importance=before, at=NOW)

    [entry] = feedback.entries
    assert (entry.signal, entry.timestamp, entry.old_importance) == (signal, NOW, before)
    assert entry.new_importance == pytest.approx(after)


def test_a_flag_holds_until_the_next_upvote() -> None:
    states = []
    feedback = Feedback()
    signals: list[Signal] = ["upvote", "flag", "downvote", "upvote"]
    for signal in signals:
        feedback = feedback.given(signal, importance=0.5, at=NOW)
        states.append(feedback.flagged)

    assert states == [False, True, True, False]
    assert (feedback.upvotes, feedback.downvotes, feedback.flags) == (2, 1, 1)


@given(st.lists(st.sampled_from(["upvote", "downvote", "flag"]), max_size=150))
def test_the_last_entries_are_kept_and_all_are_counted(signals: list[Signal]) -> None:
    feedback = Feedback()
    for at, signal in enumerate(signals):
        feedback = feedback.given(signal, importance=0.5, at=at)

    assert feedback.upvotes + feedback.downvotes + feedback.flags == len(signals)
    assert [entry.signal for entry in feedback.entries] == signals[-MAX_ENTRIES:]
