"""Who speaks in a namespace."""

import pytest

from cross_session.adapters import namespace_table


@pytest.fixture(autouse=True)
def _nobody_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(namespace_table, "_known", {})


@pytest.mark.usefixtures("table")
def test_nobody_speaks_in_a_new_namespace() -> None:
    assert namespace_table.actors("acme", "user-bob") == frozenset()


@pytest.mark.usefixtures("table")
def test_who_spoke_is_known_to_every_function(monkeypatch: pytest.MonkeyPatch) -> None:
    namespace_table.add_actors("acme", "user-bob", {"Ada"})
    namespace_table.add_actors("acme", "user-bob", {"Ada", "Bob"})

    monkeypatch.setattr(namespace_table, "_known", {})

    assert namespace_table.actors("acme", "user-bob") == {"Ada", "Bob"}
    assert namespace_table.actors("acme", "user-ann") == frozenset()
    assert namespace_table.actors("other", "user-bob") == frozenset()


@pytest.mark.usefixtures("table")
def test_a_crowd_is_cut_off() -> None:
    crowd = {f"Speaker {number}" for number in range(namespace_table.MAX_ACTORS)}
    namespace_table.add_actors("acme", "user-bob", crowd)

    namespace_table.add_actors("acme", "user-bob", {"One more"})

    assert namespace_table.actors("acme", "user-bob") == crowd
