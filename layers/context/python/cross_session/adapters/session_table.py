"""Session records in DynamoDB.

A record is found by its id; the index `by_namespace` lists a namespace's newest first, and
`by_tenant` all of a tenant's, spread over `TENANT_SHARDS` so that no one partition takes
every write. `by_sweep` has those, of all tenants, that somebody must look at again, by when:
an open session at its idle deadline, an ended one until it is consolidated, and once more
when it is old. The indexes are eventually consistent, usually within a second.
"""

import heapq
import json
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.conditions import Attr, ConditionBase, Key

from cross_session.adapters.table import (
    BY_TENANT,
    TENANT_SHARDS,
    ConditionFailedError,
    Item,
    dynamodb,
    get_all,
    items,
    shard_of,
)
from cross_session.domain.session import Session
from cross_session.errors import ConflictError, NotFoundError

if TYPE_CHECKING:
    from types_boto3_dynamodb.type_defs import QueryInputTableQueryTypeDef

BY_NAMESPACE = "by_namespace"
BY_SWEEP = "by_sweep"
SWEEP_SHARDS = 8

_NEVER_IDLE_SECS = 10**10
_OPEN = "attribute_exists(pk) AND attribute_not_exists(ended_at) AND idle_deadline_at > :now"
_COUNT = "ADD memory_count :count, count_version :one"
_ACTIVITY = (
    "SET last_activity_at = :now, idle_deadline_at = idle_after_secs + :now,"
    " sweep_at = idle_after_secs + :now"
)
_AT_ONCE = 0
_CONSOLIDATION_SECS = 15 * 60  # then a session whose message was lost is looked at


