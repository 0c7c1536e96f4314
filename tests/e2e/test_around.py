"""What stands beside the hits: their neighbours, their sessions' summaries; lists by filter."""

from typing import Any

import httpx
import pytest

TURNS = [
    "Ada: Good morning, how was the weekend?",
    "Bob: We sailed to the island of Hven",
    "Ada: Was the wind good?",
    "Bob: Strong, we took two reefs",
    "Ada: Let us plan the sprint then",
]


@pytest.fixture
def chat(http: httpx.Client, namespace: str) -> str:
    """A namespace with one ended chat of five turns; its session's id is the summary's."""
    session = http.post("/v1/sessions/start", json={"namespace": namespace}).json()["session"]["id"]
    for turn in TURNS:
        body = {"namespace": namespace, "content": turn, "session_id": session}
        http.post("/v1/memory/store", json=body).raise_for_status()
    http.post(f"/v1/sessions/{session}/end", json={"summary": "Sailing, then the sprint"})
    return namespace


def recall(http: httpx.Client, namespace: str, **options: Any) -> dict[str, Any]:
    body = {
        "namespace": namespace,
        "query": "Which island did they sail to?",
        "top_k": 1,
        **options,
    }
    answer: dict[str, Any] = http.post("/v1/memory/recall", json=body).raise_for_status().json()
    return answer


def contents(memories: list[dict[str, Any]]) -> list[str]:
    return [memory["content"] for memory in memories]


def test_unasked_a_hit_comes_alone(http: httpx.Client, chat: str) -> None:
    for options in ({}, {"neighborhood_mode": "off"}, {"neighborhood": False}):
        answer = recall(http, chat, **options)

        assert contents(answer["results"]) == [TURNS[1]]
        assert answer["context_memories"] is None
        assert answer["warnings"] == []


def test_neighbours_come_separately(http: httpx.Client, chat: str) -> None:
    answer = recall(http, chat, neighborhood_mode="separate")

    (hit,) = answer["results"]
    assert contents(answer["context_memories"]) == [TURNS[0], TURNS[2]]
    assert {one["context_of"] for one in answer["context_memories"]} == {hit["id"]}
    assert hit["retrieval"] is None


@pytest.mark.parametrize("option", [{"neighborhood_mode": "inline"}, {"neighborhood": True}])
def test_neighbours_come_inline_behind_their_hit(
    http: httpx.Client, chat: str, option: dict[str, Any]
) -> None:
    answer = recall(http, chat, **option)

    assert contents(answer["results"]) == [TURNS[1], TURNS[0], TURNS[2]]
    assert [one["retrieval"] for one in answer["results"]] == [None, *["neighborhood"] * 2]


def test_no_memory_is_there_twice(http: httpx.Client, chat: str) -> None:
    answer = recall(http, chat, top_k=5, neighborhood_mode="inline")

    assert sorted(contents(answer["results"])) == sorted(TURNS)


def test_a_sessions_summary_comes_along_if_asked(http: httpx.Client, chat: str) -> None:
    (summary,) = recall(http, chat, include_summaries=True)["summaries"]

    assert summary["summary"] == "Sailing, then the sprint"
    assert summary["ended_at"] >= summary["started_at"]
    assert recall(http, chat)["summaries"] is None


def test_memories_are_listed_by_filter(http: httpx.Client, namespace: str) -> None:
    for number in range(4):
        body = {
            "namespace": namespace,
            "content": f"Note {number}",
            "importance": number / 4,
            "tags": ["a", "b"] if number % 2 else ["a"],
        }
        http.post("/v1/memory/store", json=body)

    def listed(limit: int = 100, **predicates: Any) -> dict[str, Any]:
        body = {"namespace": namespace, "filter": predicates, "limit": limit}
        answer: dict[str, Any] = http.post("/v1/memories/recall/batch", json=body).json()
        return answer

    assert contents(listed(tags=["a", "b"])["memories"]) == ["Note 3", "Note 1"]
    assert contents(listed(min_importance=0.5, max_importance=0.5)["memories"]) == ["Note 2"]
    page = listed(limit=1, tags=["a"])
    assert (page["total"], page["filtered"], page["truncated"]) == (4, 4, True)
    refused = http.post(
        "/v1/memories/recall/batch", json={"namespace": namespace, "filter": {"colour": "red"}}
    )
    assert refused.json()["errors"][0]["field"] == "filter.colour"


def test_waking_up_shows_what_matters_and_is_fresh(http: httpx.Client, namespace: str) -> None:
    for content, importance in (("small", 0.1), ("great", 0.9), ("middling", 0.5)):
        body = {"namespace": namespace, "content": content, "importance": importance}
        http.post("/v1/memory/store", json=body)

    woken = http.get(f"/v1/agents/{namespace}/wake-up", params={"top_n": 2}).json()
    important = http.get(f"/v1/agents/{namespace}/wake-up", params={"min_importance": 0.5}).json()

    assert contents(woken["memories"]) == ["great", "middling"]
    assert woken["total_available"] == 3
    assert contents(important["memories"]) == ["great", "middling"]
