"""Functions that nothing but a person starts, as a deployed stage has them."""

import json
from collections.abc import Callable
from typing import Any

from infra.outputs import output

Invoke = Callable[[dict[str, Any]], dict[str, Any]]

TIMEOUT_SECONDS = 900  # a Lambda function's longest


class InvocationError(RuntimeError):
    """The function failed; the message is its error's."""


def deployed(stage: str, named_by: str) -> Invoke:
    """The function that the stage's output of that name names. Raises NotDeployedError."""
    import boto3
    from botocore.config import Config

    name = output(stage, named_by)
    # an event must not be sent again while the first is at work
    config = Config(read_timeout=TIMEOUT_SECONDS, retries={"total_max_attempts": 1})
    functions = boto3.client("lambda", config=config)

    def invoke(event: dict[str, Any]) -> dict[str, Any]:
        answer = functions.invoke(FunctionName=name, Payload=json.dumps(event))
        said: dict[str, Any] = json.load(answer["Payload"])
        if "FunctionError" in answer:
            raise InvocationError(f"{said.get('errorType')}: {said.get('errorMessage')}")
        return said

    return invoke