def create(session: Session) -> Session:
    """Stores a new session. Where one stands under its id already, that one is returned."""
    try:
        with dynamodb() as table:
            table.put_item(
                Item=_to_item(session),
                ConditionExpression="attribute_not_exists(pk)",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
    except ConditionFailedError as error:
        return _found(error.item)
    return session


def get(tenant: str, session_id: str) -> Session:
    """The record as it stands; `Session.as_of` tells whether it fell idle since.

    Raises NotFoundError.
    """
    with dynamodb() as table:
        return _found(table.get_item(Key=_key(tenant, session_id), ConsistentRead=True).get("Item"))


def find(tenant: str, session_id: str) -> Session | None:
    """The record, or None where there is none."""
    try:
        return get(tenant, session_id)
    except NotFoundError:
        return None


def end(
    tenant: str,
    session_id: str,
    *,
    summary: str | None,
    auto_summarize: bool = True,
    now: int,
) -> Session:
    """Ends an open session; one that has ended, or fallen idle, stays as it was.

    Raises NotFoundError.
    """
    expression = (
        "SET ended_at = :now, ended_reason = :client, auto_summarize = :auto, sweep_at = :sweep"
    )
    values: dict[str, Any] = {
        ":now": now,
        ":client": "client",
        ":auto": auto_summarize,
        ":sweep": now + _CONSOLIDATION_SECS,
    }
    if summary is not None:
        expression += ", summary = :summary"
        values[":summary"] = summary
    try:
        return _update(tenant, session_id, expression, values, condition=_OPEN)
    except ConditionFailedError as error:
        return _found(error.item).as_of(now)


def end_idle(tenant: str, session_id: str, *, now: int) -> bool:
    """Ends for good a session that fell idle; False where it did not, or has ended already."""
    try:
        _update(
            tenant,
            session_id,
            "SET ended_at = idle_deadline_at, ended_reason = :idle",
            {":idle": "idle", ":now": now},
            condition="attribute_not_exists(ended_at) AND idle_deadline_at <= :now",
        )
    except ConditionFailedError as error:
        if error.item is not None and "ended_at" not in error.item:
            with suppress(ConditionFailedError):
                _update(
                    tenant,
                    session_id,
                    "SET sweep_at = idle_deadline_at",
                    {":now": now},
                    condition="attribute_not_exists(ended_at) AND idle_deadline_at > :now",
                )
        return False
    return True


def due(*, now: int, limit: int) -> Iterator[Session]:
    """About `limit` sessions that must be looked at by now, the longest due first of each shard."""
    for shard in range(SWEEP_SHARDS):
        with dynamodb() as table:
            page = table.query(
                IndexName=BY_SWEEP,
                KeyConditionExpression=Key("sweep_shard").eq(str(shard)) & Key("sweep_at").lte(now),
                Limit=-(-limit // SWEEP_SHARDS),
            )
        yield from map(_to_session, page["Items"])


def put_off(tenant: str, session_id: str, *, until: int, now: int) -> None:
    """Has a session that is due looked at again then; one that is no longer due stays so."""
    with suppress(ConditionFailedError):
        _update(
            tenant,
            session_id,
            "SET sweep_at = :until",
            {":until": until, ":now": now},
            condition="sweep_at <= :now",
        )


def claim(tenant: str, namespace: str, session_id: str, *, until: int) -> Session:
    """An ended session, to be looked at again only then unless something changes in it.

    Raises NotFoundError where the namespace has no such session, or it is open.
    """
    try:
        return _update(
            tenant,
            session_id,
            "SET sweep_at = :until",
            {":until": until, ":owner": _owner(tenant, namespace)},
            condition="namespace_key = :owner AND attribute_exists(ended_at)",
        )
    except ConditionFailedError as error:
        raise NotFoundError("session") from error


def consolidated(
    tenant: str, session_id: str, *, claimed: int, now: int, look_again_at: int | None
) -> None:
    """Writes down that a session was; to be looked at again then, or with None never.

    Where something changed since the claim, it stays due.
    """
    again = "SET sweep_at = :again," if look_again_at is not None else "REMOVE sweep_at SET"
    values = {":now": now, ":claimed": claimed}
    if look_again_at is not None:
        values[":again"] = look_again_at
    with suppress(ConditionFailedError):
        _update(
            tenant,
            session_id,
            f"{again} consolidated_at = :now",
            values,
            condition="sweep_at = :claimed",
        )


def look_again(tenant: str, session_id: str) -> None:
    """Has a session looked at by the next sweep. Raises NotFoundError."""
    _set(tenant, session_id, "SET sweep_at = :at_once", {":at_once": _AT_ONCE})


def keep_unsummarized(tenant: str, session_id: str) -> None:
    """Has no summary made of a session any more. Raises NotFoundError."""
    _set(tenant, session_id, "SET auto_summarize = :auto", {":auto": False})


def _set(tenant: str, session_id: str, expression: str, values: dict[str, Any]) -> None:
    try:
        _update(tenant, session_id, expression, values, condition="attribute_exists(pk)")
    except ConditionFailedError as error:
        raise NotFoundError("session") from error


def touch(tenant: str, session_id: str, *, now: int) -> Session:
    """Moves an open session's idle deadline; never reopens one. Raises NotFoundError."""
    try:
        return _update(tenant, session_id, _ACTIVITY, {":now": now}, condition=_OPEN)
    except ConditionFailedError as error:
        return _found(error.item).as_of(now)


def add_memories(
    tenant: str,
    namespace: str,
    session_id: str,
    *,
    count: int,
    now: int,
    last_said: str | None = None,
) -> Session:
    """Counts memories stored with a session, and keeps what the last one said if given.

    In an open session that is activity too. Raises NotFoundError where the namespace has no
    such session.
    """
    said, said_value = _last_said(last_said)
    try:
        return _update(
            tenant,
            session_id,
            f"{_ACTIVITY}{said and f', {said}'} {_COUNT}",
            {
                ":now": now,
                ":count": count,
                ":one": 1,
                ":owner": _owner(tenant, namespace),
                **said_value,
            },
            condition=f"{_OPEN} AND namespace_key = :owner",
        )
    except ConditionFailedError:
        return _add_to_count(tenant, namespace, session_id, count, last_said).as_of(now)


def change_count(tenant: str, namespace: str, session_id: str, *, by: int) -> Session:
    """Counts memories that came or went without the session's own activity.

    Raises NotFoundError where the namespace has no such session.
    """
    return _add_to_count(tenant, namespace, session_id, by, None)


def counted(tenant: str, namespace: str, session_id: str) -> tuple[int, int]:
    """The memories that a session was told of, and the version that `set_count` names.

    Raises NotFoundError where the namespace has no such session.
    """
    with dynamodb() as table:
        item = table.get_item(Key=_key(tenant, session_id), ConsistentRead=True).get("Item")
    if item is None or item["namespace"] != namespace:
        raise NotFoundError("session")
    return int(item["memory_count"]), int(item.get("count_version", 0))  # type: ignore[arg-type]


def set_count(
    tenant: str, namespace: str, session_id: str, count: int, *, version: int, now_ns: int
) -> bool:
    """Sets what was counted in the index; False where somebody counted since `version`."""
    try:
        _update(
            tenant,
            session_id,
            "SET memory_count = :count, recounted_at_ns = :now ADD count_version :one",
            {
                ":count": count,
                ":now": now_ns,
                ":one": 1,
                ":version": version,
                ":owner": _owner(tenant, namespace),
            },
            condition=(
                "namespace_key = :owner"
                " AND (attribute_not_exists(count_version) OR count_version = :version)"
            ),
        )
    except ConditionFailedError:
        return False
    return True


def newest(
    tenant: str,
    namespace: str | None,
    *,
    active_only: bool = False,
    now: int,
) -> Iterator[Session]:
    """Sessions newest first, of one namespace or, with None, of the whole tenant."""
    if namespace is not None:
        of_namespace = Key("namespace_key").eq(_owner(tenant, namespace))
        return _query(BY_NAMESPACE, of_namespace, active_only, now)
    shards = [
        _query(BY_TENANT, Key("tenant_shard").eq(f"{tenant}#{shard}"), active_only, now)
        for shard in range(TENANT_SHARDS)
    ]
    return heapq.merge(*shards, key=_started_key, reverse=True)


def check() -> None:
    """Raises TableUnavailableError where no session could be read now."""
    find("", "health")


def oldest_first(
    tenant: str, namespace: str, *, after: str = "", now: int
) -> Iterator[tuple[str, Session]]:
    """A namespace's sessions, each with its place, from behind the place `after` on."""
    condition = Key("namespace_key").eq(_owner(tenant, namespace)) & Key("started_key").gt(
        after or "0"
    )
    for session in _query(BY_NAMESPACE, condition, False, now, forward=True):
        yield _started_key(session), session


def find_all(tenant: str, ids: Iterable[str]) -> dict[str, Session]:
    """Those of the tenant's sessions that are there, by id."""
    found = map(_to_session, get_all(_key(tenant, id) for id in ids))
    return {session.id: session for session in found}


def restore(session: Session) -> None:
    """Writes the record as it is, over one that stands in its namespace.

    Raises ConflictError where another namespace of the tenant holds the id.
    """
    item = _to_item(session)
    ended = {
        "ended_at": session.ended_at,
        "ended_reason": session.ended_reason,
        "summary": session.summary,
        "last_said": session.last_said,
    }
    try:
        with dynamodb() as table:
            table.put_item(
                Item=item | {name: value for name, value in ended.items() if value is not None},
                ConditionExpression="attribute_not_exists(pk) OR namespace_key = :owner",
                ExpressionAttributeValues={":owner": item["namespace_key"]},
            )
    except ConditionFailedError as error:
        raise ConflictError(f"the session id {session.id} was taken meanwhile; repeat") from error


def delete_all(sessions: Iterable[Session]) -> None:
    with dynamodb() as table, table.batch_writer() as batch:
        for session in sessions:
            batch.delete_item(Key=_key(session.tenant, session.id))


def _add_to_count(
    tenant: str, namespace: str, session_id: str, change: int, last_said: str | None
) -> Session:
    said, said_value = _last_said(last_said)
    try:
        return _update(
            tenant,
            session_id,
            f"SET sweep_at = :at_once{said and f', {said}'} {_COUNT}",
            {
                ":at_once": _AT_ONCE,
                ":count": change,
                ":one": 1,
                ":owner": _owner(tenant, namespace),
                **said_value,
            },
            condition="namespace_key = :owner",
        )
    except ConditionFailedError as error:
        raise NotFoundError("session") from error


def _last_said(last_said: str | None) -> tuple[str, dict[str, str]]:
    return ("last_said = :said", {":said": last_said}) if last_said else ("", {})


def _query(
    index: str, condition: ConditionBase, active_only: bool, now: int, *, forward: bool = False
) -> Iterator[Session]:
    query: QueryInputTableQueryTypeDef = {
        "IndexName": index,
        "KeyConditionExpression": condition,
        "ScanIndexForward": forward,
    }
    if active_only:
        query["FilterExpression"] = Attr("ended_at").not_exists() & Attr("idle_deadline_at").gt(now)
    for item in items(query):
        yield _to_session(item).as_of(now)


def _update(
    tenant: str, session_id: str, expression: str, values: dict[str, Any], *, condition: str
) -> Session:
    with dynamodb() as table:
        updated = table.update_item(
            Key=_key(tenant, session_id),
            UpdateExpression=expression,
            ConditionExpression=condition,
            ExpressionAttributeValues=values,
            ReturnValues="ALL_NEW",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    return _to_session(updated["Attributes"])


def _key(tenant: str, session_id: str) -> dict[str, str]:
    return {"pk": f"SESSION#{tenant}#{session_id}", "sk": "SESSION"}


def _owner(tenant: str, namespace: str) -> str:
    return f"{tenant}#{namespace}"


def _started_key(session: Session) -> str:
    return f"{session.started_at_ms:015d}#{session.id}"


def _found(item: Item | None) -> Session:
    if item is None:
        raise NotFoundError("session")
    return _to_session(item)


def _to_item(session: Session) -> Item:
    idle_after = session.idle_timeout_secs or _NEVER_IDLE_SECS
    return {
        **_key(session.tenant, session.id),
        "id": session.id,
        "tenant": session.tenant,
        "namespace": session.namespace,
        "namespace_key": _owner(session.tenant, session.namespace),
        "tenant_shard": f"{session.tenant}#{shard_of(session.id)}",
        "started_key": _started_key(session),
        "started_at_ms": session.started_at_ms,
        "last_activity_at": session.last_activity_at,
        "idle_timeout_secs": session.idle_timeout_secs,
        "idle_after_secs": idle_after,
        "idle_deadline_at": session.last_activity_at + idle_after,
        "metadata": json.dumps(session.metadata, ensure_ascii=False),
        "memory_count": session.memory_count,
        "sweep_shard": str(zlib.crc32(session.id.encode()) // TENANT_SHARDS % SWEEP_SHARDS),
        "sweep_at": session.last_activity_at + idle_after,
    }


def _to_session(item: Item) -> Session:
    return Session(
        id=item["id"],
        tenant=item["tenant"],
        namespace=item["namespace"],
        started_at_ms=int(item["started_at_ms"]),
        last_activity_at=int(item["last_activity_at"]),
        idle_timeout_secs=int(item["idle_timeout_secs"]),
        metadata=json.loads(item["metadata"]),
        memory_count=int(item["memory_count"]),
        ended_at=int(item["ended_at"]) if "ended_at" in item else None,
        ended_reason=item.get("ended_reason"),
        summary=item.get("summary"),
        last_said=item.get("last_said"),
        auto_summarize=item.get("auto_summarize", True),
        consolidated_at=int(item["consolidated_at"]) if "consolidated_at" in item else None,
        recounted_at_ns=int(item.get("recounted_at_ns", 0)),
    )
