"""What wakes somebody up, and with which words."""

import json
from typing import Any

import pytest

from infra.routes import FUNCTIONS, QUEUES
from infra.storage import construct_id
from tests.infra.conftest import Synthesized


def alarms_of(stage: Synthesized) -> dict[str, dict[str, Any]]:
    """By id, without the hash at the end."""
    found = stage.resources("Alarms", "CloudWatch::Alarm")
    return {id[:-8]: alarm["Properties"] for id, alarm in found.items()}


@pytest.mark.parametrize(
    "id",
    [
        "AuditFailed",
        "CircuitOpened",
        "ClientErrors",
        "EngineDiskLow",
        "EngineMemoryTight",
        "EngineRed",
        "EngineWritesBlocked",
        "FunctionsThrottled",
        "RecallSlow",
        "ServerErrors",
        "StoreFailed",
        "TableReadsThrottled",
        "TableWritesThrottled",
        *(f"{construct_id(name)}Failing" for name in FUNCTIONS),
        *(
            f"{construct_id(queue.name)}{what}"
            for queue in QUEUES
            for what in ("Waiting", "DeadLetters")
        ),
    ],
)
def test_there_is_an_alarm(stage: Synthesized, id: str) -> None:
    assert id in alarms_of(stage)


def test_prods_key_is_watched(prod: Synthesized) -> None:
    assert {"EngineKMSKeyError", "EngineKMSKeyInaccessible"} <= alarms_of(prod).keys()


def test_every_alarm_is_one_that_an_emulator_takes(stage: Synthesized) -> None:
    assert all("MetricName" in alarm for alarm in alarms_of(stage).values())


def test_every_alarm_tells_what_it_means_and_whom_it_wakes(stage: Synthesized) -> None:
    [topic] = stage.resources("Alarms", "SNS::Topic")

    for alarm in alarms_of(stage).values():
        assert len(alarm["AlarmDescription"]) > 80
        assert alarm["AlarmActions"] == [{"Ref": topic}]
        assert alarm["TreatMissingData"] == "notBreaching"
    assert "AlarmTopicArn" in stage.outputs("Alarms")


@pytest.mark.parametrize(
    ("id", "metric"),
    [
        ("RecallSlow", "RecallLatency"),
        ("StoreFailed", "StoreFailure"),
        ("CircuitOpened", "CircuitOpen"),
        ("AuditFailed", "AuditFailure"),
    ],
)
def test_the_services_own_metrics_are_read_where_functions_write_them(
    stage: Synthesized, id: str, metric: str
) -> None:
    alarm = alarms_of(stage)[id]
    [service] = alarm["Dimensions"]

    written_by = stage.function("memories")["Environment"]["Variables"]
    assert alarm["MetricName"] == metric
    assert alarm["Namespace"] == written_by["POWERTOOLS_METRICS_NAMESPACE"]
    assert service == {"Name": "service", "Value": written_by["POWERTOOLS_SERVICE_NAME"]}


def test_the_engine_is_watched_by_its_name(stage: Synthesized) -> None:
    red = alarms_of(stage)["EngineRed"]
    dimensions = {one["Name"]: one["Value"] for one in red["Dimensions"]}

    assert (red["Namespace"], red["MetricName"]) == ("AWS/ES", "ClusterStatus.red")
    assert dimensions["DomainName"] == f"cross-session-{stage.stage}"


def test_one_dashboard_shows_it_all(stage: Synthesized) -> None:
    [dashboard] = stage.properties("Alarms", "CloudWatch::Dashboard")
    body = json.dumps(dashboard["DashboardBody"])

    for metric in (
        "RecallLatency",
        "StoreFailure",
        "StoreSpilled",
        "CircuitOpen",
        "ApproximateNumberOfMessagesVisible",
        "4xx",
        "5xx",
        "ConsumedWriteCapacityUnits",
        "Duration",
        "FreeStorageSpace",
    ):
        assert metric in body
