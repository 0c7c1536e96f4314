import json
from pathlib import Path

import pytest

from infra import outputs
from infra.outputs import NotDeployedError, output


def test_a_deployed_stage_says_what_it_is_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outputs, "FOLDER", tmp_path)
    stacks = {
        "CrossSession-dev-Storage": {"TableName": "table-1"},
        "CrossSession-dev-Api": {"ApiUrl": "https://one.example"},
    }
    (tmp_path / "outputs-dev.json").write_text(json.dumps(stacks))

    assert output("dev", "ApiUrl") == "https://one.example"
    assert output("dev", "TableName") == "table-1"
    with pytest.raises(NotDeployedError, match="it has ApiUrl, TableName"):
        output("dev", "Nonsense")


def test_a_stage_that_is_not_deployed_names_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outputs, "FOLDER", tmp_path)

    with pytest.raises(NotDeployedError, match="make deploy STAGE=prod"):
        output("prod", "ApiUrl")
