"""What is known of a namespace in DynamoDB: that it is there, who speaks in it, its policy.

The index `by_tenant` lists a tenant's namespaces by name, spread over `TENANT_SHARDS` like its
sessions; it is eventually consistent, usually within a second.
"""

import heapq
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from time import monotonic, time
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.conditions import Attr, Key

from cross_session.adapters.table import (
    BY_TENANT,
    TENANT_SHARDS,
    ConditionFailedError,
    dynamodb,
    items,
    shard_of,
)
from cross_session.domain.policy import MemoryPolicy

if TYPE_CHECKING:
    from types_boto3_dynamodb.type_defs import QueryInputTableQueryTypeDef

MAX_ACTORS = 200
_CONSOLIDATIONS = "CONSOLIDATIONS"
_FRESH_SECONDS = 5
_KEPT = 10_000
_LISTED = (
    "SET tenant_shard = :shard, started_key = :name, created_at = if_not_exists(created_at, :now)"
)


@dataclass(frozen=True, slots=True)
class Namespace:
    """`there` is false for one that nobody stored into; it has no actors and the default policy."""

    there: bool = False
    actors: frozenset[str] = frozenset()
    policy: MemoryPolicy = field(default_factory=MemoryPolicy)


_known: dict[tuple[str, str], tuple[float, Namespace]] = {}


def get(tenant: str, namespace: str) -> Namespace:
    """The namespace as it stands."""
    with dynamodb() as table:
        item = table.get_item(Key=_key(tenant, namespace), ConsistentRead=True).get("Item")
    return _keep(tenant, namespace, item)


def recent(tenant: str, namespace: str) -> Namespace:
    """The namespace as known at most `_FRESH_SECONDS` ago."""
    known = _known.get((tenant, namespace))
    return known[1] if known and known[0] > monotonic() else get(tenant, namespace)


def actors(tenant: str, namespace: str) -> frozenset[str]:
    """Who speaks there, as known at most `_FRESH_SECONDS` ago."""
    return recent(tenant, namespace).actors


def add_actors(tenant: str, namespace: str, spoke: Iterable[str]) -> None:
    """Writes down who is new there; past `MAX_ACTORS` nobody is."""
    _, known = _known.get((tenant, namespace), (0, Namespace()))
    new = set(spoke) - known.actors
    if not new:
        return
    with suppress(ConditionFailedError), dynamodb() as table:
        updated = table.update_item(
            Key=_key(tenant, namespace),
            UpdateExpression=f"{_LISTED} ADD actors :new",
            ConditionExpression="attribute_not_exists(actors) OR size(actors) < :most",
            ExpressionAttributeValues=_listed(tenant, namespace)
            | {":new": new, ":most": MAX_ACTORS},
            ReturnValues="ALL_NEW",
        )
        _keep(tenant, namespace, updated["Attributes"])


def create(tenant: str, namespace: str) -> bool:
    """Lists the namespace from now on; False where it was there already."""
    try:
        with dynamodb() as table:
            created = table.update_item(
                Key=_key(tenant, namespace),
                UpdateExpression=_LISTED,
                ConditionExpression="attribute_not_exists(pk)",
                ExpressionAttributeValues=_listed(tenant, namespace),
                ReturnValues="ALL_NEW",
            )
    except ConditionFailedError:
        return False
    _keep(tenant, namespace, created["Attributes"])
    return True


def set_policy(tenant: str, namespace: str, policy: MemoryPolicy) -> MemoryPolicy:
    """Puts the policy in place of the present one, and returns it with the service's own count."""
    settings = asdict(policy)
    del settings["consolidated_count"]
    with dynamodb() as table:
        updated = table.update_item(
            Key=_key(tenant, namespace),
            UpdateExpression=f"{_LISTED}, policy = :policy",
            ExpressionAttributeValues=_listed(tenant, namespace)
            | {":policy": json.dumps(settings)},
            ReturnValues="ALL_NEW",
        )
    if policy.consolidation_enabled:
        _plan(tenant, namespace, int(time()))
    return _keep(tenant, namespace, updated["Attributes"]).policy


