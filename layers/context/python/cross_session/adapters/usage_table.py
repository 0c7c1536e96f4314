"""What each key and user has used, in DynamoDB: an item a day.

The item also has the current minute (`minute`, since 1970) and how many of its requests have
been leased to execution environments (`leased`), so that a lease and what was counted since the
last one are one write.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from boto3.dynamodb.conditions import Key

from cross_session.adapters.table import ConditionFailedError, Item, dynamodb, items
from cross_session.domain.usage import DAY_SECONDS, Usage

KEPT_DAYS = 90

_COUNTS = ("successful", "failed", "rate_limited", "bytes_sent", "latency_us")
_BEGIN = "attribute_not_exists(#minute) OR #minute < :minute"
_JOIN = "#minute >= :minute AND #leased <= :most"  # later: another environment's clock is ahead


@dataclass(frozen=True, slots=True)
class Lease:
    """`granted` requests are the caller's; all environments together have `leased`."""

    granted: int
    leased: int
    answered_today: int


def lease(
    tenant: str,
    key_id: str,
    since_last: Usage,
    *,
    share: int,
    limit: int,
    minute: int,
    first: bool,
    now: int,
) -> Lease | None:
    """Takes `share` of the minute's `limit`, or one where that much is not left; None: nothing.

    `first`: this environment has no lease in this minute yet. What was counted `since_last` is
    written with it; nothing is where there is no lease. Raises TableUnavailableError.
    """
    if first:
        begun = {"minute": minute, "leased": min(share, limit)}
        try:
            return _leased(
                begun["leased"],
                _update(tenant, key_id, since_last, now, {":minute": minute}, _BEGIN, begun),
            )
        except ConditionFailedError:
            pass
    for part in dict.fromkeys((share, 1)):
        values = {":minute": minute, ":most": limit - part}
        try:
            return _leased(
                part, _update(tenant, key_id, since_last, now, values, _JOIN, {}, leased=part)
            )
        except ConditionFailedError:
            continue
    return None


def add(tenant: str, key_id: str, used: Usage, *, now: int) -> int:
    """Counts what was used; the requests answered today. Raises TableUnavailableError."""
    return _used(_update(tenant, key_id, used, now, {}, "", {})).answered


def total(tenant: str, key_id: str) -> Usage:
    """Of the last `KEPT_DAYS` days."""
    summed = Usage()
    of_all_days = Key("pk").eq(_key(tenant, key_id, 0)["pk"])
    for item in items({"KeyConditionExpression": of_all_days}):
        day = _used(item)
        for count in _COUNTS:
            setattr(summed, count, getattr(summed, count) + getattr(day, count))
        summed.last_used_at = day.last_used_at  # days are in order
    return summed


def _update(
    tenant: str,
    key_id: str,
    used: Usage,
    now: int,
    values: dict[str, int],
    condition: str,
    sets: dict[str, int],
    *,
    leased: int = 0,
) -> Item:
    sets = sets | {
        "last_used_at": used.last_used_at or now,
        "ttl": now + KEPT_DAYS * DAY_SECONDS,
    }
    adds = {name: getattr(used, name) for name in _COUNTS} | {"leased": leased}
    adds = {name: count for name, count in adds.items() if count}
    expression = "SET " + ", ".join(f"#{name} = :{name}" for name in sets)
    if adds:
        expression += " ADD " + ", ".join(f"#{name} :{name}" for name in adds)
    names = {*sets, *adds} | ({"minute", "leased"} if ":most" in values else set())
    names |= {"minute"} if ":minute" in values else set()
    with dynamodb() as table:
        updated = table.update_item(
            Key=_key(tenant, key_id, now),
            UpdateExpression=expression,
            ExpressionAttributeNames={f"#{name}": name for name in names},
            ExpressionAttributeValues={
                **values,
                **{f":{name}": value for name, value in (sets | adds).items()},
            },
            ReturnValues="ALL_NEW",
            **({"ConditionExpression": condition} if condition else {}),  # type: ignore[arg-type]
        )
    return updated["Attributes"]


def _leased(granted: int, item: Item) -> Lease:
    return Lease(granted, int(item["leased"]), _used(item).answered)


def _used(item: Item) -> Usage:
    counts = {name: int(item.get(name, 0)) for name in _COUNTS}
    return Usage(**counts, last_used_at=int(item["last_used_at"]))


def _key(tenant: str, key_id: str, now: int) -> dict[str, str]:
    day = datetime.fromtimestamp(now, UTC).date().isoformat()
    return {"pk": f"USAGE#{tenant}#{key_id}", "sk": f"DAY#{day}"}
