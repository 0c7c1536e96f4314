"""The arithmetic of size and cost, against sums done by hand."""

from pathlib import Path

import pytest

from infra import sizing
from infra.sizing import MILLION, SIZES, Bill, engine_for, million_recalls, million_stores, month

README = Path(__file__).resolve().parents[2] / "README.md"


def test_a_vector_takes_what_opensearch_counts_for_its_graph() -> None:
    assert sizing.MEASURED.vector_bytes == pytest.approx(1.1 * (4 * 384 + 8 * 16))


def test_sixty_calls_a_month_of_a_million_users_are_91_in_the_busiest_second() -> None:
    assert sizing.peak_rate(MILLION, 60) == pytest.approx(60 * MILLION / (730 * 3_600) * 4)
    assert round(sizing.peak_rate(MILLION, 60)) == 91


def test_a_million_stores_pay_for_their_reads_and_writes_of_the_table() -> None:
    assert million_stores().table == pytest.approx(5 * 0.625 + 1.5 * 0.125)


def test_a_million_recalls_pay_for_their_time_in_the_functions() -> None:
    gb_seconds = 0.0164 * 2 * 1_769 / 1_024 + 0.3 * 0.5 * 0.015

    assert million_recalls().functions == pytest.approx(gb_seconds * 13.3334 + 1.3 * 0.20)


def test_a_month_is_its_recalls_stores_sessions_and_the_engine() -> None:
    bill = month(MILLION)

    assert bill.api == pytest.approx(60 + 60 + 2 * 20)
    assert bill.opensearch == engine_for(MILLION).usd
    assert bill.total == pytest.approx(
        bill.opensearch
        + bill.functions
        + bill.api
        + bill.table
        + bill.queue
        + bill.logs
        + bill.network
    )


def test_a_thousand_users_fit_one_small_node() -> None:
    engine = engine_for(1_000)

    assert (engine.nodes, engine.instance.name, engine.shards) == (1, "t3.small.search", 1)
    assert engine.usd == pytest.approx(0.036 * 730 + 10 * 0.122)


@pytest.mark.parametrize("users", [2_000, 50_000, MILLION, 20 * MILLION, 100 * MILLION])
def test_every_zone_holds_all_memories_and_has_the_warm_ones_in_memory(users: int) -> None:
    engine = engine_for(users)

    in_a_zone, left = divmod(engine.nodes, 3)
    free = engine.instance.memory_gib - engine.instance.heap_gib
    assert left == 0
    assert engine.replicas == 2
    assert in_a_zone * free * 2**30 >= users * 500 * 0.25 * sizing.MEASURED.vector_bytes
    assert in_a_zone * engine.instance.disk_gib >= engine.primary_gib * 1.45
    assert engine.shards * 30 >= engine.primary_gib


def test_each_part_of_the_bill_grows_with_the_users() -> None:
    few, many = month(MILLION), month(2 * MILLION)

    assert all(getattr(many, part) > getattr(few, part) for part in Bill.__dataclass_fields__)


def test_the_readme_shows_what_is_printed() -> None:
    assert sizing.report(SIZES) in README.read_text()
