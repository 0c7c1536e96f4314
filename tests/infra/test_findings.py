"""What linters of deployments find, beyond what our code acknowledges with a reason."""

import subprocess
import sys
from pathlib import Path

from tests.infra.conftest import Synthesized

# CDK writes dependencies out even where a reference has them
REDUNDANT_DEPENDS_ON = "W3005"


def test_cdk_nag_finds_nothing_that_is_not_acknowledged(stage: Synthesized) -> None:
    assert stage.findings == []


def test_the_cdk_warns_of_nothing(stage: Synthesized) -> None:
    assert stage.warnings == []


def test_cfn_lint_finds_nothing(stage: Synthesized) -> None:
    templates = [str(stage.path(stack)) for stack in ("Storage", "Api", "Alarms")]
    cfn_lint = str(Path(sys.executable).with_name("cfn-lint"))

    lint = subprocess.run(
        [cfn_lint, "--ignore-checks", REDUNDANT_DEPENDS_ON, "--", *templates],
        capture_output=True,
        text=True,
    )

    assert lint.stdout + lint.stderr == ""
    assert lint.returncode == 0


def test_no_account_and_no_region_is_written_into_a_template(stage: Synthesized) -> None:
    for stack in ("Storage", "Api", "Alarms"):
        text = stage.path(stack).read_text()
        assert "us-east-1" not in text
        assert "AWS::AccountId" in text
