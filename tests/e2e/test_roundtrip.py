"""What goes in comes out, whatever it is: stored, read, recalled, exported."""

import json
import uuid
from typing import Any

import httpx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cross_session.wire.base import MAX_METADATA_BYTES

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200)
NUMBER = st.integers(-(2**80), 2**80) | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBER | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
METADATA = st.dictionaries(TEXT, JSON, max_size=6).filter(
    lambda metadata: len(json.dumps(metadata)) < MAX_METADATA_BYTES
)
EVERY_LENGTH = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def fresh() -> str:
    return f"test-{uuid.uuid4().hex[:12]}"


def store(http: httpx.Client, namespace: str, **fields: Any) -> dict[str, Any]:
    answer = http.post("/v1/memory/store", json={"namespace": namespace, **fields})
    assert answer.status_code == 201, answer.text
    memory: dict[str, Any] = answer.json()["memory"]
    return memory


@EVERY_LENGTH
@given(
    content=TEXT,
    metadata=METADATA,
    tags=st.lists(TEXT, max_size=4, unique=True),
    importance=st.floats(0, 1),
)
def test_a_memory_reads_as_it_was_written(
    http: httpx.Client,
    content: str,
    metadata: dict[str, Any],
    tags: list[str],
    importance: float,
) -> None:
    namespace = fresh()
    wrote = {
        "content": content,
        "metadata": metadata,
        "tags": tags,
        "importance": importance,
    }

    id = store(http, namespace, **wrote)["id"]

    read = http.get(f"/v1/memory/get/{id}", params={"namespace": namespace}).json()
    (listed,) = http.get(f"/v1/agents/{namespace}/memories").json()
    (recalled,) = http.post(
        "/v1/memory/recall", json={"namespace": namespace, "query": content}
    ).json()["results"]
    for memory in (read, listed, recalled):
        assert json.dumps({name: memory[name] for name in wrote}) == json.dumps(wrote)


@EVERY_LENGTH
@given(contents=st.lists(TEXT, min_size=1, max_size=4, unique=True), metadata=METADATA)
def test_a_file_reads_as_what_was_written(
    http: httpx.Client, contents: list[str], metadata: dict[str, Any]
) -> None:
    namespace = fresh()
    memories = [{"content": content, "metadata": metadata} for content in contents]
    body = {"namespace": namespace, "memories": memories}
    http.post("/v1/memories/store/batch", json=body).raise_for_status()

    for form in ("jsonl", "csv", "mem0", "zep"):
        query = {"namespace": namespace, "format": form}
        exported = http.get("/v1/export", params=query).content
        copy = {"namespace": f"{namespace}-{form}", "format": form}
        files = {"file": ("memories", exported, "application/octet-stream")}
        done = http.post("/v1/import", params=copy, files=files).json()

        assert done["errors"] == []
        again = http.get("/v1/export", params=copy).content
        assert again.replace(f"{namespace}-{form}".encode(), namespace.encode()) == exported
        listed = http.get(f"/v1/agents/{namespace}-{form}/memories").json()
        assert [memory["content"] for memory in reversed(listed)] == contents
