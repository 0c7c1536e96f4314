"""API key records in DynamoDB, found by the hash of their secret."""

from cross_session.adapters.table import Item, dynamodb
from cross_session.domain.access import Scope
from cross_session.domain.api_key import ApiKey, secret_hash


def put(key: ApiKey, secret: str) -> None:
    item: Item = {
        **_key(secret),
        "id": key.id,
        "tenant": key.tenant,
        "name": key.name,
        "scope": key.scope.label,
        "created_at": key.created_at,
        "active": key.active,
    }
    if key.namespaces is not None:
        item["namespaces"] = list(key.namespaces)
    if key.expires_at is not None:
        item["expires_at"] = key.expires_at
    with dynamodb() as table:
        table.put_item(Item=item)


def find(secret: str) -> ApiKey | None:
    with dynamodb() as table:
        item = table.get_item(Key=_key(secret), ConsistentRead=True).get("Item")
    if item is None:
        return None
    return ApiKey(
        id=str(item["id"]),
        tenant=str(item["tenant"]),
        name=str(item["name"]),
        scope=Scope.of(str(item["scope"])),
        namespaces=tuple(item["namespaces"]) if "namespaces" in item else None,  # type: ignore[arg-type]
        created_at=int(item["created_at"]),  # type: ignore[arg-type]
        expires_at=int(item["expires_at"]) if "expires_at" in item else None,  # type: ignore[arg-type]
        active=bool(item["active"]),
    )


def _key(secret: str) -> dict[str, str]:
    return {"pk": f"KEY#{secret_hash(secret)}", "sk": "KEY"}
