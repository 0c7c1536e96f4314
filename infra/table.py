"""The one DynamoDB table: its keys and indexes, as CreateTable takes them, and what expires."""

from typing import Any

TTL_ATTRIBUTE = "ttl"  # Unix seconds

TABLE: dict[str, Any] = {
    "AttributeDefinitions": [
        {"AttributeName": name, "AttributeType": kind}
        for name, kind in {
            "pk": "S",
            "sk": "S",
            "namespace_key": "S",
            "tenant_shard": "S",
            "started_key": "S",
            "sweep_shard": "S",
            "sweep_at": "N",
        }.items()
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
                {"AttributeName": sort, "KeyType": "RANGE"},
            ],
            "Projection": {"ProjectionType": "ALL"},
        }
        for index, key, sort in (
            ("by_namespace", "namespace_key", "started_key"),
            ("by_tenant", "tenant_shard", "started_key"),
            ("by_sweep", "sweep_shard", "sweep_at"),
        )
    ],
    "BillingMode": "PAY_PER_REQUEST",
}
