"""The DynamoDB table: what its definition and its failures mean."""

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from moto import mock_aws

from cross_session.adapters import session_table
from cross_session.adapters.table import BY_TENANT, ConditionFailedError, Item, dynamodb
from cross_session.errors import TableUnavailableError
from cross_session.timing import reset, server_timing, spent_ms
from infra.table import TABLE


def test_the_table_has_the_indexes_that_sessions_are_found_by() -> None:
    indexes = {index["IndexName"] for index in TABLE["GlobalSecondaryIndexes"]}

    assert indexes == {
        session_table.BY_NAMESPACE,
        session_table.BY_SWEEP,
        BY_TENANT,
    }


def test_the_table_defines_no_attribute_that_no_key_uses() -> None:
    schemas = [
        TABLE["KeySchema"],
        *(index["KeySchema"] for index in TABLE["GlobalSecondaryIndexes"]),
    ]
    used = {key["AttributeName"] for schema in schemas for key in schema}

    assert {one["AttributeName"] for one in TABLE["AttributeDefinitions"]} == used


@pytest.mark.usefixtures("table")
def test_a_condition_that_fails_tells_what_stands_there() -> None:
    stands: Item = {"pk": "a", "sk": "b", "count": 3}
    with dynamodb() as table:
        table.put_item(Item=stands)

    with pytest.raises(ConditionFailedError) as failed, dynamodb() as table:
        table.put_item(
            Item={"pk": "a", "sk": "b"},
            ConditionExpression="attribute_not_exists(pk)",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )

    assert failed.value.item == stands


@pytest.mark.usefixtures("table")
def test_a_condition_that_fails_on_nothing_tells_so() -> None:
    with pytest.raises(ConditionFailedError) as failed, dynamodb() as table:
        table.update_item(
            Key={"pk": "a", "sk": "b"},
            UpdateExpression="SET x = :x",
            ConditionExpression="attribute_exists(pk)",
            ExpressionAttributeValues={":x": 1},
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )

    assert failed.value.item is None


@pytest.mark.parametrize(
    "code", ["ThrottlingException", "ProvisionedThroughputExceededException", "InternalServerError"]
)
def test_a_table_that_throttles_or_fails_is_unavailable(code: str) -> None:
    with pytest.raises(TableUnavailableError), dynamodb():
        raise ClientError({"Error": {"Code": code}}, "PutItem")


def test_a_table_that_does_not_answer_is_unavailable() -> None:
    with pytest.raises(TableUnavailableError), dynamodb():
        raise EndpointConnectionError(endpoint_url="http://localhost")


def test_a_mistake_of_ours_is_not_called_an_outage() -> None:
    with mock_aws(), pytest.raises(ClientError), dynamodb() as table:
        table.get_item(Key={"pk": "there is no table"})


@pytest.mark.usefixtures("table")
def test_time_spent_in_the_table_is_counted_and_told() -> None:
    reset()

    with dynamodb() as table:
        table.get_item(Key={"pk": "a", "sk": "b"})

    assert spent_ms("dynamodb") > 0
    assert server_timing().startswith("dynamodb;dur=")
