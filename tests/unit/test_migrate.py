"""`make migrate STAGE=…`: the deployed function, invoked until it is done."""

import io
import json
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws
from moto.awslambda_simple.models import lambda_simple_backends
from moto.core.models import DEFAULT_ACCOUNT_ID as ACCOUNT_ID

from infra import migrate, outputs

ROLE = {
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ]
}
Run = Callable[..., None]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Run]:
    """Runs the command against a stack whose function gives these answers, one after another."""
    with mock_aws(config={"lambda": {"use_docker": False}}):
        role = boto3.client("iam").create_role(
            RoleName="migrate", AssumeRolePolicyDocument=json.dumps(ROLE)
        )["Role"]["Arn"]
        code = io.BytesIO()
        with zipfile.ZipFile(code, "w") as archive:
            archive.writestr("lambda_function.py", "")
        boto3.client("lambda").create_function(
            FunctionName="the-function",
            Runtime="python3.13",
            Role=role,
            Handler="lambda_function.handler",
            Code={"ZipFile": code.getvalue()},
        )
        stacks = {"CrossSession-dev-Api": {"MigrateIndexFunction": "the-function"}}
        (tmp_path / "outputs-dev.json").write_text(json.dumps(stacks))
        monkeypatch.setattr(outputs, "FOLDER", tmp_path)

        def run(*answers: dict[str, Any], arguments: tuple[str, ...] = ()) -> None:
            results = [json.dumps(answer) for answer in answers]
            backend = lambda_simple_backends[ACCOUNT_ID]["us-east-1"]
            backend.lambda_simple_results_queue += results
            monkeypatch.setattr(sys, "argv", ["migrate", "--stage", "dev", *arguments])
            migrate.main()

        yield run


def test_it_tells_how_far_it_is_until_all_is_done(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    run(
        {"state": "copying", "copied": 1_500, "total": 3_000},
        {"state": "blocked", "copied": 3_000, "total": 3_000},
        {"state": "moved", "copied": 3_000, "total": 3_000},
        {"state": "done", "copied": 0, "total": 0},
    )

    assert capsys.readouterr().out.splitlines() == [
        "copying: 1,500 of 3,000 memories",
        "blocked: 3,000 of 3,000 memories",
        "moved: 3,000 of 3,000 memories",
        "done: the index in use is as the code wants it",
    ]


def test_a_failure_ends_it_with_what_to_do_next(run: Run) -> None:
    with pytest.raises(SystemExit, match="--drop-others"):
        run({"state": "x" * 7_000_000})  # which Lambda doesn't let pass


def test_an_engine_that_is_away_is_asked_again(
    run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrate, "SECONDS_BETWEEN_TRIES", 0)

    run({"state": "waiting", "copied": 0, "total": 0}, {"state": "done", "copied": 0, "total": 0})

    assert capsys.readouterr().out.startswith("waiting for the engine")


def test_it_tells_which_indexes_it_dropped(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    run({"dropped": ["memories-v1-000001"]}, arguments=("--drop-others",))

    assert capsys.readouterr().out == "dropped: memories-v1-000001\n"


def test_a_stage_that_is_not_deployed_is_told_in_a_sentence(
    run: Run,
) -> None:
    with pytest.raises(SystemExit, match="make deploy STAGE=moon"):
        run(arguments=("--stage", "moon"))
