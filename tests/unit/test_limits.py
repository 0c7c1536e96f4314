"""How much a caller may ask, held over many execution environments, and what it has asked."""

import pytest
from botocore.exceptions import EndpointConnectionError

from cross_session.adapters import table as table_module
from cross_session.adapters import usage_table
from cross_session.domain.access import Principal, Scope
from cross_session.domain.usage import Allowance, next_share
from cross_session.limits import AWAY_SECONDS, MAX_ACCOUNTS, TELL_AFTER_SECONDS, Limiter
from tests.unit.conftest import Clock, stored_items

pytestmark = pytest.mark.usefixtures("table")

MIDNIGHT = 1_800_057_600  # 2027-01-16T00:00:00Z
LEASED_AT_ONCE = 60  # of 6,000


@pytest.fixture
def clock() -> Clock:
    clock = Clock()
    clock.now = float(MIDNIGHT)
    return clock


def key(key_id: str = "key_1", *, quota: int | None = None, tenant: str = "acme") -> Principal:
    return Principal(
        tenant=tenant, key_id=key_id, scope=Scope.WRITE, namespaces=None, daily_quota=quota
    )


def ask(
    environment: Limiter,
    caller: Principal | None = None,
    *,
    limit: int = 6_000,
    ok: bool = True,
    size: int = 100,
    seconds: float = 0.02,
) -> Allowance:
    """One request, answered and counted."""
    caller = caller or key()
    allowance = environment.admit(caller, limit=limit)
    environment.record(caller, allowance, ok=ok, size=size, seconds=seconds)
    return allowance


def answered(environment: Limiter, requests: int, *, limit: int) -> int:
    return sum(ask(environment, limit=limit).refused is None for _ in range(requests))


