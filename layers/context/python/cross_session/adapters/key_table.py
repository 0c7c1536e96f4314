"""API key records in DynamoDB, found by the hash of their secret, or by tenant and id.

A record is one item under its secret's hash, which is all that is kept of the secret; nothing
here compares secrets. A second item under the tenant, written with it, names the hash.
"""

from typing import TYPE_CHECKING, Any

from boto3.dynamodb.conditions import Key
from botocore.exceptions import ClientError

from cross_session.adapters.table import ConditionFailedError, Item, dynamodb, get_all, items
from cross_session.domain.access import Scope
from cross_session.domain.api_key import ApiKey, secret_hash
from cross_session.errors import ConflictError, NotFoundError

if TYPE_CHECKING:
    from types_boto3_dynamodb.type_defs import TransactWriteItemTypeDef

RESOURCE = "api_key"

_OPTIONAL = ("expires_at", "replaced_by", "rate_limit_per_minute", "daily_quota")
_CURRENT = "attribute_exists(pk) AND active = :true AND attribute_not_exists(replaced_by)"


def put(key: ApiKey, secret: str) -> None:
    _transact(_puts(key, secret))


def find(secret: str) -> ApiKey | None:
    with dynamodb() as table:
        item = table.get_item(Key=_key(secret_hash(secret)), ConsistentRead=True).get("Item")
    return None if item is None else _to_key(item)


def get(tenant: str, key_id: str) -> ApiKey:
    """Raises NotFoundError."""
    with dynamodb() as table:
        found = table.get_item(Key=_key(_hash(tenant, key_id)), ConsistentRead=True).get("Item")
    if found is None:
        raise NotFoundError(RESOURCE)
    return _to_key(found)


def listed(tenant: str) -> list[ApiKey]:
    """All of a tenant's keys, newest first."""
    pointers = items(
        {
            "KeyConditionExpression": Key("pk").eq(_pointer(tenant, "")["pk"]),
            "ConsistentRead": True,
        }
    )
    keys = map(_to_key, get_all(_key(str(pointer["hash"])) for pointer in pointers))
    return sorted(keys, key=lambda key: (key.created_at, key.id), reverse=True)


def change(key: ApiKey, changes: dict[str, Any]) -> ApiKey:
    """Sets fields of an active key; one that becomes None is no longer kept.

    Raises ConflictError for a key that is not active.
    """
    names = {f"#{name}": name for name in changes}
    kept = {name: value for name, value in changes.items() if value is not None}
    sets = ", ".join(f"#{name} = :{name}" for name in kept)
    removes = ", ".join(f"#{name}" for name in changes if name not in kept)
    values = {f":{name}": _plain(value) for name, value in kept.items()}
    try:
        with dynamodb() as table:
            updated = table.update_item(
                Key=_key(_hash(key.tenant, key.id)),
                UpdateExpression=" ".join(
                    filter(None, (sets and f"SET {sets}", removes and f"REMOVE {removes}"))
                ),
                ConditionExpression="attribute_exists(pk) AND active = :true",
                ExpressionAttributeNames=names,
                ExpressionAttributeValues=values | {":true": True},
                ReturnValues="ALL_NEW",
            )
    except ConditionFailedError as error:
        raise ConflictError("this key is not active, so it cannot be changed") from error
    return _to_key(updated["Attributes"])


def replace(old: ApiKey, new: ApiKey, secret: str, *, old_expires_at: int | None) -> None:
    """Puts `new` in the place of `old`, which ends then, or at once with None.

    Raises ConflictError where `old` is not active or has been replaced already.
    """
    ending = "expires_at = :end" if old_expires_at is not None else "active = :end"
    end = False if old_expires_at is None else old_expires_at
    ended: TransactWriteItemTypeDef = {
        "Update": {
            "TableName": "",
            "Key": _key(_hash(old.tenant, old.id)),
            "UpdateExpression": f"SET replaced_by = :new, {ending}",
            "ConditionExpression": _CURRENT,
            "ExpressionAttributeValues": {":new": new.id, ":end": end, ":true": True},
        }
    }
    _transact([ended, *_puts(new, secret)])


def delete(key: ApiKey) -> None:
    hashed = _hash(key.tenant, key.id)
    _transact(
        [
            {"Delete": {"TableName": "", "Key": _key(hashed)}},
            {"Delete": {"TableName": "", "Key": _pointer(key.tenant, key.id)}},
        ]
    )


def _puts(key: ApiKey, secret: str) -> list["TransactWriteItemTypeDef"]:
    hashed = secret_hash(secret)
    return [
        {"Put": {"TableName": "", "Item": {**_key(hashed), **_to_item(key)}}},
        {"Put": {"TableName": "", "Item": {**_pointer(key.tenant, key.id), "hash": hashed}}},
    ]


def _transact(writes: list["TransactWriteItemTypeDef"]) -> None:
    """All of them or none; their table is ours."""
    with dynamodb() as table:
        for write in writes:
            for operation in write.values():
                operation["TableName"] = table.name  # type: ignore[index]
        try:
            table.meta.client.transact_write_items(TransactItems=writes)
        except ClientError as error:
            if error.response["Error"]["Code"] == "TransactionCanceledException":
                raise ConflictError("the key has changed meanwhile; read it again") from error
            raise


def _hash(tenant: str, key_id: str) -> str:
    with dynamodb() as table:
        item = table.get_item(Key=_pointer(tenant, key_id), ConsistentRead=True).get("Item")
    if item is None:
        raise NotFoundError(RESOURCE)
    return str(item["hash"])


def _key(hashed: str) -> dict[str, str]:
    return {"pk": f"KEY#{hashed}", "sk": "KEY"}


def _pointer(tenant: str, key_id: str) -> dict[str, str]:
    return {"pk": f"TENANT_KEYS#{tenant}", "sk": f"KEY#{key_id}"}


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _to_item(key: ApiKey) -> Item:
    item: Item = {
        "id": key.id,
        "tenant": key.tenant,
        "name": key.name,
        "scope": key.scope.label,
        "created_at": key.created_at,
        "active": key.active,
    }
    if key.namespaces is not None:
        item["namespaces"] = list(key.namespaces)
    optional = {name: getattr(key, name) for name in _OPTIONAL}
    return item | {name: value for name, value in optional.items() if value is not None}


def _to_key(item: Item) -> ApiKey:
    def number(name: str) -> int | None:
        return int(item[name]) if name in item else None

    return ApiKey(
        id=item["id"],
        tenant=item["tenant"],
        name=item["name"],
        scope=Scope.of(item["scope"]),
        namespaces=tuple(item["namespaces"]) if "namespaces" in item else None,
        created_at=int(item["created_at"]),
        expires_at=number("expires_at"),
        active=item["active"],
        replaced_by=item.get("replaced_by"),
        rate_limit_per_minute=number("rate_limit_per_minute"),
        daily_quota=number("daily_quota"),
    )
