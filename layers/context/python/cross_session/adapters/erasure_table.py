"""Erasures in DynamoDB: one record a namespace, of the one under way or the last."""

from dataclasses import asdict

from cross_session.adapters.table import dynamodb
from cross_session.domain.erasure import Erasure
from cross_session.settings import audit_settings


def find(tenant: str, namespace: str) -> Erasure | None:
    with dynamodb() as table:
        item = table.get_item(Key=_key(tenant, namespace), ConsistentRead=True).get("Item")
    if item is None:
        return None
    return Erasure(
        receipt_id=str(item["receipt_id"]),
        namespace=namespace,
        requested_at=int(item["requested_at"]),  # type: ignore[arg-type]
        erased_at=None if item["erased_at"] is None else int(item["erased_at"]),  # type: ignore[arg-type]
        sessions=int(item["sessions"]),  # type: ignore[arg-type]
        memories=int(item["memories"]),  # type: ignore[arg-type]
        records=int(item["records"]),  # type: ignore[arg-type]
    )


def put(tenant: str, erasure: Erasure) -> None:
    ttl = erasure.requested_at + audit_settings().kept_days * 86_400
    with dynamodb() as table:
        table.put_item(Item=_key(tenant, erasure.namespace) | asdict(erasure) | {"ttl": ttl})


def _key(tenant: str, namespace: str) -> dict[str, str]:
    return {"pk": f"ERASURE#{tenant}#{namespace}", "sk": "ERASURE"}