def writes(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Each write of what was used, from here on."""
    seen: list[object] = []
    update = usage_table._update

    def counted(*args: object, **kwargs: object) -> object:
        seen.append(args)
        return update(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(usage_table, "_update", counted)
    return seen


def cut_off(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    def away() -> object:
        raise EndpointConnectionError(endpoint_url="https://dynamodb.internal")

    monkeypatch.setattr(table_module, "_table", away)
    return monkeypatch


@pytest.mark.parametrize("limit", [1, 2, 7, 100, 1_000])
def test_a_caller_is_answered_exactly_as_often_as_its_limit_says(clock: Clock, limit: int) -> None:
    assert answered(Limiter(clock), limit + 20, limit=limit) == limit


@pytest.mark.parametrize("limit", [1, 5, 60, 333])
def test_many_environments_together_never_answer_more_than_the_limit(
    clock: Clock, limit: int
) -> None:
    environments = [Limiter(clock) for _ in range(8)]

    counts = [answered(environment, limit, limit=limit) for environment in environments]

    assert sum(counts) == limit


def test_environments_that_take_turns_use_up_the_whole_limit(clock: Clock) -> None:
    environments = [Limiter(clock) for _ in range(5)]

    count = sum(answered(environment, 1, limit=200) for environment in environments * 100)

    assert count == 200


def test_idle_environments_leave_most_of_the_limit_to_a_busy_one(clock: Clock) -> None:
    for _ in range(20):
        ask(Limiter(clock), limit=6_000)

    assert answered(Limiter(clock), 6_000, limit=6_000) == 6_000 - 20 * LEASED_AT_ONCE


def test_the_next_minute_brings_the_whole_limit_again(clock: Clock) -> None:
    environments = [Limiter(clock) for _ in range(3)]
    for environment in environments:
        answered(environment, 10, limit=10)

    clock.pass_seconds(60)

    assert sum(answered(environment, 10, limit=10) for environment in environments) == 10


def test_an_environment_whose_clock_is_behind_spends_of_the_minute_that_has_begun(
    clock: Clock,
) -> None:
    late = Clock()
    clock.pass_seconds(60)
    late.now = clock.now - 0.01
    answered(Limiter(clock), 4, limit=10)

    assert answered(Limiter(late), 10, limit=10) == 6


def test_the_remaining_count_falls_by_one_a_request_to_zero(clock: Clock) -> None:
    environment = Limiter(clock)

    told = [ask(environment, limit=250).remaining for _ in range(253)]

    assert told == [*range(249, -1, -1), 0, 0, 0]


def test_the_remaining_count_of_an_environment_never_rises_within_a_minute(clock: Clock) -> None:
    one, other = Limiter(clock), Limiter(clock)
    told = []

    for _ in range(150):
        told.append(ask(one, limit=200).remaining)
        ask(other, limit=200)

    assert told == sorted(told, reverse=True)
    assert told[-1] == 0


def test_a_refusal_says_when_to_come_back(clock: Clock) -> None:
    environment = Limiter(clock)
    clock.pass_seconds(47.5)
    answered(environment, 3, limit=3)

    refused = ask(environment, limit=3)

    assert refused.refused == "the limit of 3 requests a minute"
    assert (refused.retry_after, refused.reset_at) == (13, MIDNIGHT + 60)
    clock.pass_seconds(refused.retry_after)
    assert ask(environment, limit=3).refused is None


def test_callers_and_tenants_do_not_share_a_limit(clock: Clock) -> None:
    environment = Limiter(clock)
    answered(environment, 5, limit=5)

    assert ask(environment, key("key_2"), limit=5).refused is None
    assert ask(environment, key(tenant="other"), limit=5).refused is None


def test_a_limit_that_was_raised_holds_at_once(clock: Clock) -> None:
    environment = Limiter(clock)
    answered(environment, 11, limit=10)

    assert answered(environment, 100, limit=15) == 5


def test_a_limit_that_was_lowered_holds_with_the_next_lease(clock: Clock) -> None:
    environment = Limiter(clock)
    answered(environment, 30, limit=100)

    assert answered(environment, 100, limit=10) <= 5


def test_most_requests_write_nothing(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = writes(monkeypatch)

    answered(Limiter(clock), 3_000, limit=6_000)

    assert len(seen) <= 15


def test_a_caller_over_its_limit_costs_no_writes_either(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = Limiter(clock)
    answered(environment, 10, limit=10)
    ask(environment, limit=10)
    seen = writes(monkeypatch)

    answered(environment, 1_000, limit=10)

    assert not seen


@pytest.mark.parametrize(("limit", "last", "share"), [(1, 0, 1), (6_000, 0, 60), (6_000, 60, 120)])
def test_a_lease_is_a_hundredth_and_then_doubles(limit: int, last: int, share: int) -> None:
    assert next_share(limit, last) == share


def test_a_lease_is_never_more_than_a_twentieth() -> None:
    assert next_share(6_000, 240) == next_share(6_000, 300) == 300


def test_a_quota_refuses_for_the_rest_of_the_day(clock: Clock) -> None:
    environment = Limiter(clock)
    caller = key(quota=3)

    answers = [ask(environment, caller) for _ in range(5)]

    assert [one.quota_used for one in answers] == [1, 2, 3, 3, 3]
    assert answers[-1].refused == "the daily quota of 3 requests"
    assert answers[-1].retry_after == 86_400
    clock.pass_seconds(86_399)
    assert ask(environment, caller).retry_after == 1
    clock.pass_seconds(1)
    assert ask(environment, caller).refused is None


def test_a_new_environment_knows_what_was_used_of_the_quota(clock: Clock) -> None:
    one = Limiter(clock)
    caller = key(quota=10)
    for _ in range(10):
        ask(one, caller, limit=6_000)
    clock.pass_seconds(TELL_AFTER_SECONDS)
    ask(one, caller)

    refused = ask(Limiter(clock), caller)

    assert refused.refused == "the daily quota of 10 requests"
    assert (refused.quota_limit, refused.quota_used) == (10, 10)


def test_without_a_quota_nothing_is_told_of_one(clock: Clock) -> None:
    assert ask(Limiter(clock)).quota_limit is None


def test_while_the_table_is_away_nobody_is_refused(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = Limiter(clock)
    with monkeypatch.context() as away:
        cut_off(away)
        assert answered(environment, 50, limit=10) == 50

    clock.pass_seconds(AWAY_SECONDS)

    assert answered(environment, 50, limit=10) == 10


def test_while_the_table_is_away_it_is_asked_every_few_seconds_and_no_more(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_off(monkeypatch)
    seen = writes(monkeypatch)
    environment = Limiter(clock)

    for _ in range(20):
        ask(environment)
        clock.pass_seconds(1)

    assert len(seen) == 4


def test_what_was_counted_while_the_table_was_away_is_not_lost(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = Limiter(clock)
    with monkeypatch.context() as away:
        cut_off(away)
        answered(environment, 7, limit=100)
    clock.pass_seconds(AWAY_SECONDS)

    ask(environment)

    assert usage_table.total("acme", "key_1").successful == 7


def test_usage_tells_how_requests_went(clock: Clock) -> None:
    environment = Limiter(clock)
    ask(environment, limit=3, size=100, seconds=0.010)
    ask(environment, limit=3, size=300, seconds=0.030)
    ask(environment, limit=3, ok=False, size=50, seconds=0.002)
    ask(environment, limit=3)
    clock.pass_seconds(TELL_AFTER_SECONDS)
    ask(environment, key("key_2"))

    used = usage_table.total("acme", "key_1")

    assert (used.total, used.successful, used.failed, used.rate_limited) == (4, 2, 1, 1)
    assert used.bytes_sent == 450
    assert used.average_latency_ms == 14.0
    assert used.last_used_at == MIDNIGHT


def test_when_a_key_was_used_is_known_from_its_first_request_on(clock: Clock) -> None:
    ask(Limiter(clock))

    assert usage_table.total("acme", "key_1").last_used_at == MIDNIGHT


def test_usage_adds_up_over_environments_and_days(clock: Clock) -> None:
    for _ in range(3):
        environment = Limiter(clock)
        for _ in range(4):
            ask(environment)
        clock.pass_seconds(86_400)
        ask(environment)

    assert usage_table.total("acme", "key_1").successful == 12


def test_a_key_that_was_never_used_has_no_usage() -> None:
    used = usage_table.total("acme", "key_1")

    assert (used.total, used.average_latency_ms, used.last_used_at) == (0, 0.0, None)


def test_what_is_kept_of_usage_goes_by_itself(clock: Clock) -> None:
    ask(Limiter(clock))

    [item] = stored_items()
    assert int(item["ttl"]["N"]) == MIDNIGHT + 90 * 86_400


def test_an_environment_keeps_a_bounded_number_of_callers_in_mind(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cross_session.limits.MAX_ACCOUNTS", 3)
    environment = Limiter(clock)

    for number in range(10):
        ask(environment, key(f"key_{number}"))

    assert MAX_ACCOUNTS == 10_000
    assert len(environment._accounts) == 3
    assert len(environment._untold) == 3
