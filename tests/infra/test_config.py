"""What is deployed is chosen by name, and a wrong choice is told at once."""

import subprocess
import sys
from typing import Any

import pytest

from infra.config import STAGES, ConfigError, Context, stage_config
from infra.routes import FUNCTIONS, QUEUES


@pytest.mark.parametrize("name", ["staging", "", None])
def test_an_unknown_stage_is_refused_with_those_there_are(name: str | None) -> None:
    with pytest.raises(ConfigError, match=r"-c stage=dev\|prod"):
        stage_config(name)


def test_the_app_says_which_stage_to_choose_and_builds_nothing() -> None:
    app = subprocess.run(
        [sys.executable, "-m", "infra.app"], capture_output=True, text=True, check=False
    )

    assert app.returncode == 1
    assert "choose the stage by -c stage=dev|prod" in app.stderr
    assert "Traceback" not in app.stderr


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"oidc_issuer": "https://x"}, "oidc_audience"),
        ({"oidc_audience": "x"}, "oidc_issuer"),
        ({"domain_name": "x.example"}, "certificate_arn"),
        ({"hosted_zone_id": "Z1"}, "domain_name"),
        ({"architecture": "mips"}, "arm64 or x86_64"),
        ({"opensearch_scheme": "ftp"}, "https or http"),
    ],
)
def test_a_context_that_cannot_be_deployed_is_refused(given: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        Context(**given)


def test_a_domains_name_is_one_that_opensearch_service_takes() -> None:
    for stage in STAGES.values():
        assert len(stage.engine.name) <= 28


def test_functions_send_only_to_queues_that_there_are() -> None:
    names = {queue.name for queue in QUEUES}

    for function in FUNCTIONS.values():
        assert {*function.sends_to, *function.redrives} <= names
