"""Each function answers in Lambda's runtime, with its zips and nothing else on the path."""

import json
import shutil
import time
import uuid
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.conftest import Start
from tests.runtime.emulator import Failed, Zips, every_function, started, zips_of
from tests.unit.conftest import caller, request


def post(start: Start, function: str, path: str, body: dict[str, Any]) -> tuple[int, Any]:
    event = request("POST", path, body=json.dumps(body), who=caller())
    answer = start(function).invoke(event)
    return answer["statusCode"], json.loads(answer["body"])


@pytest.mark.parametrize("function", every_function())
def test_a_function_starts(start: Start, function: str) -> None:
    answer = start(function).invoke({})

    assert not isinstance(answer, Failed) or not answer.type.startswith("Runtime."), answer


def test_sessions_starts_a_session(start: Start) -> None:
    status, answer = post(start, "sessions", "/v1/sessions/start", {"namespace": "user-bob"})

    assert (status, answer["session"]["namespace"]) == (201, "user-bob")


def test_memories_recalls_what_it_stored(start: Start) -> None:
    namespace = f"user-{uuid.uuid4().hex}"
    content = "Decided to use PostgreSQL instead of MongoDB for the project"
    stored = {"namespace": namespace, "content": content}
    question = {"namespace": namespace, "query": "Which database did we choose?"}

    assert post(start, "memories", "/v1/memory/store", stored)[0] == 201
    status, answer = post(start, "memories", "/v1/memory/recall", question)

    assert (status, [hit["content"] for hit in answer["results"]]) == (200, [content])


def test_the_authorizer_tells_whose_key_it_is(start: Start, key: str) -> None:
    headers = {"authorization": f"Bearer {key}"}
    event = request("GET", "/v1/sessions", who=None, headers=headers)

    answer = start("authorizer").invoke(event)

    assert (answer["context"]["tenant"], answer["context"]["namespaces"]) == (
        "default",
        '["user-*"]',
    )


def test_expire_deletes_a_memory_past_its_time(start: Start) -> None:
    body = {"namespace": "user-bob", "content": "Back in a second", "ttl_seconds": 1}
    assert post(start, "memories", "/v1/memory/store", body)[0] == 201
    time.sleep(1.1)

    deleted = start("expire").invoke({})["deleted_count"]

    assert deleted >= 1


@pytest.mark.parametrize("path", ["/health", "/openapi.json", "/docs"])
def test_service_answers(start: Start, path: str) -> None:
    assert start("service").invoke(request("GET", path, who=None))["statusCode"] == 200


def test_the_model_is_loaded_before_the_first_request(
    environment: dict[str, str], tmp_path: Path
) -> None:
    nowhere = {**environment, "MODEL_DIR": str(tmp_path)}

    with started("memories", nowhere, folder=tmp_path) as memories:
        answer = memories.invoke(request("GET", "/nowhere", who=caller()))

    assert isinstance(answer, Failed)


def test_a_layer_without_pydantic_is_noticed(environment: dict[str, str], tmp_path: Path) -> None:
    whole = zips_of("service")
    lacking = tmp_path / "dependencies"
    without_pydantic = shutil.ignore_patterns("pydantic")
    shutil.copytree(whole.layers["dependencies"], lacking, ignore=without_pydantic)
    zips = Zips(whole.code, {**whole.layers, "dependencies": lacking})

    with started("service", environment, zips=zips, folder=tmp_path) as service:
        answer = service.invoke(request("GET", "/health", who=None))

    assert isinstance(answer, Failed)
    assert answer.type == "Runtime.ImportModuleError"
    assert "pydantic" in answer.message
