"""A memory's id says what was stored, so that a repeated store is the same memory."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cross_session.domain.memory import Memory, memory_id

STORE: dict[str, Any] = {
    "tenant": "acme",
    "namespace": "user-bob",
    "session_id": "ses_1",
    "content": "Decided to use PostgreSQL",
    "event_time": 1_790_000_000,
}


def test_the_same_store_has_the_same_id() -> None:
    assert memory_id(**STORE) == memory_id(**STORE)


def test_an_id_is_mem_and_32_hex_digits() -> None:
    prefix, digits = memory_id(**STORE).split("_")

    assert prefix == "mem"
    assert len(digits) == 32
    assert set(digits) <= set("0123456789abcdef")


@pytest.mark.parametrize(
    "other",
    [
        {"tenant": "umbrella"},
        {"namespace": "user-eve"},
        {"session_id": "ses_2"},
        {"session_id": None},
        {"content": "Decided to use MongoDB"},
        {"content": "Decided to use PostgreSQL "},
        {"event_time": 1_790_000_001},
        {"event_time": 0},
        {"event_time": None},
        {"attempt": 1},
    ],
    ids=str,
)
def test_a_store_that_differs_has_another_id(other: dict[str, Any]) -> None:
    assert memory_id(**STORE | other) != memory_id(**STORE)


names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,8}", fullmatch=True)
stores = st.fixed_dictionaries(
    {
        "tenant": names,
        "namespace": names,
        "session_id": st.none() | names,
        "content": st.text(min_size=1, max_size=20),
        "event_time": st.none() | st.integers(-100, 100),
        "attempt": st.integers(0, 3),
    }
)


@given(one=stores, other=stores)
def test_two_stores_have_the_same_id_only_if_they_are_the_same(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    assert (memory_id(**one) == memory_id(**other)) == (one == other)


@given(store=stores, text=st.text(max_size=10), digit=st.integers(0, 9))
def test_content_cannot_be_made_to_look_like_another_attempt(
    store: dict[str, Any], text: str, digit: int
) -> None:
    crafted = store | {"content": f"{text}\x1f{digit}", "attempt": 0}
    plain = store | {"content": text, "attempt": digit}

    assert memory_id(**crafted) != memory_id(**plain)


@pytest.mark.parametrize(("now", "expired"), [(99, False), (100, True), (101, True)])
def test_a_memory_has_expired_from_its_expiry_second_on(now: int, expired: bool) -> None:
    memory = Memory(
        id="mem_1",
        tenant="acme",
        namespace="user-bob",
        content="x",
        event_time=0,
        created_at=0,
        updated_at=0,
        sequence=0,
        expires_at=100,
    )

    assert memory.expired(now) is expired
