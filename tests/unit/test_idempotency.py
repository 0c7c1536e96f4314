"""A request repeated with its Idempotency-Key is answered as the first time, and done once."""

import json
from secrets import token_hex
from time import time
from typing import Any

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError

from cross_session.adapters import idempotency_table, session_table
from cross_session.adapters.table import dynamodb
from cross_session.domain.session import Session
from cross_session.settings import table_settings
from functions import sessions
from tests.unit.conftest import Answer, caller, calls, stored_items

pytestmark = pytest.mark.usefixtures("table")

call = calls(sessions)
BODY = {"namespace": "user-bob", "metadata": {"topic": "Überblick"}}


def start(body: object = BODY, *, key: str | None = "7f2c", **options: Any) -> Answer:
    headers = {} if key is None else {"idempotency-key": key}
    return call("POST", "/v1/sessions/start", body, headers=headers, **options)


def records() -> list[dict[str, Any]]:
    return [item for item in stored_items() if item["sk"] == {"S": "IDEMPOTENCY"}]


def started() -> list[str]:
    return [item["id"]["S"] for item in stored_items() if item["sk"] == {"S": "SESSION"}]


def let_claims_run_out() -> None:
    """As if the functions that made them had died a while ago."""
    for record in records():
        boto3.client("dynamodb").put_item(
            TableName=table_settings().name, Item=record | {"in_progress_expiration": {"N": "1"}}
        )


def die(*_: object) -> None:
    raise SystemExit


def away(*_: object, **__: object) -> Session:
    with dynamodb():
        raise EndpointConnectionError(endpoint_url="https://dynamodb")


def test_a_repeat_gets_the_first_answer_and_is_told_that_it_is_one() -> None:
    first = start()

    second = start()

    assert (second.status, second.body) == (201, first.body)
    assert "Idempotency-Replayed" not in first.headers
    assert second.headers["Idempotency-Replayed"] == "true"
    assert second.headers["Content-Type"] == first.headers["Content-Type"]
    assert "Server-Timing" in second.headers


def test_every_kind_of_write_honours_the_key() -> None:
    session = start(key=None).body["session"]["id"]
    headers = {"idempotency-key": "k"}

    ends = [
        call("POST", f"/v1/sessions/{session}/end", {"summary": "done"}, headers=headers)
        for _ in range(2)
    ]

    assert ends[0].body == ends[1].body
    assert ends[1].headers["Idempotency-Replayed"] == "true"


@pytest.mark.parametrize("other", [{"namespace": "user-bob"}, BODY | {"idle_timeout_secs": 5}])
def test_the_key_of_another_request_is_refused(other: dict[str, Any]) -> None:
    start()

    answer = start(other)

    assert (answer.status, answer.code) == (422, "UNPROCESSABLE_CONTENT")
    assert "Idempotency-Key" in answer.body["detail"]
    assert len(started()) == 1


def test_a_key_counts_within_its_api_key() -> None:
    first = start(who=caller())

    second = start(who={**caller(), "key_id": "key_2"})

    assert "Idempotency-Replayed" not in second.headers
    assert first.status == second.status == 201


def test_a_key_counts_within_its_path() -> None:
    session = start(key="k").body["session"]["id"]

    touched = call("POST", f"/v1/sessions/{session}/touch", headers={"idempotency-key": "k"})

    assert touched.status == 200
    assert "Idempotency-Replayed" not in touched.headers


def test_a_request_without_a_key_leaves_no_record() -> None:
    start(key=None)

    assert records() == []


def test_a_read_with_a_key_leaves_no_record() -> None:
    call("GET", "/v1/sessions", headers={"idempotency-key": "7f2c"})

    assert records() == []


def test_a_record_goes_after_a_day() -> None:
    start()

    [record] = records()

    assert int(record["ttl"]["N"]) - idempotency_table.KEPT_SECS == pytest.approx(time(), abs=5)


@pytest.mark.parametrize("key", ["", "x" * 257, "käse", "a\tb"])
def test_a_bad_key_is_refused_by_the_headers_name(key: str) -> None:
    answer = start(key=key)

    assert (answer.status, answer.code) == (400, "INVALID_REQUEST")
    assert answer.body["errors"][0]["field"] == "Idempotency-Key"
    assert stored_items() == []


def test_the_longest_key_is_taken() -> None:
    assert start(key="x" * 256).status == 201


def test_a_refused_request_can_be_put_right_under_its_key() -> None:
    assert start({"namespace": "not a namespace"}).status == 400

    assert start().status == 201


def test_a_request_that_failed_runs_when_it_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as failing:
        failing.setattr(session_table, "create", away)
        assert start().status == 503

    again = start()

    assert again.status == 201
    assert "Idempotency-Replayed" not in again.headers


def test_an_unexpected_failure_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_session: Session) -> Session:
        raise ValueError

    with monkeypatch.context() as failing:
        failing.setattr(session_table, "create", fail)
        assert start().status == 500

    assert start().status == 201


def test_a_repeat_of_a_request_in_progress_is_told_to_come_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    create = session_table.create
    meanwhile: list[Answer] = []

    def create_while_repeated(session: Session) -> Session:
        meanwhile.append(start())
        return create(session)

    monkeypatch.setattr(session_table, "create", create_while_repeated)

    first = start()

    assert first.status == 201
    assert (meanwhile[0].status, meanwhile[0].headers["Retry-After"]) == (503, "1")
    assert start().body == first.body


def test_a_request_whose_function_died_runs_again_once_its_time_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as dying, pytest.raises(SystemExit):
        dying.setattr(idempotency_table, "keep", die)
        start()
    assert start().status == 503

    let_claims_run_out()
    again = start()

    assert again.status == 201
    assert started() == [again.body["session"]["id"]]


def test_an_answer_that_cannot_be_kept_is_given_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(idempotency_table, "keep", away)

    assert start().status == 201


def test_no_request_is_answered_while_its_key_cannot_be_claimed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(idempotency_table, "claim", away)

    assert start().status == 503
    assert started() == []


def test_an_answer_of_a_megabyte_is_kept_where_it_compresses() -> None:
    request = idempotency_request()
    answer = {"statusCode": 201, "headers": {}, "body": json.dumps(["a memory"] * 100_000)}
    idempotency_table.claim(request, remaining_ms=1_000)

    idempotency_table.keep(request, answer)

    assert idempotency_table.claim(request, remaining_ms=1_000) == answer


def test_an_answer_that_no_item_holds_is_worked_out_again() -> None:
    request = idempotency_request()
    noise = token_hex(500_000)
    idempotency_table.claim(request, remaining_ms=1_000)

    idempotency_table.keep(request, {"statusCode": 201, "headers": {}, "body": noise})

    assert idempotency_table.claim(request, remaining_ms=1_000) is None


def idempotency_request() -> idempotency_table.Request:
    return {
        "tenant": "acme",
        "key_id": "key_1",
        "method": "POST",
        "path": "/v1/memories/store/batch",
        "idempotency_key": "7f2c",
        "query": "",
        "body": "{}",
    }