def due(now: int) -> Iterator[tuple[str, str]]:
    """The tenants and namespaces that are to be consolidated by now."""
    query: QueryInputTableQueryTypeDef = {
        "KeyConditionExpression": Key("pk").eq(_CONSOLIDATIONS),
        "FilterExpression": Attr("next_at").lte(now),
    }
    for item in items(query):
        yield item["tenant"], item["namespace"]


def consolidated(tenant: str, namespace: str, count: int, *, next_at: int) -> None:
    """Counts the memories that a consolidation took out of recall, and plans the next one."""
    with suppress(ConditionFailedError), dynamodb() as table:
        table.update_item(
            Key=_key(tenant, namespace),
            UpdateExpression="ADD consolidated_count :count",
            ConditionExpression="attribute_exists(pk)",
            ExpressionAttributeValues={":count": count},
        )
    _plan(tenant, namespace, next_at)


def cancel(tenant: str, namespace: str) -> None:
    """Plans no more consolidation."""
    with dynamodb() as table:
        table.delete_item(Key=_consolidation_key(tenant, namespace))


def _plan(tenant: str, namespace: str, next_at: int) -> None:
    with dynamodb() as table:
        table.put_item(
            Item={
                **_consolidation_key(tenant, namespace),
                "tenant": tenant,
                "namespace": namespace,
                "next_at": next_at,
            }
        )


def _consolidation_key(tenant: str, namespace: str) -> dict[str, str]:
    return {"pk": _CONSOLIDATIONS, "sk": f"{tenant}#{namespace}"}


def listed(tenant: str, *, prefix: str = "") -> Iterator[str]:
    """The names of the tenant's namespaces that begin so, in order."""
    shards = [_shard(tenant, number, prefix) for number in range(TENANT_SHARDS)]
    return heapq.merge(*shards)


def _shard(tenant: str, number: int, prefix: str) -> Iterator[str]:
    condition = Key("tenant_shard").eq(_tenant_shard(tenant, number))
    query: QueryInputTableQueryTypeDef = {
        "IndexName": BY_TENANT,
        "KeyConditionExpression": condition & Key("started_key").begins_with(prefix)
        if prefix
        else condition,
    }
    for item in items(query):
        yield item["started_key"]


def _listed(tenant: str, namespace: str) -> dict[str, Any]:
    return {
        ":shard": _tenant_shard(tenant, shard_of(namespace)),
        ":name": namespace,
        ":now": int(time()),
    }


def _tenant_shard(tenant: str, number: int) -> str:
    return f"{tenant}#namespaces#{number}"


def delete_all(tenant: str, namespace: str) -> int:
    """Deletes every item that the namespace has of its own, and tells how many that was."""
    deleted = 0
    while True:
        with dynamodb() as table:
            items = table.query(
                KeyConditionExpression=Key("pk").eq(collection(tenant, namespace)),
                ProjectionExpression="pk, sk",
                ConsistentRead=True,
            )["Items"]
            with table.batch_writer() as batch:
                for item in items:
                    batch.delete_item(Key=item)
        if not items:
            _known.pop((tenant, namespace), None)
            return deleted
        deleted += len(items)


def is_empty(tenant: str, namespace: str) -> bool:
    with dynamodb() as table:
        found = table.query(
            KeyConditionExpression=Key("pk").eq(collection(tenant, namespace)),
            Limit=1,
            ConsistentRead=True,
        )
    return found["Count"] == 0


def collection(tenant: str, namespace: str) -> str:
    """The partition key of all that is kept of a namespace itself."""
    return f"NAMESPACE#{tenant}#{namespace}"


def _keep(tenant: str, namespace: str, item: Mapping[str, Any] | None) -> Namespace:
    if len(_known) >= _KEPT:
        _known.clear()
    found = _to_namespace(item)
    _known[tenant, namespace] = (monotonic() + _FRESH_SECONDS, found)
    return found


def _to_namespace(item: Mapping[str, Any] | None) -> Namespace:
    if item is None:
        return Namespace()
    settings = json.loads(item.get("policy", "{}"))
    count = int(item.get("consolidated_count", 0))
    return Namespace(
        there=True,
        actors=frozenset(item.get("actors", ())),
        policy=MemoryPolicy(**settings, consolidated_count=count),
    )


def _key(tenant: str, namespace: str) -> dict[str, str]:
    return {"pk": collection(tenant, namespace), "sk": "NAMESPACE"}
