"""A function's cold start loads only what it needs."""

import json
import os
import subprocess
import sys
from functools import cache

import pytest

HEAVY = {"numpy", "onnxruntime", "opensearchpy", "tokenizers"}


@cache
def loaded_by(module: str) -> frozenset[str]:
    """The modules that a fresh interpreter has after importing this one."""
    program = f"import json, sys, {module}; print(json.dumps(list(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    return frozenset(json.loads(done.stdout))


@pytest.mark.parametrize(
    "module",
    ["functions.sessions", "functions.authorizer", "functions.keys", "functions.service"],
)
def test_a_function_without_memories_loads_neither_the_model_nor_the_engines_client(
    module: str,
) -> None:
    assert not HEAVY & loaded_by(module)


@pytest.mark.parametrize("module", ["functions.agents", "functions.expire"])
def test_a_function_that_embeds_nothing_loads_no_model(module: str) -> None:
    assert not {"numpy", "onnxruntime", "tokenizers"} & loaded_by(module)


def test_the_authorizer_loads_no_web_framework() -> None:
    assert not any(
        name.startswith("aws_lambda_powertools") for name in loaded_by("functions.authorizer")
    )


def test_the_authorizer_loads_what_checks_users_tokens_only_for_a_token() -> None:
    assert not {"jwt", "cryptography"} & loaded_by("functions.authorizer")


@pytest.mark.parametrize("module", ["functions.sessions", "functions.authorizer", "functions.keys"])
def test_no_function_loads_what_is_for_this_machine_or_for_deploying(module: str) -> None:
    assert not {"infra", "moto", "aws_cdk"} & loaded_by(module)


def test_a_missing_setting_fails_with_its_name() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "TABLE_NAME"}
    program = "from cross_session.settings import table_settings; table_settings()"

    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True
    )

    assert done.returncode != 0
    assert "TABLE_NAME" in done.stderr
