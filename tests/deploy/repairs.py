"""What the emulator's CloudFormation drops from the template, set through the services' own APIs.

Each repair is one thing that AWS does and ministack 1.5.33 does not; without these the deployed
stack would not be the one that the template describes.
"""

import json
from typing import Any

from tests.deploy.emulator import Emulator


def repair(emulator: Emulator, stacks: list[str]) -> None:
    """Applies every repair; a repeat changes nothing."""
    for stack in stacks:
        physical = {
            one["LogicalResourceId"]: one["PhysicalResourceId"]
            for one in emulator.client("cloudformation").list_stack_resources(StackName=stack)[
                "StackResourceSummaries"
            ]
        }
        for logical, resource in _template(emulator, stack)["Resources"].items():
            properties = resource.get("Properties", {})
            if resource["Type"] == "AWS::DynamoDB::GlobalTable":
                _repair_table(emulator, physical[logical], properties)
            if resource["Type"] == "AWS::ApiGatewayV2::Api":
                _repair_cors(emulator, physical[logical], properties["CorsConfiguration"])


def _template(emulator: Emulator, stack: str) -> dict[str, Any]:
    body = emulator.client("cloudformation").get_template(StackName=stack)["TemplateBody"]
    template: dict[str, Any] = body if isinstance(body, dict) else json.loads(body)
    return template


def _repair_table(emulator: Emulator, name: str, properties: dict[str, Any]) -> None:
    dynamodb = emulator.client("dynamodb")
    wanted = properties["TimeToLiveSpecification"]
    present = dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    if present["TimeToLiveStatus"] == "DISABLED":
        dynamodb.update_time_to_live(
            TableName=name,
            TimeToLiveSpecification={"Enabled": True, "AttributeName": wanted["AttributeName"]},
        )
    [replica] = properties["Replicas"]
    dynamodb.update_continuous_backups(
        TableName=name,
        PointInTimeRecoverySpecification={
            "PointInTimeRecoveryEnabled": replica["PointInTimeRecoverySpecification"][
                "PointInTimeRecoveryEnabled"
            ]
        },
    )


def _repair_cors(emulator: Emulator, api: str, wanted: dict[str, Any]) -> None:
    emulator.client("apigatewayv2").update_api(ApiId=api, CorsConfiguration=wanted)
