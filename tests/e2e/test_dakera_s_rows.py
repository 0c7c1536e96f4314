"""The rest of the protocol, by the public Dakera SDK: PROTOCOL.md's should-have rows on memories,
agents, policies and health. Each test runs with `DakeraClient` and with `AsyncDakeraClient`."""

import asyncio
import time
from collections.abc import Iterator
from typing import Any, cast

import httpx
import pytest
from dakera import (
    AsyncDakeraClient,
    BatchForgetRequest,
    BatchMemoryFilter,
    BatchRecallRequest,
    BatchStoreMemoryItem,
    BatchStoreMemoryRequest,
    ConflictError,
    DakeraClient,
    MemoryPolicy,
    NotFoundError,
    ValidationError,
)
from dakera.models import FeedbackSignal

from tests.e2e.service import Service
from tests.e2e.test_dakera_sdk import Blocking, open_chat, recalled


@pytest.fixture(params=[DakeraClient, AsyncDakeraClient], ids=lambda sdk: sdk.__name__)
def client(request: pytest.FixtureRequest, service: Service) -> Iterator[DakeraClient]:
    if request.param is DakeraClient:
        with DakeraClient(service.url, api_key=service.key) as client:
            yield client
        return
    with asyncio.Runner() as runner:
        inner = AsyncDakeraClient(service.url, api_key=service.key)
        with Blocking(inner, runner) as blocking:
            yield cast("DakeraClient", blocking)


def store(client: DakeraClient, agent_id: str, content: str, **fields: Any) -> str:
    id: str = client.store_memory(agent_id, content, **fields)["id"]
    return id


def test_feedback_moves_the_importance_and_is_remembered(
    client: DakeraClient, namespace: str
) -> None:
    memory = store(client, namespace, "Decided on PostgreSQL", importance=0.5)

    up = client.feedback_memory(memory, namespace, FeedbackSignal.UPVOTE)
    down = client.memory_feedback(namespace, memory, "negative")
    client.feedback_memory(memory, namespace, "flag")

    assert (up.memory_id, up.signal) == (memory, FeedbackSignal.UPVOTE)
    assert up.new_importance == pytest.approx(0.575)
    assert down["new_importance"] == pytest.approx(0.575 * 0.85)
    history = client.get_memory_feedback_history(memory, namespace)
    assert [entry.signal.value for entry in history.entries] == ["upvote", "downvote", "flag"]
    assert history.entries[0].old_importance == 0.5
    summary = client.get_agent_feedback_summary(namespace)
    assert (summary.upvotes, summary.downvotes, summary.flags) == (1, 1, 1)
    assert summary.total_feedback == 3
    health = client.get_feedback_health(namespace)
    assert (health.memory_count, health.agent_id) == (1, namespace)
    assert health.health_score == health.avg_importance == summary.health_score
    assert client.evaluate_tif(memory, namespace) is not None


def test_the_other_clients_word_for_a_signal_is_known_too(
    http: httpx.Client, namespace: str
) -> None:
    body = {"agent_id": namespace, "content": "Decided on PostgreSQL"}
    memory = http.post("/v1/memory/store", json=body).json()["memory"]

    answer = http.post(
        "/v1/memory/feedback",
        json={"agent_id": namespace, "memory_id": memory["id"], "feedback": "positive"},
    )
    wrong = http.post(
        "/v1/memory/feedback",
        json={"agent_id": namespace, "memory_id": memory["id"], "feedback": "great"},
    )

    assert answer.json()["signal"] == "upvote"
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (400, "signal")


def test_an_importance_is_set_by_a_patch(client: DakeraClient, namespace: str) -> None:
    memory = store(client, namespace, "Decided on PostgreSQL", importance=0.5)

    patched = client.patch_memory_importance(memory, namespace, 0.9)

    assert (patched.id, patched.importance) == (memory, 0.9)
    with pytest.raises(NotFoundError):
        client.patch_memory_importance("mem_absent", namespace, 0.9)


