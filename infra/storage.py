"""What the service keeps."""

from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb
from constructs import Construct

from infra.table import TABLE


class Storage(cdk.Stack):
    """The table, which a deployment never deletes."""

    def __init__(self, scope: Construct, id: str, **options: Any) -> None:
        super().__init__(scope, id, **options)
        types = {
            one["AttributeName"]: one["AttributeType"] for one in TABLE["AttributeDefinitions"]
        }

        def attribute(name: str) -> dynamodb.Attribute:
            return dynamodb.Attribute(name=name, type=_TYPES[types[name]])

        partition, sort = (key["AttributeName"] for key in TABLE["KeySchema"])
        self.table = dynamodb.TableV2(
            self,
            "Table",
            partition_key=attribute(partition),
            sort_key=attribute(sort),
            global_secondary_indexes=[
                dynamodb.GlobalSecondaryIndexPropsV2(
                    index_name=index["IndexName"],
                    partition_key=attribute(index["KeySchema"][0]["AttributeName"]),
                    sort_key=attribute(index["KeySchema"][1]["AttributeName"]),
                )
                for index in TABLE["GlobalSecondaryIndexes"]
            ],
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            deletion_protection=True,
            removal_policy=cdk.RemovalPolicy.RETAIN,
        )


_TYPES = {"S": dynamodb.AttributeType.STRING}
