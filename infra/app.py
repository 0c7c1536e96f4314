"""The CDK app: `cdk synth -c stage=dev` runs it, as cdk.json says."""

import sys
from typing import get_args

import aws_cdk as cdk

from infra import build
from infra.alarms import Alarms
from infra.api import Api, Assets
from infra.config import ConfigError, Context, stage_config
from infra.storage import Storage


def add_stacks(app: cdk.App, assets: Assets) -> None:
    """Raises ConfigError where the app's context can't be deployed."""
    config = stage_config(app.node.try_get_context("stage"))
    prefix = f"CrossSession-{config.name}"
    storage = Storage(app, f"{prefix}-Storage", config=config)
    api = Api(
        app,
        f"{prefix}-Api",
        config=config,
        context=Context.of(app.node),
        storage=storage,
        assets=assets,
    )
    Alarms(app, f"{prefix}-Alarms", config=config, storage=storage, api=api)
    for name, value in {"service": "cross-session", "stage": config.name}.items():
        cdk.Tags.of(app).add(name, value)


def main() -> None:
    app = cdk.App()
    architecture = Context.of(app.node).architecture
    stage_config(app.node.try_get_context("stage"))  # before anything is built for it
    build.ensure(architecture, lambda line: print(line, file=sys.stderr))
    layers = {name: build.layer(name, architecture) for name in get_args(build.LayerName)}
    add_stacks(app, Assets(functions=build.functions_code(), layers=layers))
    app.synth()


if __name__ == "__main__":
    try:
        main()
    except ConfigError as error:
        sys.exit(str(error))
