"""What became of each import, kept for a week among its namespace's items."""

import json
from typing import Any

from cross_session.adapters import namespace_table
from cross_session.adapters.table import Item, dynamodb
from cross_session.errors import NotFoundError

KEPT_SECS = 7 * 86_400


def put(tenant: str, namespace: str, job_id: str, status: dict[str, Any], *, now: int) -> None:
    """`status` is JSON, and as the caller is told it."""
    item: Item = {"status": json.dumps(status, ensure_ascii=False), "ttl": now + KEPT_SECS}
    with dynamodb() as table:
        table.put_item(Item=_key(tenant, namespace, job_id) | item)


def get(tenant: str, namespace: str, job_id: str) -> dict[str, Any]:
    """Raises NotFoundError."""
    with dynamodb() as table:
        item = table.get_item(Key=_key(tenant, namespace, job_id)).get("Item")
    if item is None:
        raise NotFoundError("job")
    status: dict[str, Any] = json.loads(str(item["status"]))
    return status


def _key(tenant: str, namespace: str, job_id: str) -> dict[str, str]:
    return {"pk": namespace_table.collection(tenant, namespace), "sk": f"IMPORT#{job_id}"}
