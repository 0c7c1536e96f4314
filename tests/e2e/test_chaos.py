"""A minute of `make chaos`."""

from pathlib import Path

from tests.chaos.run import run


def test_nothing_is_lost_duplicated_resurrected_or_leaked_amid_faults(
    tmp_path: Path, engine: str
) -> None:
    assert engine  # the model is in place

    outcome = run(tmp_path, minutes=1, seed=1)

    assert not outcome.wrong, str(outcome)
    assert {"answer lost", "engine killed", "engine paused", "worker killed"} <= {*outcome.injected}
