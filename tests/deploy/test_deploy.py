"""From an empty account to the story's answer, an upgrade, and back to an empty account.

The commands are the README's. The tests stand in the order of an operator's days.
"""

import os
import subprocess
import sys

import httpx
import pytest

from tests.deploy.conftest import ROOT, STAGE, Operator, readme
from tests.deploy.repairs import repair

STACKS = [f"CrossSession-{STAGE}-{name}" for name in ("Storage", "Api", "Alarms")]


@pytest.fixture(scope="module")
def deployed(operator: Operator) -> Operator:
    operator.type(readme("make bootstrap"))
    repair(operator.emulator, STACKS)
    return operator


@pytest.fixture(scope="module")
def key(deployed: Operator) -> str:
    return deployed.type(f"make -s key STAGE={STAGE} ARGS='--name tests --scope admin'").strip()


@pytest.fixture(scope="module")
def url(deployed: Operator) -> str:
    """The deployed API by path: *.localhost is a name that Python doesn't find everywhere."""
    address = deployed.type(f"make -s url STAGE={STAGE}").strip()
    api = httpx.URL(address).host.split(".")[0]
    return f"{deployed.emulator.endpoint}/_aws/execute-api/{api}/$default"


def test_a_newcomer_gets_the_storys_answer_by_the_readmes_commands(deployed: Operator) -> None:
    told = deployed.type(readme("make -s key"))

    assert "Decided to use PostgreSQL" in told.splitlines()[-1]


def test_the_whole_story_and_the_public_sdk_work_against_it(url: str, key: str) -> None:
    ran = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "tests/e2e/test_story.py",
            "tests/e2e/test_dakera_sdk.py",
            "-k",
            "not AsyncDakeraClient",
        ],
        cwd=ROOT,
        env=os.environ | {"BASE_URL": url, "API_KEY": key},
        capture_output=True,
        text=True,
        check=False,
    )

    assert ran.returncode == 0, ran.stdout[-6000:]


def test_a_wrong_key_is_told_so_and_no_key_finds_the_door_shut(url: str) -> None:
    wrong = httpx.get(f"{url}/v1/sessions", headers={"Authorization": "Bearer dk-wrong"})
    none = httpx.get(f"{url}/v1/sessions")

    assert (wrong.status_code, wrong.json()["code"]) == (401, "INVALID_API_KEY")
    assert none.status_code == 401
    assert httpx.get(f"{url}/health").json()["healthy"]


def test_nothing_is_left_to_deploy_after_a_deployment(deployed: Operator) -> None:
    deployed.type(f"make diff STAGE={STAGE}")


def test_an_upgrade_publishes_new_versions_and_keeps_what_was_stored(
    deployed: Operator, url: str, key: str
) -> None:
    headers = {"Authorization": f"Bearer {key}"}
    memory = {"namespace": "upgrade", "content": "The key is under the mat"}
    httpx.post(f"{url}/v1/memory/store", json=memory, headers=headers).raise_for_status()
    before = _live_versions(deployed)

    deployed.settings |= {"oidc_issuer": "https://id.example.com", "oidc_audience": "app"}
    deployed.type(f"make deploy STAGE={STAGE}")

    after = _live_versions(deployed)
    changed = {name for name in before if after[name] != before[name]}
    assert len(changed) == 1, "the issuer concerns the authorizer alone"
    recalled = httpx.post(
        f"{url}/v1/memory/recall", json={"namespace": "upgrade", "query": "key"}, headers=headers
    )
    assert [one["content"] for one in recalled.json()["results"]] == [memory["content"]]
    deployed.type(f"make diff STAGE={STAGE}")


def test_after_a_teardown_the_account_is_empty(deployed: Operator) -> None:
    deployed.type(readme("make destroy"))

    left = deployed.emulator.client("cloudformation").list_stacks(
        StackStatusFilter=["CREATE_COMPLETE", "UPDATE_COMPLETE"]
    )["StackSummaries"]
    assert [stack["StackName"] for stack in left] == ["CDKToolkit"]
    assert deployed.emulator.client("dynamodb").list_tables()["TableNames"] == []
    assert deployed.emulator.client("sqs").list_queues().get("QueueUrls", []) == []


def _live_versions(operator: Operator) -> dict[str, str]:
    """Of each function, the version that its alias serves."""
    functions = operator.emulator.client("lambda")
    names = [one["FunctionName"] for one in functions.list_functions()["Functions"]]
    return {
        name: functions.get_alias(FunctionName=name, Name="live")["FunctionVersion"]
        for name in names
        if name.startswith("cross-session")
    }
