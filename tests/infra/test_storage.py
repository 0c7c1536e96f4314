"""What a deployment must not lose."""

import aws_cdk as cdk
import pytest
from aws_cdk.assertions import Match, Template

from infra.storage import Storage
from infra.table import TABLE


@pytest.fixture(scope="module")
def template() -> Template:
    return Template.from_stack(Storage(cdk.App(), "Storage"))


def test_the_table_can_be_brought_back_and_not_deleted(template: Template) -> None:
    template.has_resource(
        "AWS::DynamoDB::GlobalTable",
        {
            "DeletionPolicy": "Retain",
            "Properties": {
                "Replicas": [
                    Match.object_like(
                        {
                            "DeletionProtectionEnabled": True,
                            "PointInTimeRecoverySpecification": {
                                "PointInTimeRecoveryEnabled": True
                            },
                        }
                    )
                ]
            },
        },
    )


def test_the_deployed_table_has_the_keys_of_the_local_one(template: Template) -> None:
    template.has_resource_properties(
        "AWS::DynamoDB::GlobalTable",
        {
            "KeySchema": TABLE["KeySchema"],
            "GlobalSecondaryIndexes": TABLE["GlobalSecondaryIndexes"],
            "BillingMode": TABLE["BillingMode"],
        },
    )
