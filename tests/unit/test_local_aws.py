"""DynamoDB on this machine: what was acknowledged is there after a restart."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import httpx
import pytest
from botocore.exceptions import ClientError

from infra.local.aws import TABLE as TABLE_NAME
from infra.local.aws import LocalAws, environment
from infra.table import TABLE
from tests.killed import killed_once_acknowledged
from tests.ports import free_ports

if TYPE_CHECKING:
    from types_boto3_dynamodb.client import DynamoDBClient

STARTED_AND_WRITTEN_TO = """
import sys
from pathlib import Path

import boto3

from infra.local.aws import TABLE as TABLE_NAME, LocalAws
from infra.table import TABLE

journal, port = Path(sys.argv[1]), int(sys.argv[2])
LocalAws(journal, port=port).start(TABLE)
client = boto3.client("dynamodb", endpoint_url=f"http://127.0.0.1:{port}")
client.put_item(TableName=TABLE_NAME, Item={"pk": {"S": "killed"}, "sk": {"S": "x"}})
print("acknowledged", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "dynamodb.jsonl"


@contextmanager
def running(journal: Path) -> Iterator["DynamoDBClient"]:
    """A client of the service, which ends as by a kill: its memory is gone, nothing is tidied."""
    port = free_ports(1)
    service = LocalAws(journal, port=port).start(TABLE)
    client = boto3.client("dynamodb", endpoint_url=environment(port)["AWS_ENDPOINT_URL"])
    try:
        yield client
    finally:
        client.close()
        httpx.post(f"http://127.0.0.1:{port}/moto-api/reset").raise_for_status()
        threading.Thread(target=service.stop).start()  # its half second is not waited for


def put(client: "DynamoDBClient", pk: str, value: str = "") -> None:
    item = {"pk": {"S": pk}, "sk": {"S": "x"}, "value": {"S": value}}
    client.put_item(TableName=TABLE_NAME, Item=item)


def values(client: "DynamoDBClient") -> dict[str, str]:
    items = client.scan(TableName=TABLE_NAME)["Items"]
    return {item["pk"]["S"]: item["value"]["S"] for item in items}


def test_a_first_start_has_an_empty_table_with_its_indexes(journal: Path) -> None:
    with running(journal) as client:
        table = client.describe_table(TableName=TABLE_NAME)["Table"]

        assert values(client) == {}
        assert {index["IndexName"] for index in table["GlobalSecondaryIndexes"]} == {
            "by_namespace",
            "by_sweep",
            "by_tenant",
        }


def test_nothing_is_there_after_a_restart_but_by_the_journal(journal: Path) -> None:
    with running(journal) as client:
        put(client, "a")

    with running(journal.with_name("another.jsonl")) as client:
        assert values(client) == {}


def test_a_written_item_is_there_after_a_restart(journal: Path) -> None:
    with running(journal) as client:
        put(client, "a", "Überblick\n\u2028")

    with running(journal) as client:
        assert values(client) == {"a": "Überblick\n\u2028"}


def test_a_written_item_is_there_after_many_restarts(journal: Path) -> None:
    for number in range(3):
        with running(journal) as client:
            put(client, str(number))

    with running(journal) as client:
        assert values(client).keys() == {"0", "1", "2"}


def test_an_updated_item_is_there_as_last_updated(journal: Path) -> None:
    with running(journal) as client:
        put(client, "a", "first")
        for _ in range(3):
            client.update_item(
                TableName=TABLE_NAME,
                Key={"pk": {"S": "a"}, "sk": {"S": "x"}},
                UpdateExpression="ADD memory_count :one",
                ExpressionAttributeValues={":one": {"N": "1"}},
            )

    for _ in range(2):
        with running(journal) as client:
            (item,) = client.scan(TableName=TABLE_NAME)["Items"]
            assert item["memory_count"] == {"N": "3"}


def test_a_deleted_item_stays_deleted(journal: Path) -> None:
    with running(journal) as client:
        put(client, "a")
        put(client, "b")
        client.delete_item(TableName=TABLE_NAME, Key={"pk": {"S": "a"}, "sk": {"S": "x"}})

    with running(journal) as client:
        assert values(client).keys() == {"b"}


def test_items_written_many_at_once_are_there_after_a_restart(journal: Path) -> None:
    with running(journal) as client:
        put(client, "gone")
        delete = {"DeleteRequest": {"Key": {"pk": {"S": "gone"}, "sk": {"S": "x"}}}}
        puts = [
            {"PutRequest": {"Item": {"pk": {"S": id}, "sk": {"S": "x"}, "value": {"S": ""}}}}
            for id in ("a", "b")
        ]
        client.batch_write_item(RequestItems={TABLE_NAME: [delete, *puts]})  # type: ignore[list-item]

    with running(journal) as client:
        assert values(client).keys() == {"a", "b"}


def test_a_write_whose_condition_failed_is_not_done_after_a_restart(journal: Path) -> None:
    with running(journal) as client:
        put(client, "a", "first")
        with pytest.raises(ClientError, match="ConditionalCheckFailed"):
            client.put_item(
                TableName=TABLE_NAME,
                Item={"pk": {"S": "a"}, "sk": {"S": "x"}, "value": {"S": "second"}},
                ConditionExpression="attribute_not_exists(pk)",
            )
    assert "second" not in journal.read_text()

    with running(journal) as client:
        assert values(client) == {"a": "first"}


@pytest.mark.parametrize("kept", [1, 20, -1])
def test_a_last_line_that_a_kill_cut_off_is_ignored(journal: Path, kept: int) -> None:
    with running(journal) as client:
        put(client, "a")
        before = journal.read_bytes()
        put(client, "b")
    line = journal.read_bytes().removeprefix(before).rstrip(b"\n")
    journal.write_bytes(before + line[:kept])

    with running(journal) as client:
        assert values(client).keys() == {"a"}
        put(client, "c")
    with running(journal) as client:
        assert values(client).keys() == {"a", "c"}


def test_a_table_of_more_than_one_page_is_there_after_a_restart(journal: Path) -> None:
    with running(journal) as client:
        for number in range(8):
            put(client, str(number), "x" * 300_000)

    for _ in range(2):
        with running(journal) as client:
            pages = client.get_paginator("scan").paginate(TableName=TABLE_NAME)
            assert sum(page["Count"] for page in pages) == 8


def test_a_restart_makes_the_journal_one_line_an_item(journal: Path) -> None:
    with running(journal) as client:
        for number in range(10):
            put(client, "a", str(number))

    with running(journal) as client:
        assert values(client) == {"a": "9"}
        assert len(journal.read_text().splitlines()) == 2


def test_an_acknowledged_write_is_there_after_a_kill(journal: Path) -> None:
    killed_once_acknowledged(STARTED_AND_WRITTEN_TO, journal, free_ports(1))

    with running(journal) as client:
        (item,) = client.scan(TableName=TABLE_NAME)["Items"]
        assert item["pk"] == {"S": "killed"}


def test_a_port_that_is_taken_is_told_as_such(journal: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()

        with pytest.raises(OSError, match="in use"):
            LocalAws(journal, port=taken.getsockname()[1])


def test_the_environment_names_all_that_boto3_and_the_functions_need() -> None:
    assert environment(4_566) == {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:4566",
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_DEFAULT_REGION": "us-east-1",
        "TABLE_NAME": "cross-session",
        "ENDED_SESSIONS_QUEUE_URL": "http://127.0.0.1:4566/123456789012/ended_sessions",
        "ENDED_SESSIONS_DEAD_LETTER_QUEUE_URL": (
            "http://127.0.0.1:4566/123456789012/ended_sessions_dead_letters"
        ),
        "SPILL_QUEUE_URL": "http://127.0.0.1:4566/123456789012/spill.fifo",
        "SPILL_DEAD_LETTER_QUEUE_URL": (
            "http://127.0.0.1:4566/123456789012/spill_dead_letters.fifo"
        ),
    }
