"""A year of sessions, a third of it repeats: what changed is current, and nothing is lost."""

import json
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest

from infra.local import server

YEAR = Path(server.__file__).with_name("year.json")


@cache
def year() -> dict[str, Any]:
    told: dict[str, Any] = json.loads(YEAR.read_text())
    return told


def facts() -> list[dict[str, Any]]:
    changed: list[dict[str, Any]] = year()["changed_facts"]
    return changed


@pytest.fixture(scope="module")
def stored(http: httpx.Client) -> tuple[str, int]:
    """The namespace that has lived through the year, deduplicated; and how much was stored."""
    namespace, count = "year-of-mira", 0
    for session in year()["sessions"]:
        items: list[dict[str, object]] = [
            {
                "content": memory["content"],
                "importance": memory["importance"],
                "metadata": {"type": memory["type"], "topic": session["topic"]},
                "subject": memory.get("subject"),
                "session_id": session["id"],
                "event_time": session["date"],
            }
            for memory in session["memories"]
        ]
        batch: dict[str, object] = {"namespace": namespace, "memories": items}
        answer = http.post("/v1/memories/store/batch", json=batch).raise_for_status()
        count += answer.json()["stored_count"]
    order: dict[str, object] = {"namespace": namespace, "threshold": 0.92}
    cleaned = http.post("/v1/knowledge/deduplicate", json=order).raise_for_status().json()
    assert cleaned["removed_count"] == cleaned["duplicates_found"] > 20
    return namespace, count


def recalled(http: httpx.Client, namespace: str, question: str, **options: object) -> list[str]:
    body = {"namespace": namespace, "query": question, "top_k": 20, **options}
    results = http.post("/v1/memory/recall", json=body).raise_for_status().json()["results"]
    return [result["content"] for result in results]


def restorable(http: httpx.Client, namespace: str) -> dict[str, Any]:
    answer = http.get("/v1/memory/deduplicated", params={"agent_id": namespace})
    found: dict[str, Any] = answer.raise_for_status().json()
    return found


def current_count(http: httpx.Client, namespace: str) -> int:
    total: int = http.get(f"/v1/agents/{namespace}/stats").json()["total_memories"]
    return total


def test_the_year_is_long_enough() -> None:
    memories = [memory for session in year()["sessions"] for memory in session["memories"]]

    assert len(year()["sessions"]) >= 40
    assert sum("repeats" in memory for memory in memories) >= 0.3 * len(memories)
    assert len(facts()) >= 20


@pytest.mark.parametrize("fact", facts(), ids=lambda fact: str(fact["subject"]))
def test_no_outdated_value_is_recalled_as_current(
    http: httpx.Client, stored: tuple[str, int], fact: dict[str, Any]
) -> None:
    *outdated, current = (value["content"] for value in fact["values"])

    found = recalled(http, stored[0], fact["question"])

    assert current in found
    assert not set(outdated) & set(found)


@pytest.mark.parametrize("fact", facts(), ids=lambda fact: str(fact["subject"]))
def test_each_value_is_found_as_of_when_it_held(
    http: httpx.Client, stored: tuple[str, int], fact: dict[str, Any]
) -> None:
    values = fact["values"]
    for value, following in zip(values, [*values[1:], None], strict=True):
        first = int(datetime.fromisoformat(value["from"]).timestamp())
        moments: list[object] = [value["from"], first]
        if following:
            moments.append(int(datetime.fromisoformat(following["from"]).timestamp()) - 1)
        for as_of in moments:
            found = recalled(http, stored[0], fact["question"], as_of=as_of)
            held = {other["content"] for other in values} & set(found)
            assert held == {value["content"]}


def test_everything_is_there_still_and_each_repeat_can_be_put_back(
    http: httpx.Client, stored: tuple[str, int]
) -> None:
    namespace, count = stored
    removed = restorable(http, namespace)
    changes = sum(len(fact["values"]) - 1 for fact in facts())
    kinds = [memory["kind"] for memory in removed["memories"]]
    assert kinds.count("subject") == changes
    assert current_count(http, namespace) + removed["count"] == count

    for memory in removed["memories"]:
        if memory["kind"] == "deduplication":
            http.post(
                f"/v1/memory/deduplicated/{memory['id']}/restore", params={"agent_id": namespace}
            ).raise_for_status()

    assert restorable(http, namespace)["count"] == changes
    assert current_count(http, namespace) == count - changes
