"""What a user sees of consolidation: a session ends, and some time later there is its summary."""

import time
from typing import Any

import httpx
import pytest

PATIENCE_SECS = 60
LONG_AGO = 1_600_000_000
SAID = [
    "Decided to use PostgreSQL instead of MongoDB for the project.",
    "The API design phase is completed, and implementation starts on Monday.",
    "The cloud may cost at most 300 euros a month.",
]


def ended(http: httpx.Client, namespace: str, *, at: int | None = None, **end: Any) -> str:
    """A session in which SAID was said, then or just now; its id."""
    started = http.post("/v1/sessions/start", json={"namespace": namespace}).json()
    session_id: str = started["session"]["id"]
    memories = [
        {"content": content, "session_id": session_id, "importance": 0.8, "event_time": at}
        for content in SAID
    ]
    stored = {"namespace": namespace, "memories": memories}
    http.post("/v1/memories/store/batch", json=stored).raise_for_status()
    http.post(f"/v1/sessions/{session_id}/end", json=end).raise_for_status()
    return session_id


def listed(http: httpx.Client, namespace: str, **params: Any) -> list[dict[str, Any]]:
    answer = http.get(f"/v1/agents/{namespace}/memories", params=params)
    memories: list[dict[str, Any]] = answer.raise_for_status().json()
    return memories


def summary_in(http: httpx.Client, namespace: str) -> dict[str, Any]:
    """The namespace's one summary, once it is there and what it says of its session holds."""
    deadline = time.monotonic() + PATIENCE_SECS
    while time.monotonic() < deadline:
        if summaries := listed(http, namespace, memory_type="summary"):
            (summary,) = summaries
            return summary
        time.sleep(0.2)
    raise TimeoutError("there was no summary")


def recalled(http: httpx.Client, namespace: str, query: str) -> list[dict[str, Any]]:
    body = {"namespace": namespace, "query": query, "top_k": 10}
    results: list[dict[str, Any]] = http.post("/v1/memory/recall", json=body).json()["results"]
    return results


def test_a_session_that_ended_has_a_summary_soon_after(http: httpx.Client, namespace: str) -> None:
    session_id = ended(http, namespace)

    summary = summary_in(http, namespace)

    assert summary["session_id"] == session_id
    assert SAID[0] in summary["content"]
    ids = {memory["id"] for memory in listed(http, namespace)}
    assert set(summary["metadata"]["source_memory_ids"]) <= ids
    assert http.get(f"/v1/sessions/{session_id}").json()["memory_count"] == len(SAID) == len(ids)
    page = http.get(f"/v1/sessions/{session_id}/memories").json()
    assert page["total"] == len(SAID)
    derived = http.get(f"/v1/sessions/{session_id}/memories?include_derived=true").json()
    assert derived["total"] == len(SAID) + 1


def test_an_overview_recalls_the_summary_and_a_specific_question_the_detail(
    http: httpx.Client, namespace: str
) -> None:
    ended(http, namespace, at=LONG_AGO)
    summary = summary_in(http, namespace)
    deadline = time.monotonic() + PATIENCE_SECS
    while {one["covered_by"] for one in listed(http, namespace)} != {summary["id"]}:
        assert time.monotonic() < deadline
        time.sleep(0.2)

    overview = recalled(http, namespace, "How is the project going?")
    specific = recalled(http, namespace, "How much may the cloud cost?")

    assert overview[0]["id"] == summary["id"]
    assert {one["content"] for one in overview} == {summary["content"], *SAID}
    assert specific[0]["content"] == SAID[2]
    assert all(one["memory_type"] != "summary" for one in specific)


def test_forgetting_a_summary_undoes_it(http: httpx.Client, namespace: str) -> None:
    ended(http, namespace, at=LONG_AGO)
    summary = summary_in(http, namespace)

    forget = {"namespace": namespace, "memory_ids": [summary["id"]]}
    assert http.post("/v1/memory/forget", json=forget).json() == {"deleted_count": 1}

    left = listed(http, namespace, include_derived=True)
    assert sorted(one["content"] for one in left) == sorted(SAID)
    assert {one["covered_by"] for one in left} == {None}


def test_named_memories_are_summed_up_in_one(http: httpx.Client, namespace: str) -> None:
    ended(http, namespace, auto_summarize=False)
    ids = [memory["id"] for memory in listed(http, namespace)]

    summed = http.post(
        "/v1/knowledge/summarize", json={"agent_id": namespace, "memory_ids": ids}
    ).json()

    made = http.get(f"/v1/memory/get/{summed['new_memory_id']}?agent_id={namespace}").json()
    assert summed["source_count"] == len(ids)
    assert made["content"] == summed["summary"]
    assert made["memory_type"] == "semantic"
    assert set(made["metadata"]["source_memory_ids"]) <= set(ids)


@pytest.mark.parametrize("ids", [[], ["mem_1"], ["mem_1", "mem_1"]])
def test_fewer_than_two_are_not_summed_up(
    http: httpx.Client, namespace: str, ids: list[str]
) -> None:
    body = {"agent_id": namespace, "memory_ids": ids}

    refused = http.post("/v1/knowledge/summarize", json=body)

    assert refused.status_code == 400
    assert refused.json()["errors"][0]["field"] == "memory_ids"