def test_memories_are_listed_and_forgotten_by_a_filter(
    client: DakeraClient, namespace: str
) -> None:
    items = [
        BatchStoreMemoryItem("Keep this", importance=0.9, tags=["keep"]),
        BatchStoreMemoryItem("Drop this", importance=0.2, tags=["drop"]),
        BatchStoreMemoryItem("And this", importance=0.1, tags=["drop", "now"]),
    ]
    client.store_memories_batch(BatchStoreMemoryRequest(namespace, items))
    dropped = BatchMemoryFilter(tags=["drop"], max_importance=0.3)

    found = client.batch_recall(BatchRecallRequest(namespace, filter=dropped))
    forgotten = client.batch_forget(BatchForgetRequest(namespace, filter=dropped))

    assert (found.filtered, found.total) == (2, 3)
    assert forgotten.deleted_count == 2
    assert [memory["content"] for memory in client.agent_memories(namespace)] == ["Keep this"]
    with pytest.raises(ValidationError):
        client.batch_forget(BatchForgetRequest(namespace, filter=BatchMemoryFilter()))


def test_repeats_are_found_folded_listed_and_put_back(client: DakeraClient, namespace: str) -> None:
    first = store(client, namespace, "The backend project uses PostgreSQL as its database")
    second = store(client, namespace, "The backend project uses PostgreSQL as its database.")

    told = client.deduplicate(namespace, threshold=0.95, dry_run=True)
    assert told == {
        "duplicates_found": 1,
        "removed_count": 0,
        "duplicates_skipped_changed": 0,
        "groups": [[first, second]],
        "warnings": [],
    }
    assert client.deduplicate(namespace, threshold=0.95)["removed_count"] == 1

    assert client.agent_stats(namespace)["total_memories"] == 1
    listed = client.list_deduplicated(namespace)
    [one] = listed.memories
    assert (listed.agent_id, listed.count) == (namespace, 1)
    assert (one.id, one.kind, one.survivor_id) == (second, "deduplication", first)
    assert abs(one.deleted_at - time.time()) < 60
    assert one.restorable_until > time.time()

    assert client.restore_deduplicated(namespace, second)["id"] == second
    assert client.agent_stats(namespace)["total_memories"] == 2
    with pytest.raises(ConflictError):
        client.restore_deduplicated(namespace, second)
    with pytest.raises(NotFoundError):
        client.restore_deduplicated(namespace, "mem_absent")


def test_consolidated_memories_can_be_put_back(client: DakeraClient, namespace: str) -> None:
    tea = store(client, namespace, "She likes tea")
    coffee = store(client, namespace, "She also likes coffee")

    merged = client.consolidate(namespace, memory_ids=[tea, coffee])

    listed = client.list_deduplicated(namespace)
    assert {one.id for one in listed.memories} == {tea, coffee}
    assert {one.kind for one in listed.memories} == {"consolidation"}
    assert {one.survivor_id for one in listed.memories} == {merged["consolidated_memory"]["id"]}
    client.restore_deduplicated(namespace, tea)
    assert "She likes tea" in recalled(client, namespace, "What does she like?")


def test_the_sdks_own_policy_is_kept_as_it_is(client: DakeraClient, namespace: str) -> None:
    before = client.get_memory_policy(namespace)
    assert (before.episodic_ttl_seconds, before.dedup_on_store) == (None, False)

    client.set_memory_policy(namespace, MemoryPolicy(dedup_on_store=True, dedup_threshold=0.9))

    policy = client.get_memory_policy(namespace)
    assert policy == MemoryPolicy(dedup_on_store=True, dedup_threshold=0.9)


