"""What was forgotten, in DynamoDB, so that a write which SQS still holds doesn't bring it back."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from boto3.dynamodb import conditions

from cross_session.adapters.table import dynamodb, items
from cross_session.domain.memory import Memory
from cross_session.domain.selection import Selection

if TYPE_CHECKING:
    from types_boto3_dynamodb.type_defs import QueryInputTableQueryTypeDef

Key = dict[str, str]

KEPT_SECS = 30 * 86_400  # SQS keeps a message 14 days, and a dead letter 14 more


def put(tenant: str, namespace: str, selection: Selection, *, at_ns: int) -> Key:
    """Says that what is selected and was accepted before `at_ns` is forgotten."""
    key: Key = {"pk": _partition(tenant, namespace), "sk": f"{at_ns:020d}#{uuid4().hex}"}
    with dynamodb() as table:
        table.put_item(
            Item={
                **key,
                "selection": json.dumps(asdict(selection), ensure_ascii=False),
                "ttl": at_ns // 10**9 + KEPT_SECS,
            }
        )
    return key


def withdraw(key: Key) -> None:
    """Unsays it."""
    with dynamodb() as table:
        table.delete_item(Key=key)


def covers(memory: Memory) -> bool:
    """Whether the memory, as it was accepted at its `written_at`, was forgotten since."""
    query: QueryInputTableQueryTypeDef = {
        "KeyConditionExpression": conditions.Key("pk").eq(
            _partition(memory.tenant, memory.namespace)
        )
        & conditions.Key("sk").gt(f"{memory.written_at:020d}#"),
        "ConsistentRead": True,
    }
    return any(_selection(str(item["selection"])).selects(memory) for item in items(query))


def _partition(tenant: str, namespace: str) -> str:
    return f"FORGOTTEN#{tenant}#{namespace}"


def _selection(text: str) -> Selection:
    fields: dict[str, Any] = json.loads(text)
    return Selection(**fields)
