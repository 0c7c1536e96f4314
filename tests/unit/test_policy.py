"""What a namespace's policy says of its memories."""

from collections.abc import Callable
from dataclasses import asdict
from types import ModuleType

import pytest

from cross_session.adapters import namespace_table
from cross_session.domain.access import Scope
from cross_session.domain.policy import Decay, MemoryPolicy, kept
from functions import agents, sessions
from tests.unit.conftest import Call, Clock, caller, calls

ADMIN = caller(scope=Scope.ADMIN)
PATH = "/v1/namespaces/user-bob/memory_policy"


@pytest.fixture
def call(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Call:
    request.getfixturevalue("table")
    monkeypatch.setattr(namespace_table, "_known", {})
    return calls(agents)


@pytest.mark.parametrize(
    ("decay", "after_two_weeks", "after_four"),
    [
        ("exponential", 1 / 2, 1 / 4),
        ("power_law", 1 / 2, 1 / 3),
        ("logarithmic", 1 / 2, 0.387),
        ("flat", 1, 1),
    ],
)
def test_importance_halves_in_two_weeks_and_goes_on_as_its_decay_says(
    decay: Decay, after_two_weeks: float, after_four: float
) -> None:
    assert kept(decay, age_days=0) == kept(decay, age_days=-1) == 1
    assert kept(decay, age_days=14) == pytest.approx(after_two_weeks)
    assert kept(decay, age_days=28) == pytest.approx(after_four, abs=1e-3)


def test_a_flagged_memory_halves_each_day_whatever_its_decay() -> None:
    assert kept("flat", age_days=1, flagged=True) == 0.5


def test_a_namespace_without_a_policy_keeps_everything(call: Call) -> None:
    answer = call("GET", PATH)

    assert answer.status == 200
    assert answer.body == asdict(MemoryPolicy())
    assert {answer.body[f"{kind}_ttl_seconds"] for kind in ("working", "episodic")} == {None}
    assert answer.body["dedup_on_store"] is False


def test_a_policy_is_read_as_it_was_set(call: Call) -> None:
    policy = {"episodic_ttl_seconds": 60, "semantic_decay": "flat", "dedup_on_store": True}

    put = call("PUT", PATH, policy, who=ADMIN)

    assert put.status == 200
    assert put.body == asdict(MemoryPolicy()) | policy
    assert call("GET", PATH).body == put.body
    assert call("GET", "/v1/namespaces/user-ann/memory_policy").body == asdict(MemoryPolicy())
    other = call("GET", PATH, who=caller(tenant="other"))
    assert other.body == asdict(MemoryPolicy())


def test_a_policy_takes_the_place_of_the_whole_present_one(call: Call) -> None:
    call("PUT", PATH, {"episodic_ttl_seconds": 60}, who=ADMIN)

    put = call("PUT", PATH, {"dedup_on_store": True}, who=ADMIN)

    assert put.body["episodic_ttl_seconds"] is None


@pytest.mark.parametrize(
    ("policy", "field"),
    [
        ({"dedup_on_stroe": True}, "dedup_on_stroe"),
        ({"dedup_threshold": 1.5}, "dedup_threshold"),
        ({"episodic_ttl_seconds": 0}, "episodic_ttl_seconds"),
        ({"episodic_decay": "linear"}, "episodic_decay"),
        ({"spaced_repetition_factor": -1}, "spaced_repetition_factor"),
        ({"consolidation_interval_hours": 0}, "consolidation_interval_hours"),
        ({"rate_limit_stores_per_minute": 0}, "rate_limit_stores_per_minute"),
        ({"rate_limit_recalls_per_minute": 1.5}, "rate_limit_recalls_per_minute"),
    ],
    ids=str,
)
def test_what_would_not_be_done_is_refused(
    call: Call, policy: dict[str, object], field: str
) -> None:
    answer = call("PUT", PATH, policy, who=ADMIN)

    assert (answer.status, answer.body["errors"][0]["field"]) == (400, field)
    assert call("GET", PATH).body == asdict(MemoryPolicy())


def test_the_count_of_consolidated_memories_is_the_services_own(call: Call) -> None:
    call("PUT", PATH, {"consolidation_enabled": True, "consolidated_count": 99}, who=ADMIN)
    namespace_table.consolidated("acme", "user-bob", 2, next_at=0)
    namespace_table.consolidated("acme", "user-bob", 3, next_at=0)

    put = call("PUT", PATH, {"consolidated_count": 0}, who=ADMIN)

    assert put.body["consolidated_count"] == 5


def test_setting_a_policy_needs_an_admin(call: Call) -> None:
    answer = call("PUT", PATH, {}, who=caller(scope=Scope.WRITE))

    assert (answer.status, answer.code) == (403, "INSUFFICIENT_SCOPE")


def names(call: Call, **options: object) -> list[str]:
    listed: list[str] = call("GET", "/v1/namespaces", **options).body["namespaces"]  # type: ignore[arg-type]
    return listed


def test_a_namespace_is_listed_from_its_first_session_on(
    call: Call, clock_in: Callable[[ModuleType], Clock]
) -> None:
    clock_in(sessions)
    assert names(call) == []

    calls(sessions)("POST", "/v1/sessions/start", {"namespace": "user-bob"})
    calls(sessions)("POST", "/v1/sessions/start", {"namespace": "user-bob"})
    calls(sessions)("POST", "/v1/sessions/start", {"namespace": "user-ann"})

    assert call("GET", "/v1/namespaces").body == {
        "namespaces": ["user-ann", "user-bob"],
        "kinds": {"user-ann": "agent", "user-bob": "agent"},
    }


def test_an_agent_may_be_made_before_its_first_memory(call: Call) -> None:
    first = call("POST", "/v1/agents", {"agent_id": "user-bob"})
    second = call("POST", "/v1/agents", {"agent_id": "user-bob"})

    assert (first.body["agent_id"], first.body["created"], first.body["dimension"]) == (
        "user-bob",
        True,
        384,
    )
    assert second.body["created"] is False
    assert names(call) == ["user-bob"]


@pytest.mark.parametrize(
    ("grants", "seen"),
    [
        (None, ["app-1", "user-ann", "user-bob"]),
        (("user-*",), ["user-ann", "user-bob"]),
        (("user-bob",), ["user-bob"]),
        (("user-bob", "user-*", "*"), ["app-1", "user-ann", "user-bob"]),
        (("user",), []),
        ((), []),
    ],
    ids=str,
)
def test_a_key_sees_the_namespaces_that_it_opens(
    call: Call, grants: tuple[str, ...] | None, seen: list[str]
) -> None:
    for name in ("user-bob", "app-1", "user-ann"):
        namespace_table.create("acme", name)
    namespace_table.create("other", "user-eve")

    assert names(call, who=caller(scope=Scope.READ, namespaces=grants)) == seen


def test_namespaces_come_in_pages(call: Call) -> None:
    for number in range(25):
        namespace_table.create("acme", f"user-{number:02}")

    pages = [
        names(call, query={"limit": "10", "offset": str(offset)}) for offset in (0, 10, 20, 30)
    ]

    assert [len(page) for page in pages] == [10, 10, 5, 0]
    assert [name for page in pages for name in page] == [
        f"user-{number:02}" for number in range(25)
    ]


def test_a_namespace_is_due_for_consolidation_when_its_policy_says_so(call: Call) -> None:
    call("PUT", PATH, {"consolidation_enabled": True}, who=ADMIN)
    assert list(namespace_table.due(2_000_000_000)) == [("acme", "user-bob")]

    namespace_table.consolidated("acme", "user-bob", 0, next_at=2_000_000_001)
    assert list(namespace_table.due(2_000_000_000)) == []

    namespace_table.cancel("acme", "user-bob")
    assert list(namespace_table.due(3_000_000_000)) == []