def test_a_policys_time_to_live_and_repeats_are_held_at_the_next_store(
    client: DakeraClient, namespace: str
) -> None:
    client.set_memory_policy(
        namespace,
        MemoryPolicy(semantic_ttl_seconds=3_600, dedup_on_store=True, dedup_threshold=0.9),
    )

    first = client.store_memory(namespace, "Mira likes green tea", memory_type="semantic")
    again = client.store_memory(namespace, "Mira likes green tea.", memory_type="semantic")
    own = client.store_memory(namespace, "Bo likes cake", memory_type="semantic", ttl_seconds=60)

    assert first["expires_at"] - first["created_at"] == 3_600
    assert own["expires_at"] - own["created_at"] in (60, 61)
    assert again["superseded_by"] == first["id"]


def test_a_folded_store_is_told(http: httpx.Client, namespace: str) -> None:
    policy = {"dedup_on_store": True, "dedup_threshold": 0.9}
    http.put(f"/v1/namespaces/{namespace}/memory_policy", json=policy).raise_for_status()
    said = {"namespace": namespace, "content": "The API needs a key for each app"}

    first = http.post("/v1/memory/store", json=said).json()
    again = http.post(
        "/v1/memory/store", json=said | {"content": "The API needs a key for each app!"}
    ).json()
    batch = http.post(
        "/v1/memories/store/batch",
        json={
            "namespace": namespace,
            "memories": [{"content": "Each app needs a key for the API"}, {"content": "Other"}],
        },
    ).json()

    assert (first["deduplicated"], first["survivor_id"]) == (False, None)
    assert (again["deduplicated"], again["survivor_id"]) == (True, first["memory"]["id"])
    assert batch["deduplicated"] == [
        {"id": batch["stored"][0]["id"], "survivor_id": first["memory"]["id"]}
    ]


def test_a_recalled_memory_lives_longer_where_the_policy_says_so(
    client: DakeraClient, namespace: str
) -> None:
    client.set_memory_policy(
        namespace,
        MemoryPolicy(
            episodic_ttl_seconds=3_600,
            spaced_repetition_factor=2.0,
            spaced_repetition_base_interval_seconds=500,
        ),
    )
    stored = client.store_memory(namespace, "The train leaves on Friday")

    client.recall(namespace, "When does the train leave?")

    read = client.get_memory(namespace, stored["id"])
    assert read["expires_at"] == stored["expires_at"] + 1_000


def test_a_wake_up_gives_the_flagged_last(client: DakeraClient, namespace: str) -> None:
    for content in ("Flagged", "Plain"):
        store(client, namespace, content, importance=0.9)
    flagged = client.agent_memories(namespace)[1]
    assert flagged["content"] == "Flagged"

    client.feedback_memory(flagged["id"], namespace, "flag")
    time.sleep(1.1)  # it fades by age, which is counted in seconds

    woken = client.wake_up(namespace, top_n=2)
    assert [memory.content for memory in woken.memories] == ["Plain", "Flagged"]
    assert woken.total_available == 2


def test_agents_are_made_and_listed_with_what_they_hold(
    client: DakeraClient, namespace: str
) -> None:
    made = client.create_agent(namespace)
    again = client.create_agent(namespace)
    chat = open_chat(client, f"{namespace}-2")
    store(client, f"{namespace}-2", "Something", session_id=chat.session_id)

    assert (made.agent_id, made.created, made.dimension) == (namespace, True, 384)
    assert again.created is False
    own = {
        agent["agent_id"]: (
            agent["memory_count"],
            agent["session_count"],
            agent["active_sessions"],
        )
        for agent in client._request("GET", "/v1/agents", params={"limit": 500})
        if agent["agent_id"].startswith(namespace)
    }
    assert own == {namespace: (0, 0, 0), f"{namespace}-2": (1, 1, 1)}
    assert isinstance(client.list_agents(), list)
    kinds = {one.name: one.kind for one in client.list_namespaces()}
    assert kinds[namespace] == kinds[f"{namespace}-2"] == "agent"


