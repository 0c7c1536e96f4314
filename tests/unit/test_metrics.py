"""What alarms look at is on stdout where a namespace is set, and nowhere else."""

import json
from typing import Any

import pytest

from cross_session import metrics


@pytest.fixture(autouse=True)
def no_namespace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("POWERTOOLS_METRICS_NAMESPACE", raising=False)


def emitted(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_count_is_a_line_of_the_embedded_metric_format(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "CrossSession")
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "memories")

    metrics.count("StoreSpilled", 3)

    [line] = emitted(capsys)
    [told] = line["_aws"]["CloudWatchMetrics"]
    assert (told["Namespace"], told["Dimensions"]) == ("CrossSession", [["service"]])
    assert told["Metrics"] == [{"Name": "StoreSpilled", "Unit": "Count"}]
    assert (line["service"], line["StoreSpilled"]) == ("memories", [3.0])


def test_a_latency_is_in_milliseconds(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "CrossSession")

    with metrics.measured("RecallLatency"):
        pass

    [line] = emitted(capsys)
    assert line["_aws"]["CloudWatchMetrics"][0]["Metrics"] == [
        {"Name": "RecallLatency", "Unit": "Milliseconds"}
    ]
    assert 0 <= line["RecallLatency"][0] < 1_000


def test_what_fails_has_no_latency(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "CrossSession")

    with pytest.raises(ValueError), metrics.measured("RecallLatency"):
        raise ValueError

    assert emitted(capsys) == []


def test_nothing_is_written_without_a_namespace(capsys: pytest.CaptureFixture[str]) -> None:
    metrics.count("CircuitOpen")
    with metrics.measured("RecallLatency"):
        pass

    assert emitted(capsys) == []
