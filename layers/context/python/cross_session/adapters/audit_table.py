"""Audit events in DynamoDB: a collection of items a namespace, in order of time.

The index `by_tenant` lists all of a tenant's, beside its sessions and in partitions of
their own. DynamoDB removes them when their time is over.
"""

import heapq
from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING

from boto3.dynamodb.conditions import Attr, ConditionBase, Key

from cross_session.adapters.table import (
    BY_TENANT,
    TENANT_SHARDS,
    Item,
    dynamodb,
    items,
    shard_of,
)
from cross_session.domain.audit import AuditEvent
from cross_session.settings import audit_settings

if TYPE_CHECKING:
    from types_boto3_dynamodb.type_defs import QueryInputTableQueryTypeDef


def put(event: AuditEvent) -> None:
    item: Item = {
        "pk": _collection(event.tenant, event.namespace),
        "sk": event.id,
        "tenant_shard": _shard(event.tenant, shard_of(event.namespace)),
        "started_key": event.id,
        "tenant": event.tenant,
        "namespace": event.namespace,
        "event_type": event.event_type,
        "actor": event.actor,
        "at_ms": event.at_ms,
        "ttl": event.at_ms // 1000 + audit_settings().kept_days * 86_400,
    }
    if event.memory_ids:
        item["memory_ids"] = list(event.memory_ids)
    if event.session_id is not None:
        item["session_id"] = event.session_id
    if event.importance is not None:
        item["importance"] = Decimal(str(event.importance))
    if event.reason is not None:
        item["reason"] = event.reason
    with dynamodb() as table:
        table.put_item(Item=item)


def newest(
    tenant: str,
    namespace: str | None,
    *,
    event_type: str | None,
    from_ms: int,
    to_ms: int,
    before: str | None,
) -> Iterator[AuditEvent]:
    """Events newest first, of one namespace or, with None, of the whole tenant.

    `from_ms` and `to_ms` are both included. `before` is the id of the last event seen.
    """
    first = f"{from_ms:013d}"
    last = min(f"{to_ms:013d}~", before or "~")  # ~ sorts behind all that an id is made of
    if last <= first:
        return iter(())
    if namespace is not None:
        of_namespace = Key("pk").eq(_collection(tenant, namespace))
        return _before(
            last, _query(None, of_namespace & Key("sk").between(first, last), event_type)
        )
    shards = [
        _query(
            BY_TENANT,
            Key("tenant_shard").eq(_shard(tenant, shard)) & Key("started_key").between(first, last),
            event_type,
        )
        for shard in range(TENANT_SHARDS)
    ]
    return _before(last, heapq.merge(*shards, key=lambda event: event.id, reverse=True))


def _before(last: str, events: Iterator[AuditEvent]) -> Iterator[AuditEvent]:
    """BETWEEN includes both its ends."""
    return (event for event in events if event.id < last)


def _query(
    index: str | None, condition: ConditionBase, event_type: str | None
) -> Iterator[AuditEvent]:
    query: QueryInputTableQueryTypeDef = {
        "KeyConditionExpression": condition,
        "ScanIndexForward": False,
    }
    if index is not None:
        query["IndexName"] = index
    if event_type is not None:
        query["FilterExpression"] = Attr("event_type").eq(event_type)
    return map(_to_event, items(query))


def _collection(tenant: str, namespace: str) -> str:
    return f"AUDIT#{tenant}#{namespace}"


def _shard(tenant: str, shard: int) -> str:
    return f"{tenant}#{shard}#AUDIT"


def _to_event(item: Item) -> AuditEvent:
    return AuditEvent(
        id=item["sk"],
        tenant=item["tenant"],
        namespace=item["namespace"],
        event_type=item["event_type"],
        actor=item["actor"],
        at_ms=int(item["at_ms"]),
        memory_ids=tuple(item.get("memory_ids", ())),
        session_id=item.get("session_id"),
        importance=float(item["importance"]) if "importance" in item else None,
        reason=item.get("reason"),
    )
