"""What a namespace is known by, in DynamoDB: the people who speak in its memories."""

from collections.abc import Iterable
from contextlib import suppress
from time import monotonic

from cross_session.adapters.table import ConditionFailedError, dynamodb

MAX_ACTORS = 200
_FRESH_SECONDS = 30
_KEPT = 10_000

_known: dict[tuple[str, str], tuple[float, frozenset[str]]] = {}


def actors(tenant: str, namespace: str) -> frozenset[str]:
    """Who speaks there, as known at most half a minute ago."""
    known = _known.get((tenant, namespace))
    if known and known[0] > monotonic():
        return known[1]
    with dynamodb() as table:
        item = table.get_item(Key=_key(tenant, namespace)).get("Item", {})
    return _keep(tenant, namespace, item.get("actors", ()))  # type: ignore[arg-type]


def add_actors(tenant: str, namespace: str, spoke: Iterable[str]) -> None:
    """Writes down who is new there; past `MAX_ACTORS` nobody is."""
    _, known = _known.get((tenant, namespace), (0, frozenset[str]()))
    new = set(spoke) - known
    if not new:
        return
    with suppress(ConditionFailedError), dynamodb() as table:
        updated = table.update_item(
            Key=_key(tenant, namespace),
            UpdateExpression="ADD actors :new",
            ConditionExpression="attribute_not_exists(actors) OR size(actors) < :most",
            ExpressionAttributeValues={":new": new, ":most": MAX_ACTORS},
            ReturnValues="ALL_NEW",
        )
        _keep(tenant, namespace, updated["Attributes"]["actors"])  # type: ignore[arg-type]


def _keep(tenant: str, namespace: str, names: Iterable[str]) -> frozenset[str]:
    if len(_known) >= _KEPT:
        _known.clear()
    found = frozenset(names)
    _known[tenant, namespace] = (monotonic() + _FRESH_SECONDS, found)
    return found


def _key(tenant: str, namespace: str) -> dict[str, str]:
    return {"pk": f"NAMESPACE#{tenant}#{namespace}", "sk": "NAMESPACE"}
