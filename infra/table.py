"""The one DynamoDB table: its keys and indexes, as CreateTable takes them, and what expires."""

from typing import Any

TTL_ATTRIBUTE = "ttl"  # Unix seconds

TABLE: dict[str, Any] = {
    "AttributeDefinitions": [
        {"AttributeName": name, "AttributeType": "S"}
        for name in ("pk", "sk", "namespace_key", "tenant_shard", "started_key")
    ],
    "KeySchema": [
        {"AttributeName": "pk", "KeyType": "HASH"},
        {"AttributeName": "sk", "KeyType": "RANGE"},
    ],
    "GlobalSecondaryIndexes": [
        {
            "IndexName": index,
            "KeySchema": [
                {"AttributeName": key, "KeyType": "HASH"},
                {"AttributeName": "started_key", "KeyType": "RANGE"},
            ],
            "Projection": {"ProjectionType": "ALL"},
        }
        for index, key in (("by_namespace", "namespace_key"), ("by_tenant", "tenant_shard"))
    ],
    "BillingMode": "PAY_PER_REQUEST",
}