def test_a_policys_rate_limit_turns_away_what_is_past_it(
    client: DakeraClient, http: httpx.Client, namespace: str
) -> None:
    limit = 3
    client.set_memory_policy(
        namespace, MemoryPolicy(rate_limit_enabled=True, rate_limit_stores_per_minute=limit)
    )

    answers = [
        http.post("/v1/memory/store", json={"namespace": namespace, "content": f"note {number}"})
        for number in range(2 * limit + 1)  # a minute may end amid them
    ]

    refused = [answer for answer in answers if answer.status_code == 429]
    assert limit <= len(answers) - len(refused) <= 2 * limit
    assert refused[0].json()["code"] == "RATE_LIMIT_EXCEEDED"
    assert 1 <= int(refused[0].headers["Retry-After"]) <= 60
    listed = http.get(f"/v1/agents/{namespace}/memories").json()
    assert len(listed) == len(answers) - len(refused)


def test_the_service_says_that_it_is_there_and_ready(client: DakeraClient) -> None:
    assert client.health_live()["alive"] is True
    ready = client.health_ready()
    assert ready["ready"] is True
    assert ready["checks"] == {"table": "ok", "index": "ok"}


def test_a_client_that_asks_first_learns_what_there_is(service: Service, namespace: str) -> None:
    with DakeraClient(service.url, api_key=service.key, preflight=True) as client:
        capabilities = client.capabilities()
        chat = open_chat(client, namespace)

    active = capabilities.active_model
    assert active is not None
    assert (active.name.value, active.dimension) == ("e5-small", 384)
    assert capabilities.supports_session_touch
    assert capabilities.supports_prefix_grants
    assert capabilities.sessions.idle_timeout_secs == 14_400
    assert not capabilities.supports_attachments
    assert not capabilities.supports_records
    assert not capabilities.supports_documents
    assert chat.session_id


def test_the_newer_value_of_a_subject_is_recalled_and_the_older_by_its_time(
    http: httpx.Client, namespace: str
) -> None:
    def call(path: str, **body: object) -> Any:
        return http.post(path, json={"namespace": namespace, **body}).raise_for_status().json()

    for name, at in (("MongoDB", "2026-01-05T09:00:00Z"), ("PostgreSQL", "2026-02-05T09:00:00Z")):
        call(
            "/v1/memory/store",
            content=f"The backend uses {name}",
            subject="backend.database",
            event_time=at,
        )
    question = {"query": "Which database does the backend use?"}
    january = "2026-01-20T00:00:00+01:00"

    def contents(answer: Any) -> list[str]:
        return [memory["content"] for memory in answer]

    mongodb, postgresql = ["The backend uses MongoDB"], ["The backend uses PostgreSQL"]
    assert contents(call("/v1/memory/recall", **question)["results"]) == postgresql
    assert contents(call("/v1/memory/recall", **question, as_of=january)["results"]) == mongodb
    assert contents(call("/v1/context", **question, as_of=january)["memories"]) == mongodb
    assert mongodb[0] in call("/v1/context", **question, as_of=january)["block"]
    listed = call("/v1/memories/recall/batch", filter={"subject": "backend.database"})
    assert contents(listed["memories"]) == postgresql
    assert contents(call("/v1/memories/recall/batch", as_of=january)["memories"]) == mongodb
    path = f"/v1/agents/{namespace}/memories"
    assert contents(http.get(path, params={"as_of": january}).json()) == mongodb
    assert contents(http.get(path, params={"as_of": "1768867200"}).json()) == mongodb
    assert contents(http.get(path, params={"subject": "frontend"}).json()) == []
    wrong = http.get(path, params={"as_of": "yesterday"})
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (400, "as_of")
    [restorable] = http.get("/v1/memory/deduplicated", params={"agent_id": namespace}).json()[
        "memories"
    ]
    assert (restorable["kind"], restorable["subject"]) == ("subject", "backend.database")
