"""Each caller's rate limit and daily quota, and what it used.

An execution environment leases a share of the minute's limit from DynamoDB and spends it
without asking again, so most requests cost no I/O. The limit is never exceeded, however many
environments there are. What one of them leased and didn't spend is lost to the others until
the minute ends, so that the limit may be met early, by a hundredth an idle environment.

The quota is held against what has been counted: an environment tells of its requests with each
lease, or `TELL_AFTER_SECONDS` after, with the next request of whomever. What it didn't tell
when it ends is lost, and while it hasn't told, others may let a lease's worth through.
"""

import logging
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from math import ceil
from time import time
from typing import Literal

from cross_session.adapters import usage_table
from cross_session.domain.access import Principal
from cross_session.domain.policy import MemoryPolicy
from cross_session.domain.usage import (
    DAY_SECONDS,
    WINDOW_SECONDS,
    Allowance,
    Usage,
    next_share,
)
from cross_session.errors import RateLimitedError, TableUnavailableError

TELL_AFTER_SECONDS = 5
AWAY_SECONDS = 5
MAX_ACCOUNTS = 10_000

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class OfNamespace:
    """Whoever asks for one kind of work in a namespace, counted together under `key_id`."""

    tenant: str
    key_id: str
    daily_quota: int | None = None


Caller = Principal | OfNamespace


@dataclass(slots=True)
class _Account:
    """What this environment knows of one caller."""

    minute: int = 0
    share: int = 0  # of the last lease in this minute
    left: int = 0  # leased and not spent
    leased: int = 0  # by all environments, as of the last lease
    nothing_left_of: int = 0  # the limit that was found used up
    day: int = 0
    answered_today: int = 0  # by all environments, as of the last write
    untold: Usage = field(default_factory=Usage)

    def turn(self, now: float) -> None:
        """Leaves a minute, or a day, that is over."""
        minute, day = int(now // WINDOW_SECONDS), int(now // DAY_SECONDS)
        if minute != self.minute:
            self.minute = minute
            self.share = self.left = self.leased = self.nothing_left_of = 0
        if day != self.day:
            self.day, self.answered_today = day, 0


class Limiter:
    """One execution environment's part in holding the limits."""

    def __init__(self, clock: Callable[[], float] = time) -> None:
        self._clock = clock
        self._accounts: OrderedDict[tuple[str, str], _Account] = OrderedDict()
        self._untold: dict[tuple[str, str], float] = {}  # since when, oldest first
        self._away_until = 0.0

    def admit(self, caller: Caller, *, limit: int) -> Allowance:
        """Spends one request of the caller's, unless its limit or quota refuses it.

        While DynamoDB is away nobody is refused.
        """
        now = self._clock()
        account = self._account(caller)
        account.turn(now)
        quota = caller.daily_quota
        if not self._quota_used_up(account, quota) and account.left == 0:
            self._lease(caller, account, limit, now)
        if self._quota_used_up(account, quota):
            refused, until = f"the daily quota of {quota:,} requests", DAY_SECONDS
        elif account.left == 0 and now >= self._away_until:
            refused, until = f"the limit of {limit:,} requests a minute", WINDOW_SECONDS
        else:
            refused, until = None, 0
            account.left = max(0, account.left - 1)
        return Allowance(
            limit=limit,
            remaining=max(0, limit - account.leased + account.left),
            reset_at=(account.minute + 1) * WINDOW_SECONDS,
            quota_limit=quota,
            quota_used=account.answered_today + account.untold.answered + (refused is None),
            refused=refused,
            retry_after=max(1, ceil(until - now % until)) if refused else 0,
        )

    def record(
        self, caller: Caller, allowance: Allowance, *, ok: bool, size: int, seconds: float
    ) -> None:
        """Counts an answered request, or a refused one; tells of what has waited for long."""
        name = (caller.tenant, caller.key_id)
        untold = self._account(caller).untold
        now = self._clock()
        if allowance.refused:
            untold.rate_limited += 1
        else:
            untold.successful += ok
            untold.failed += not ok
            untold.latency_us += round(seconds * 1_000_000)
            untold.bytes_sent += size
        untold.last_used_at = int(now)
        self._untold.setdefault(name, now)
        oldest, since = next(iter(self._untold.items()))
        if now - since >= TELL_AFTER_SECONDS and now >= self._away_until:
            self._tell(oldest, now)

    def _account(self, caller: Caller) -> _Account:
        name = (caller.tenant, caller.key_id)
        account = self._accounts.setdefault(name, _Account())
        self._accounts.move_to_end(name)
        if len(self._accounts) > MAX_ACCOUNTS:
            dropped, _ = self._accounts.popitem(last=False)
            self._untold.pop(dropped, None)
        return account

    def _quota_used_up(self, account: _Account, quota: int | None) -> bool:
        return quota is not None and account.answered_today + account.untold.answered >= quota

    def _lease(self, caller: Caller, account: _Account, limit: int, now: float) -> None:
        if limit <= account.nothing_left_of or now < self._away_until:
            return
        share = next_share(limit, account.share)
        try:
            leased = usage_table.lease(
                caller.tenant,
                caller.key_id,
                account.untold,
                share=share,
                limit=limit,
                minute=account.minute,
                first=account.share == 0,
                now=int(now),
            )
        except TableUnavailableError as error:
            self._away(error, now)
            return
        if leased is None:
            account.nothing_left_of = account.leased = limit
            return
        account.share, account.left, account.leased = share, leased.granted, leased.leased
        self._told((caller.tenant, caller.key_id), account, leased.answered_today)

    def _tell(self, name: tuple[str, str], now: float) -> None:
        account = self._accounts[name]
        try:
            answered_today = usage_table.add(*name, account.untold, now=int(now))
        except TableUnavailableError as error:
            self._away(error, now)
            return
        account.turn(now)
        self._told(name, account, answered_today)

    def _told(self, name: tuple[str, str], account: _Account, answered_today: int) -> None:
        account.answered_today = answered_today
        account.untold = Usage()
        self._untold.pop(name, None)

    def _away(self, error: TableUnavailableError, now: float) -> None:
        logger.warning("limits are not held for %d seconds: %s", AWAY_SECONDS, error)
        self._away_until = now + AWAY_SECONDS


limiter = Limiter()


def refusal(allowance: Allowance) -> RateLimitedError:
    wait = allowance.retry_after
    return RateLimitedError(f"{allowance.refused} is used up; wait {wait} seconds", wait)


def hold_to_policy(
    tenant: str, namespace: str, policy: MemoryPolicy, what: Literal["stores", "recalls"]
) -> None:
    """Raises RateLimitedError where the policy lets no more of it through in this minute."""
    limit = {
        "stores": policy.rate_limit_stores_per_minute,
        "recalls": policy.rate_limit_recalls_per_minute,
    }[what]
    if not policy.rate_limit_enabled or limit is None:
        return
    # no key's id has a blank
    allowance = limiter.admit(OfNamespace(tenant, f"{what} in {namespace}"), limit=limit)
    if allowance.refused:
        raise refusal(allowance)
