"""What a deployed stage is called: `python -m infra.outputs dev ApiUrl`, after `make deploy`."""

import json
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / ".local"


class NotDeployedError(RuntimeError):
    """The stage was not deployed from this folder, or has no such output."""


def output(stage: str, name: str) -> str:
    """The value of a stack's output as the last deployment from this folder wrote it down.

    Raises NotDeployedError.
    """
    file = FOLDER / f"outputs-{stage}.json"
    try:
        stacks: dict[str, dict[str, str]] = json.loads(file.read_text())
    except FileNotFoundError as error:
        raise NotDeployedError(
            f"stage {stage} was not deployed from this folder: run make deploy STAGE={stage}"
        ) from error
    outputs = {name: value for stack in stacks.values() for name, value in stack.items()}
    if name not in outputs:
        raise NotDeployedError(f"stage {stage} has no {name}; it has {', '.join(sorted(outputs))}")
    return outputs[name]


if __name__ == "__main__":
    try:
        print(output(*sys.argv[1:]))
    except NotDeployedError as error:
        sys.exit(str(error))
