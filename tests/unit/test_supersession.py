"""Which value of a subject is current, and from when to when each held."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cross_session.domain.supersession import Link, outdated, reordered
from tests.builders import memory

NOW = 1_800_000_000


def value(id: str, event_time: int, **fields: object) -> Link:
    link = Link(id=id, subject="backend.database", event_time=event_time, sequence=event_time)
    return replace(link, **fields)  # type: ignore[arg-type]


def settled(links: list[Link]) -> dict[str, Link]:
    return {link.id: link for link in links} | {link.id: link for link in reordered(links, now=NOW)}


def held(links: dict[str, Link], at: int) -> list[str]:
    """The ids of the values that held at that time."""
    return [
        link.id
        for link in links.values()
        if link.event_time <= at and (link.valid_until is None or at < link.valid_until)
    ]


def test_the_newer_value_takes_the_older_ones_place_from_when_it_holds() -> None:
    links = settled([value("mongodb", 100), value("postgresql", 200)])

    older = links["mongodb"]
    assert (older.superseded_by, older.superseded_kind) == ("postgresql", "subject")
    assert (older.valid_until, older.superseded_at) == (200, NOW)
    assert links["postgresql"] == value("postgresql", 200)


def test_of_two_values_of_one_second_the_one_stored_later_is_current() -> None:
    first, second = value("first", 100, sequence=1), value("second", 100, sequence=2)

    links = settled([second, first])

    assert held(links, 100) == ["second"]


def test_a_value_told_late_slots_in_where_it_held() -> None:
    links = settled([value("a", 100), value("c", 300)])

    links = settled([*links.values(), value("b", 200)])

    assert [held(links, at) for at in (100, 199, 200, 299, 300, 9_999)] == [
        ["a"],
        ["a"],
        ["b"],
        ["b"],
        ["c"],
        ["c"],
    ]


@pytest.mark.parametrize("kind", ["consolidation", "deduplication", "supersedes", "restoration"])
def test_what_was_superseded_for_another_reason_is_left_alone(kind: str) -> None:
    merged = value("merged", 150, superseded_by="other", superseded_kind=kind, valid_until=160)

    assert reordered([merged, value("a", 100)], now=NOW) == []


def test_an_older_value_does_not_come_true_again_when_its_successor_is_forgotten() -> None:
    left = value("a", 100, superseded_by="b", superseded_kind="subject", valid_until=200)

    assert reordered([left], now=NOW) == []
    assert reordered([left, value("c", 300)], now=NOW) == []


events = st.lists(st.integers(0, 50), min_size=1, max_size=8)


@given(events, st.integers(0, 60))
def test_at_any_time_at_most_one_value_holds(times: list[int], at: int) -> None:
    links = settled([value(f"v{number}", time) for number, time in enumerate(times)])

    assert len(held(links, at)) == (1 if at >= min(times) else 0)
    assert reordered(links.values(), now=NOW + 1) == []


@given(events, st.randoms(use_true_random=False))
def test_in_whatever_order_values_are_stored_the_end_is_the_same(
    times: list[int], random: object
) -> None:
    values = [value(f"v{number}", time) for number, time in enumerate(times)]
    arriving = list(values)
    random.shuffle(arriving)  # type: ignore[attr-defined]

    one_by_one: dict[str, Link] = {}
    for link in arriving:
        one_by_one = settled([*one_by_one.values(), link])

    assert one_by_one == settled(values)


def test_of_two_values_under_way_the_older_is_told_apart() -> None:
    older = memory("a", subject="backend.database", event_time=100)
    newer = memory("b", subject="backend.database", event_time=200)
    other = memory("c", subject="frontend.framework", event_time=50)
    note = memory("d", event_time=10)

    assert outdated([newer, other, older, note]) == {"a"}
