"""The public Dakera SDK works against the service unchanged: PROTOCOL.md's must-have rows.

Each test runs twice, with `DakeraClient` and with `AsyncDakeraClient`.
"""

import asyncio
import inspect
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack
from types import TracebackType
from typing import Any, cast

import pytest
from dakera import (
    AsyncDakeraClient,
    AuthenticationError,
    BatchStoreMemoryItem,
    BatchStoreMemoryRequest,
    DakeraClient,
    ErrorCode,
    FeatureNotAvailableError,
    NotFoundError,
    PayloadTooLargeError,
    ValidationError,
)
from dakera.session import AsyncChatMemorySession, ChatMemorySession

from tests.e2e.service import Service

# Six facts, each with a question that shares no word with it but stop words.
QUESTIONS = {
    "Decided to use PostgreSQL instead of MongoDB for the project.": "Which database did we pick?",
    "Maria is a vegetarian and never eats meat or fish.": "Does she have any dietary restrictions?",
    "Piano lessons take place every Thursday evening.": "When is music class?",
    "Our golden retriever Biscuit turned three last week.": "How old is the dog?",
    "Invoices go out to customers on the first Monday of each month.": "When are clients billed?",
    "The flight to Tokyo leaves from Heathrow at nine.": "What time do we travel to Japan?",
}
FACTS = list(QUESTIONS)

JANUARY_2024 = 1_704_110_400  # 2024-01-01T12:00:00Z
JUNE_2024 = 1_717_243_200  # 2024-06-01T12:00:00Z


class Blocking:
    """An object of the async SDK that reads as its sync twin: a call returns when it is done."""

    def __init__(self, inner: Any, runner: asyncio.Runner) -> None:
        self.inner = inner
        self.runner = runner

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self.inner, name)
        if not inspect.iscoroutinefunction(attribute):
            return attribute

        def call(*args: object, **kwargs: object) -> Any:
            coroutine: Coroutine[Any, Any, Any] = attribute(*args, **kwargs)
            return self.runner.run(coroutine)

        return call

    def __enter__(self) -> "Blocking":
        self.runner.run(self.inner.__aenter__())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.runner.run(self.inner.__aexit__(kind, error, traceback))


def open_chat(
    client: DakeraClient | Blocking,
    agent_id: str,
    *,
    metadata: dict[str, Any] | None = None,
    idle_timeout_secs: int | None = None,
) -> ChatMemorySession:
    """A new chat session of the client's own flavour."""
    if isinstance(client, Blocking):
        creation = AsyncChatMemorySession.create(
            client.inner, agent_id, metadata=metadata, idle_timeout_secs=idle_timeout_secs
        )
        return cast("ChatMemorySession", Blocking(client.runner.run(creation), client.runner))
    return ChatMemorySession.create(
        client, agent_id, metadata=metadata, idle_timeout_secs=idle_timeout_secs
    )


@pytest.fixture(params=[DakeraClient, AsyncDakeraClient], ids=lambda sdk: sdk.__name__)
def connect(
    request: pytest.FixtureRequest, service: Service
) -> Iterator[Callable[[str | None], DakeraClient]]:
    """Makes clients of one flavour from a key; closes them in the end."""
    with ExitStack() as stack:
        runner = stack.enter_context(asyncio.Runner())

        def connected(api_key: str | None) -> DakeraClient:
            client = request.param(service.url, api_key=api_key)
            if isinstance(client, AsyncDakeraClient):
                client = cast("DakeraClient", Blocking(client, runner))
            return cast("DakeraClient", stack.enter_context(client))

        yield connected


@pytest.fixture
def client(connect: Callable[[str | None], DakeraClient], service: Service) -> DakeraClient:
    return connect(service.key)


def store_facts(client: DakeraClient, agent_id: str) -> None:
    items = [BatchStoreMemoryItem(fact) for fact in FACTS]
    client.store_memories_batch(BatchStoreMemoryRequest(agent_id, items))


def recalled(client: DakeraClient, agent_id: str, query: str, **options: Any) -> list[str]:
    """The contents of a recall's ranked memories, best first."""
    return [memory.content for memory in client.recall(agent_id, query, **options).ranked]


def sessions_of(client: DakeraClient, agent_id: str, **options: Any) -> dict[str, Any]:
    """The listing as it comes: the SDK declares a list and passes the envelope through."""
    return cast("dict[str, Any]", client.list_sessions(agent_id, **options))


def forget(client: DakeraClient, agent_id: str, **selectors: object) -> int:
    """Forgets as the Rust and MCP clients do: this SDK's own `forget` always names one memory."""
    body = {"agent_id": agent_id, **selectors}
    deleted: int = client._request("POST", "/v1/memory/forget", data=body)["deleted_count"]
    return deleted


def eventually(holds: Callable[[], bool], *, within: float = 5.0) -> bool:
    """Whether the condition came to hold within so many seconds."""
    deadline = time.monotonic() + within
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def is_unix_seconds(value: object) -> bool:
    """An integer (Go decodes an int64, Rust reads anything else as 0) within an hour of now."""
    return type(value) is int and abs(value - time.time()) < 3600


# --- Health and errors ---


def test_health_is_ok_and_asks_for_no_key(
    connect: Callable[[str | None], DakeraClient],
) -> None:
    health = connect(None).health()

    assert (health["status"], health["healthy"]) == ("ok", True)
    assert isinstance(health["version"], str)


def test_a_key_that_was_never_issued_is_refused(
    connect: Callable[[str | None], DakeraClient], namespace: str
) -> None:
    stranger = connect("dk-never-issued")

    with pytest.raises(AuthenticationError) as refusal:
        stranger.recall(namespace, "anything")

    assert refusal.value.code is ErrorCode.INVALID_API_KEY


def test_a_request_without_a_key_is_refused(
    connect: Callable[[str | None], DakeraClient], namespace: str
) -> None:
    with pytest.raises(AuthenticationError):
        connect(None).recall(namespace, "anything")


@pytest.mark.parametrize(
    "use",
    [
        pytest.param(
            lambda client, agent: client.upsert(agent, [{"id": "v", "values": [0.1, 0.2]}]),
            id="vectors",
        ),
        pytest.param(lambda client, agent: client.query_text(agent, "x"), id="text queries"),
        pytest.param(lambda client, agent: client.fulltext_search(agent, "x"), id="full text"),
        pytest.param(lambda client, agent: client.create_namespace(agent), id="vector namespaces"),
        pytest.param(lambda client, agent: client.knowledge_graph(agent, "m"), id="graph"),
        pytest.param(lambda client, agent: client.full_knowledge_graph(agent), id="full graph"),
        pytest.param(lambda client, _: client.extract_entities("x"), id="entities"),
        pytest.param(lambda client, agent: client.list_attachments(agent), id="attachments"),
        pytest.param(lambda client, agent: client.list_documents(agent), id="documents"),
        pytest.param(lambda client, agent: client.compress_agent(agent), id="compression"),
        pytest.param(lambda client, _: client.list_backups(), id="backups"),
        pytest.param(lambda client, _: client.ops_stats(), id="operations"),
        pytest.param(lambda client, _: client.analytics_overview(), id="analytics"),
    ],
)
def test_what_is_not_built_says_so(
    client: DakeraClient, namespace: str, use: Callable[[DakeraClient, str], object]
) -> None:
    with pytest.raises(FeatureNotAvailableError) as refusal:
        use(client, namespace)

    assert refusal.value.is_feature_disabled


@pytest.mark.parametrize("agent_id", ["", "two words", "_dakera_agent_bob", "a" * 242])
def test_an_agent_id_that_no_namespace_may_have_is_refused(
    client: DakeraClient, agent_id: str
) -> None:
    with pytest.raises(ValidationError) as refusal:
        client.store_memory(agent_id, "Anything.")

    assert refusal.value.code is ErrorCode.INVALID_REQUEST


# --- Sessions ---


def test_a_started_session_is_open_and_keeps_its_metadata(
    client: DakeraClient, namespace: str
) -> None:
    metadata = {"channel": "web", "client": {"version": 3, "beta": True}}

    session = client.start_session(namespace, metadata=metadata)

    assert session["id"] == session["session_id"]
    assert session["agent_id"] == namespace
    assert session["metadata"] == metadata
    assert session["memory_count"] == 0
    assert is_unix_seconds(session["started_at"])
    assert is_unix_seconds(session["last_activity_at"])
    assert (session["ended_at"], session["ended_reason"], session["summary"]) == (None, None, None)


def test_each_start_is_a_session_of_its_own(client: DakeraClient, namespace: str) -> None:
    first = client.start_session(namespace)
    second = client.start_session(namespace)

    assert first["id"] != second["id"]


def test_a_session_is_read_by_its_id(client: DakeraClient, namespace: str) -> None:
    started = client.start_session(namespace, metadata={"topic": "planning"}, idle_timeout_secs=600)

    session = client.get_session(started["id"])

    assert session == started
    assert session["idle_timeout_secs"] == 600


def test_an_ended_session_keeps_its_summary_and_its_count_of_memories(
    client: DakeraClient, namespace: str
) -> None:
    session_id = client.start_session(namespace)["id"]
    for fact in FACTS[:2]:
        client.store_memory(namespace, fact, session_id=session_id)

    ended = client.end_session(session_id, summary="Chose PostgreSQL.")

    assert ended["memory_count"] == 2
    assert ended["session"]["id"] == session_id
    assert ended["session"]["memory_count"] == 2
    assert ended["session"]["summary"] == "Chose PostgreSQL."
    assert ended["session"]["ended_reason"] == "client"
    assert is_unix_seconds(ended["session"]["ended_at"])
    assert client.get_session(session_id) == ended["session"]


def test_a_session_ends_without_a_summary(client: DakeraClient, namespace: str) -> None:
    session_id = client.start_session(namespace)["id"]

    ended = client.end_session(session_id)

    assert (ended["memory_count"], ended["session"]["summary"]) == (0, None)


def test_ending_twice_gives_the_same_stored_state(client: DakeraClient, namespace: str) -> None:
    session_id = client.start_session(namespace)["id"]
    first = client.end_session(session_id, summary="The first word.")

    second = client.end_session(session_id, summary="The last word.")

    assert second == first


def test_an_idle_session_has_ended_by_itself(client: DakeraClient, namespace: str) -> None:
    started = client.start_session(namespace, idle_timeout_secs=1)

    assert eventually(lambda: client.get_session(started["id"])["ended_at"] is not None)
    session = client.get_session(started["id"])
    assert session["ended_reason"] == "idle"
    assert session["idle_since"] == started["last_activity_at"]


def test_a_session_holds_the_memories_stored_with_it_and_no_others(
    client: DakeraClient, namespace: str
) -> None:
    session_id = client.start_session(namespace)["id"]
    other_id = client.start_session(namespace)["id"]
    inside = client.store_memory(namespace, FACTS[0], session_id=session_id, tags=["decision"])
    client.store_memory(namespace, FACTS[1], session_id=other_id)
    client.store_memory(namespace, FACTS[2])

    memories = client.session_memories(session_id)

    assert [memory["id"] for memory in memories] == [inside["id"]]
    assert memories[0]["content"] == FACTS[0]
    assert memories[0]["session_id"] == session_id
    assert memories[0]["tags"] == ["decision"]
    assert client.get_session(session_id)["memory_count"] == 1


def test_a_sessions_memories_come_in_pages(client: DakeraClient, namespace: str) -> None:
    session_id = client.start_session(namespace)["id"]
    for fact in FACTS[:3]:
        client.store_memory(namespace, fact, session_id=session_id)

    pages = [client.session_memories(session_id, limit=2, offset=offset) for offset in (0, 2, 4)]

    assert [len(page) for page in pages] == [2, 1, 0]
    assert {memory["content"] for page in pages for memory in page} == set(FACTS[:3])


def test_a_sessions_memories_can_be_previewed(client: DakeraClient, namespace: str) -> None:
    session_id = client.start_session(namespace)["id"]
    client.store_memory(namespace, "A" * 50, session_id=session_id)

    preview = client.session_memories(session_id, content_preview_chars=10)[0]

    assert preview["content"] == "A" * 10
    assert (preview["content_len"], preview["content_truncated"]) == (50, True)


def test_sessions_are_listed_by_agent(client: DakeraClient, namespace: str) -> None:
    ids = {client.start_session(namespace)["id"] for _ in range(3)}
    client.start_session(f"{namespace}-other")

    listing = sessions_of(client, namespace)

    assert {session["id"] for session in listing["sessions"]} == ids
    assert {session["agent_id"] for session in listing["sessions"]} == {namespace}
    assert listing["total"] == 3


def test_ended_sessions_are_left_out_when_only_active_ones_are_asked_for(
    client: DakeraClient, namespace: str
) -> None:
    ended_id = client.start_session(namespace)["id"]
    active_id = client.start_session(namespace)["id"]
    client.end_session(ended_id)

    active = sessions_of(client, namespace, active_only=True)["sessions"]
    every = sessions_of(client, namespace, active_only=False)["sessions"]

    assert [session["id"] for session in active] == [active_id]
    assert {session["id"] for session in every} == {ended_id, active_id}


def test_sessions_come_in_pages_that_know_the_total(client: DakeraClient, namespace: str) -> None:
    ids = {client.start_session(namespace)["id"] for _ in range(3)}

    pages = [sessions_of(client, namespace, limit=2, offset=offset) for offset in (0, 2)]

    assert [len(page["sessions"]) for page in pages] == [2, 1]
    assert {session["id"] for page in pages for session in page["sessions"]} == ids
    assert [page["total"] for page in pages] == [3, 3]


@pytest.mark.parametrize(
    "use",
    [
        pytest.param(lambda client: client.get_session("no-such-session"), id="get"),
        pytest.param(lambda client: client.end_session("no-such-session"), id="end"),
        pytest.param(lambda client: client.touch_session("no-such-session"), id="touch"),
        pytest.param(lambda client: client.session_memories("no-such-session"), id="memories"),
    ],
)
def test_an_unknown_session_is_not_found(
    client: DakeraClient, use: Callable[[DakeraClient], object]
) -> None:
    with pytest.raises(NotFoundError) as refusal:
        use(client)

    assert refusal.value.resource == "session"


def test_a_touch_tells_the_idle_deadline(client: DakeraClient, namespace: str) -> None:
    session_id = client.start_session(namespace, idle_timeout_secs=600)["id"]

    touch = client.touch_session(session_id)

    assert touch.is_active
    assert touch.session.session_id == session_id
    assert touch.session.last_activity_at is not None
    assert is_unix_seconds(touch.session.last_activity_at)
    assert touch.idle_deadline_at == touch.session.last_activity_at + 600


def test_a_session_that_never_idles_has_no_deadline(client: DakeraClient, namespace: str) -> None:
    session_id = client.start_session(namespace, idle_timeout_secs=0)["id"]

    touch = client.touch_session(session_id)

    assert (touch.session_state, touch.idle_deadline_at) == ("active", None)


def test_a_touch_never_reopens_a_session(client: DakeraClient, namespace: str) -> None:
    session_id = client.start_session(namespace)["id"]
    ended = client.end_session(session_id)["session"]

    touch = client.touch_session(session_id)

    assert (touch.session_state, touch.idle_deadline_at) == ("ended", None)
    assert touch.session.is_ended
    assert client.get_session(session_id) == ended


def test_a_store_says_whether_its_session_is_open(client: DakeraClient, namespace: str) -> None:
    session_id = client.start_session(namespace)["id"]

    during = client.store_memory(namespace, FACTS[0], session_id=session_id)
    client.end_session(session_id)
    after = client.store_memory(namespace, FACTS[1], session_id=session_id)

    assert (during["session_state"], after["session_state"]) == ("active", "ended")
    assert recalled(client, namespace, QUESTIONS[FACTS[1]])[0] == FACTS[1]
    assert client.get_session(session_id)["ended_reason"] == "client"


def test_a_session_id_that_was_never_started_only_labels_its_memories(
    client: DakeraClient, namespace: str
) -> None:
    stored = client.store_memory(namespace, FACTS[0], session_id=f"{namespace}-thread")

    assert stored["session_id"] == f"{namespace}-thread"
    assert "session_state" not in stored
    assert recalled(client, namespace, "database", session_id=f"{namespace}-thread") == [FACTS[0]]


# --- Storing ---


def test_a_stored_memory_comes_back_field_by_field(client: DakeraClient, namespace: str) -> None:
    session_id = client.start_session(namespace)["id"]
    fields = {
        "content": "Entschieden: PostgreSQL statt MongoDB — „endgültig“ 🐘\n\tgez. Ada",
        "memory_type": "semantic",
        "importance": 0.85,
        "tags": ["decision", "backend", "Zürich"],
        "metadata": {"type": "decision", "votes": [3, 2.5, None], "by": {"ada": True}, "a.b": ""},
        "session_id": session_id,
    }

    stored = client.store_memory(namespace, **fields)
    memory = client.get_memory(namespace, stored["id"])

    assert {name: stored[name] for name in fields} == fields
    assert {name: memory[name] for name in fields} == fields
    assert (memory["id"], memory["agent_id"]) == (stored["id"], namespace)
    for time_field in ("created_at", "updated_at", "last_accessed_at"):
        assert is_unix_seconds(memory[time_field]), time_field
    assert memory["created_at"] == stored["created_at"]
    assert (memory["access_count"], memory["expires_at"]) == (0, None)


def test_what_a_store_leaves_out_has_its_default(client: DakeraClient, namespace: str) -> None:
    stored = client.store_memory(namespace, FACTS[0])

    assert (stored["memory_type"], stored["importance"]) == ("episodic", 0.5)
    assert (stored["tags"], stored["session_id"]) == ([], None)
    assert not stored["metadata"]
    assert "session_state" not in stored


def test_a_repeated_store_gives_the_same_id_and_one_memory(
    client: DakeraClient, namespace: str
) -> None:
    session_id = client.start_session(namespace)["id"]

    first = client.store_memory(namespace, FACTS[0], session_id=session_id)
    second = client.store_memory(namespace, FACTS[0], session_id=session_id)

    assert first["id"] == second["id"]
    assert recalled(client, namespace, QUESTIONS[FACTS[0]]) == [FACTS[0]]
    assert client.agent_stats(namespace)["total_memories"] == 1
    assert client.get_session(session_id)["memory_count"] == 1


def test_a_memory_whose_ttl_has_passed_is_not_recalled(
    client: DakeraClient, namespace: str
) -> None:
    client.store_memory(namespace, "The meeting room code is 4711.")
    fleeting = client.store_memory(namespace, "The door code is 0815.", ttl_seconds=1)

    assert fleeting["expires_at"] == fleeting["created_at"] + 1
    assert eventually(
        lambda: recalled(client, namespace, "door code") == ["The meeting room code is 4711."]
    )
    with pytest.raises(NotFoundError):
        client.get_memory(namespace, fleeting["id"])


def test_expires_at_wins_over_ttl_seconds(client: DakeraClient, namespace: str) -> None:
    tomorrow = int(time.time()) + 86_400

    stored = client.store_memory(namespace, FACTS[0], ttl_seconds=1, expires_at=tomorrow)

    assert stored["expires_at"] == tomorrow


@pytest.mark.parametrize(
    "fields",
    [
        {"content": ""},
        {"importance": 1.5},
        {"importance": -0.1},
        {"memory_type": "nonsense"},
        {"ttl_seconds": -1},
        {"event_time": "not a time"},
    ],
    ids=str,
)
def test_a_store_with_an_impossible_field_is_refused(
    client: DakeraClient, namespace: str, fields: dict[str, Any]
) -> None:
    with pytest.raises(ValidationError) as refusal:
        client.store_memory(namespace, **{"content": FACTS[0], **fields})

    assert refusal.value.code is ErrorCode.INVALID_REQUEST
    assert recalled(client, namespace, FACTS[0]) == []


def test_content_beyond_the_limit_is_refused_with_the_limits_name(
    client: DakeraClient, namespace: str
) -> None:
    two_bytes_each = "é" * 50_001

    with pytest.raises((ValidationError, PayloadTooLargeError), match=r"100[,.' ]?000"):
        client.store_memory(namespace, two_bytes_each)


def test_a_batch_stores_its_items_in_order(client: DakeraClient, namespace: str) -> None:
    items = [
        BatchStoreMemoryItem(fact, importance=0.1 * rank, tags=[f"rank-{rank}"])
        for rank, fact in enumerate(FACTS, start=1)
    ]

    batch = client.store_memories_batch(BatchStoreMemoryRequest(namespace, items))

    assert batch.stored_count == len(FACTS)
    assert [memory.content for memory in batch.stored] == FACTS
    assert [memory.importance for memory in batch.stored] == [item.importance for item in items]
    assert [memory.tags for memory in batch.stored] == [item.tags for item in items]
    assert {memory.agent_id for memory in batch.stored} == {namespace}
    assert all(is_unix_seconds(memory.created_at) for memory in batch.stored)
    assert batch.ended_sessions == []
    assert isinstance(batch.total_embedding_time_ms, int)
    for memory in batch.stored:
        assert client.get_memory(namespace, memory.id)["content"] == memory.content


def test_a_batch_item_keeps_the_id_it_brings(client: DakeraClient, namespace: str) -> None:
    items = [BatchStoreMemoryItem(FACTS[0], id="fact-1"), BatchStoreMemoryItem(FACTS[1])]
    request = BatchStoreMemoryRequest(namespace, items)

    first = client.store_memories_batch(request)
    again = client.store_memories_batch(request)

    assert first.stored[0].id == "fact-1"
    assert [memory.id for memory in again.stored] == [memory.id for memory in first.stored]
    assert client.get_memory(namespace, "fact-1")["content"] == FACTS[0]
    assert client.agent_stats(namespace)["total_memories"] == 2


def test_a_batch_names_the_ended_sessions_it_stored_into(
    client: DakeraClient, namespace: str
) -> None:
    open_id = client.start_session(namespace)["id"]
    ended_id = client.start_session(namespace)["id"]
    client.end_session(ended_id)
    items = [
        BatchStoreMemoryItem(FACTS[0], session_id=open_id),
        BatchStoreMemoryItem(FACTS[1], session_id=ended_id),
    ]

    batch = client.store_memories_batch(BatchStoreMemoryRequest(namespace, items))

    assert (batch.stored_count, batch.ended_sessions) == (2, [ended_id])


# --- Recall and search ---


def test_a_memory_is_recalled_by_its_meaning(client: DakeraClient, namespace: str) -> None:
    store_facts(client, namespace)

    best = {fact: recalled(client, namespace, query)[0] for fact, query in QUESTIONS.items()}

    assert best == {fact: fact for fact in FACTS}


def test_a_memory_is_searched_by_its_meaning(client: DakeraClient, namespace: str) -> None:
    store_facts(client, namespace)

    best = {
        fact: client.search_memories(namespace, query)[0]["content"]
        for fact, query in QUESTIONS.items()
    }

    assert best == {fact: fact for fact in FACTS}


def test_a_recalled_memory_carries_what_was_stored(client: DakeraClient, namespace: str) -> None:
    stored = client.store_memory(
        namespace, FACTS[0], "procedural", importance=0.85, metadata={"type": "decision"}
    )

    (memory,) = client.recall(namespace, QUESTIONS[FACTS[0]]).memories

    assert (memory.id, memory.content) == (stored["id"], FACTS[0])
    assert (memory.memory_type, memory.importance) == ("procedural", 0.85)
    assert memory.metadata == {"type": "decision"}
    assert cast("object", memory.created_at) == stored["created_at"]
    assert not memory.is_neighborhood


def test_a_search_result_carries_what_was_stored(client: DakeraClient, namespace: str) -> None:
    session_id = client.start_session(namespace)["id"]
    stored = client.store_memory(
        namespace, FACTS[0], importance=0.85, tags=["decision"], session_id=session_id
    )

    (result,) = client.search_memories(namespace, QUESTIONS[FACTS[0]])

    for name in ("id", "content", "memory_type", "importance", "tags", "session_id", "created_at"):
        assert result[name] == stored[name], name
    assert isinstance(result["score"], float)


def test_rank_scores_do_not_increase_down_the_list(client: DakeraClient, namespace: str) -> None:
    store_facts(client, namespace)

    memories = client.recall(namespace, "What should I know this month?", top_k=6).memories

    scores = [memory.rank_score for memory in memories if memory.rank_score is not None]
    assert len(scores) == len(memories) == 6
    assert scores == sorted(scores, reverse=True)
    assert [memory.score for memory in memories] == scores


@pytest.mark.parametrize("top_k", [1, 3])
def test_top_k_is_the_most_that_comes_back(
    client: DakeraClient, namespace: str, top_k: int
) -> None:
    store_facts(client, namespace)

    query = QUESTIONS[FACTS[0]]

    assert len(client.recall(namespace, query, top_k=top_k).ranked) == top_k
    assert len(client.search_memories(namespace, query, top_k=top_k)) == top_k


def test_context_asked_for_separately_stays_out_of_the_ranking(
    client: DakeraClient, namespace: str
) -> None:
    session_id = client.start_session(namespace)["id"]
    for fact in FACTS:
        client.store_memory(namespace, fact, session_id=session_id)

    response = client.recall(namespace, QUESTIONS[FACTS[0]], top_k=2, neighborhood_mode="separate")

    assert len(response.memories) == 2
    assert response.ranked == response.memories
    ids = {memory.id for memory in response.memories}
    for context in response.context_memories or []:
        assert context.context_of in ids
        assert context.id not in ids


def test_recall_keeps_to_a_memory_type(client: DakeraClient, namespace: str) -> None:
    client.store_memory(namespace, "To deploy, run make deploy.", "procedural")
    client.store_memory(namespace, "Deployed on Friday evening.", "episodic")

    expected = ["To deploy, run make deploy."]

    assert recalled(client, namespace, "deploy", memory_type="procedural") == expected
    found = client.search_memories(namespace, "deploy", memory_type="procedural")
    assert [memory["content"] for memory in found] == expected


def test_recall_keeps_to_a_minimum_importance(client: DakeraClient, namespace: str) -> None:
    client.store_memory(namespace, "The budget is 90,000 euros.", importance=0.9)
    client.store_memory(namespace, "The budget meeting ran late.", importance=0.2)

    expected = ["The budget is 90,000 euros."]

    assert recalled(client, namespace, "budget", min_importance=0.9) == expected
    found = client.search_memories(namespace, "budget", min_importance=0.9)
    assert [memory["content"] for memory in found] == expected


def test_recall_keeps_to_memories_with_any_of_the_tags(
    client: DakeraClient, namespace: str
) -> None:
    client.store_memory(namespace, "Ada likes tea.", tags=["ada", "drinks"])
    client.store_memory(namespace, "Bob likes coffee.", tags=["bob"])
    client.store_memory(namespace, "Eve likes cocoa.", tags=["eve"])

    expected = {"Ada likes tea.", "Bob likes coffee."}

    assert set(recalled(client, namespace, "likes", tags=["ada", "bob"])) == expected
    found = client.search_memories(namespace, "likes", tags=["ada", "bob"])
    assert {memory["content"] for memory in found} == expected


def test_recall_keeps_to_a_session(client: DakeraClient, namespace: str) -> None:
    monday, tuesday = (client.start_session(namespace)["id"] for _ in range(2))
    client.store_memory(namespace, "Lunch was soup.", session_id=monday)
    client.store_memory(namespace, "Lunch was salad.", session_id=tuesday)

    assert recalled(client, namespace, "lunch", session_id=monday) == ["Lunch was soup."]
    found = client.search_memories(namespace, "lunch", session_id=tuesday)
    assert [memory["content"] for memory in found] == ["Lunch was salad."]


def test_recall_keeps_to_a_range_of_event_times(client: DakeraClient, namespace: str) -> None:
    client.store_memory(namespace, "The alpha was released.", event_time=JANUARY_2024)
    client.store_memory(namespace, "The beta was released.", event_time="2024-06-01T12:00:00Z")
    client.store_memory(namespace, "The final version was released.")

    def released(**bounds: str) -> set[str]:
        return set(recalled(client, namespace, "release", **bounds))

    assert released(until="2024-03-01T00:00:00Z") == {"The alpha was released."}
    assert released(since="2024-03-01T00:00:00Z", until="2024-09-01T02:00:00+02:00") == {
        "The beta was released."
    }
    assert released(since="2024-09-01T00:00:00Z") == {"The final version was released."}


def test_the_bounds_of_a_range_of_event_times_belong_to_it(
    client: DakeraClient, namespace: str
) -> None:
    client.store_memory(namespace, "The beta was released.", event_time=JUNE_2024)
    at_noon, a_second_later = "2024-06-01T12:00:00Z", "2024-06-01T12:00:01Z"

    assert len(recalled(client, namespace, "release", since=at_noon, until=at_noon)) == 1
    assert recalled(client, namespace, "release", since=a_second_later) == []


def test_an_event_in_the_past_is_still_a_memory_made_today(
    client: DakeraClient, namespace: str
) -> None:
    stored = client.store_memory(namespace, FACTS[0], event_time=JUNE_2024)

    assert is_unix_seconds(stored["created_at"])


@pytest.mark.parametrize(
    "options",
    [
        {"routing": "auto"},
        {"routing": "vector"},
        {"routing": "bm25", "iterations": 2},
        {"routing": "hybrid", "fusion": "rrf"},
        {"routing": "hybrid", "fusion": "minmax", "vector_weight": 0.7},
        {"rerank": False},
        {"rerank_candidates": 10},
        {"neighborhood": False},
        {"neighborhood_mode": "inline"},
        {"neighborhood_mode": "off"},
        {"include_summaries": False},
        {"include_associated": True, "associated_memories_cap": 3, "associated_memories_depth": 2},
        {"lang": "en"},
    ],
    ids=str,
)
def test_an_option_of_the_sdks_recall_is_honoured_or_named_as_ignored(
    client: DakeraClient, namespace: str, options: dict[str, Any]
) -> None:
    store_facts(client, namespace)

    response = client.recall(namespace, "Is it PostgreSQL or MongoDB?", **options)

    assert response.ranked[0].content == FACTS[0]
    assert {warning.partition(":")[0] for warning in response.warnings} <= options.keys()


def test_an_unknown_agent_remembers_nothing(client: DakeraClient, namespace: str) -> None:
    assert client.recall(namespace, "anything").memories == []
    assert client.search_memories(namespace, "anything") == []


def test_one_agents_memories_are_not_anothers(client: DakeraClient, namespace: str) -> None:
    stored = client.store_memory(namespace, FACTS[0])
    client.store_memory(f"{namespace}-other", FACTS[1])

    assert recalled(client, f"{namespace}-other", FACTS[0]) == [FACTS[1]]
    with pytest.raises(NotFoundError):
        client.get_memory(f"{namespace}-other", stored["id"])


@pytest.mark.parametrize("top_k", [0, 101])
def test_a_top_k_out_of_range_is_refused(client: DakeraClient, namespace: str, top_k: int) -> None:
    with pytest.raises(ValidationError):
        client.recall(namespace, "anything", top_k=top_k)


# --- One memory: get, update, importance, forget, consolidate ---


def test_a_memory_is_found_by_its_id_alone(client: DakeraClient, namespace: str) -> None:
    stored = client.store_memory(namespace, FACTS[0])

    memory = client.get_memory(None, stored["id"])

    assert (memory["agent_id"], memory["content"]) == (namespace, FACTS[0])


@pytest.mark.parametrize(
    "use",
    [
        pytest.param(lambda client, agent: client.get_memory(agent, "mem_none"), id="get"),
        pytest.param(lambda client, _: client.get_memory(None, "mem_none"), id="get by id alone"),
        pytest.param(
            lambda client, agent: client.update_memory(agent, "mem_none", "Changed."), id="update"
        ),
        pytest.param(
            lambda client, agent: client.update_importance(agent, ["mem_none"], 0.9),
            id="importance",
        ),
    ],
)
def test_an_unknown_memory_is_not_found(
    client: DakeraClient, namespace: str, use: Callable[[DakeraClient, str], object]
) -> None:
    client.store_memory(namespace, FACTS[0])

    with pytest.raises(NotFoundError) as refusal:
        use(client, namespace)

    assert refusal.value.resource == "memory"


def test_changed_content_is_what_is_recalled(client: DakeraClient, namespace: str) -> None:
    store_facts(client, namespace)
    stored = client.store_memory(namespace, "The office is in Berlin.")

    updated = client.update_memory(namespace, stored["id"], "Our cat is called Minka.")

    assert (updated["id"], updated["content"]) == (stored["id"], "Our cat is called Minka.")
    assert client.get_memory(namespace, stored["id"])["content"] == "Our cat is called Minka."
    assert recalled(client, namespace, "What is the kitten's name?")[0] == updated["content"]
    assert "The office is in Berlin." not in recalled(client, namespace, "office", top_k=10)


def test_a_memory_is_updated_by_its_id_alone(client: DakeraClient, namespace: str) -> None:
    stored = client.store_memory(namespace, FACTS[0])

    # As the JavaScript SDK does: its `updateMemory` sends no agent.
    client._request("PUT", f"/v1/memory/update/{stored['id']}", data={"importance": 0.9})

    assert client.get_memory(namespace, stored["id"])["importance"] == 0.9


def test_an_update_changes_only_what_it_names(client: DakeraClient, namespace: str) -> None:
    stored = client.store_memory(
        namespace, FACTS[0], importance=0.85, tags=["old"], metadata={"type": "decision"}
    )

    updated = client.update_memory(
        namespace, stored["id"], memory_type="semantic", tags=["new", "newer"]
    )

    assert (updated["memory_type"], updated["tags"]) == ("semantic", ["new", "newer"])
    for name in ("id", "content", "importance", "metadata", "created_at", "session_id"):
        assert updated[name] == stored[name], name
    assert updated["updated_at"] >= stored["updated_at"]


def test_an_update_changes_importance_and_metadata(client: DakeraClient, namespace: str) -> None:
    stored = client.store_memory(namespace, FACTS[0], metadata={"type": "decision"})

    client.update_memory(namespace, stored["id"], importance=0.1, metadata={"type": "rumour"})

    memory = client.get_memory(namespace, stored["id"])
    assert (memory["importance"], memory["metadata"]) == (0.1, {"type": "rumour"})


def test_an_update_survives_a_store_of_the_old_content(
    client: DakeraClient, namespace: str
) -> None:
    stored = client.store_memory(namespace, "The stand-up is at nine.")
    client.update_memory(namespace, stored["id"], "The stand-up is at ten.")

    client.store_memory(namespace, "The stand-up is at nine.")

    assert client.get_memory(namespace, stored["id"])["content"] == "The stand-up is at ten."
    assert set(recalled(client, namespace, "stand-up")) == {
        "The stand-up is at nine.",
        "The stand-up is at ten.",
    }


def test_importance_is_set_memory_by_memory(client: DakeraClient, namespace: str) -> None:
    first, second, third = (client.store_memory(namespace, fact)["id"] for fact in FACTS[:3])

    client.update_importance(namespace, [first], 0.9)
    client.update_importance(namespace, [second, third], 0.25)

    importances = [client.get_memory(namespace, i)["importance"] for i in (first, second, third)]
    assert importances == [0.9, 0.25, 0.25]
    assert recalled(client, namespace, "anything", min_importance=0.8) == [FACTS[0]]


def test_a_forgotten_memory_is_gone(client: DakeraClient, namespace: str) -> None:
    forgotten = client.store_memory(namespace, FACTS[0])
    client.store_memory(namespace, FACTS[1])

    answer = client.forget(namespace, forgotten["id"])

    assert answer["deleted_count"] == 1
    assert recalled(client, namespace, QUESTIONS[FACTS[0]]) == [FACTS[1]]
    with pytest.raises(NotFoundError):
        client.get_memory(namespace, forgotten["id"])


def test_forgetting_what_is_not_there_deletes_nothing(client: DakeraClient, namespace: str) -> None:
    client.store_memory(namespace, FACTS[0])

    assert client.forget(namespace, "mem_none")["deleted_count"] == 0


@pytest.mark.parametrize(
    "selectors",
    [{}, {"memory_ids": [], "tags": []}, {"memory_ids": None, "session_id": None}],
    ids=str,
)
def test_a_forget_that_selects_nothing_is_refused(
    client: DakeraClient, namespace: str, selectors: dict[str, Any]
) -> None:
    client.store_memory(namespace, FACTS[0])

    with pytest.raises(ValidationError) as refusal:
        forget(client, namespace, **selectors)

    assert refusal.value.code is ErrorCode.INVALID_REQUEST
    assert recalled(client, namespace, FACTS[0]) == [FACTS[0]]


def test_memories_are_forgotten_by_tag(client: DakeraClient, namespace: str) -> None:
    client.store_memory(namespace, FACTS[0], tags=["draft", "backend"])
    client.store_memory(namespace, FACTS[1], tags=["food"])

    assert forget(client, namespace, tags=["draft"]) == 1
    assert recalled(client, namespace, FACTS[0]) == [FACTS[1]]


def test_memories_are_forgotten_by_session(client: DakeraClient, namespace: str) -> None:
    session_id = client.start_session(namespace)["id"]
    for fact in FACTS[:2]:
        client.store_memory(namespace, fact, session_id=session_id)
    client.store_memory(namespace, FACTS[2])

    assert forget(client, namespace, session_id=session_id) == 2
    assert recalled(client, namespace, FACTS[0]) == [FACTS[2]]


def test_memories_are_forgotten_by_age(client: DakeraClient, namespace: str) -> None:
    store_facts(client, namespace)
    now = int(time.time())

    assert forget(client, namespace, before_timestamp=now - 3600) == 0
    assert forget(client, namespace, before_timestamp=now + 3600) == len(FACTS)
    assert client.recall(namespace, FACTS[0]).memories == []


def test_consolidated_memories_become_one(client: DakeraClient, namespace: str) -> None:
    sources = [
        client.store_memory(namespace, "Ada prefers dark mode in every editor.")["id"],
        client.store_memory(namespace, "Ada prefers dark mode in all editors.")["id"],
    ]
    client.store_memory(namespace, FACTS[2])

    answer = client.consolidate(namespace, memory_ids=sources, target_type="semantic")

    merged = answer["consolidated_memory"]
    assert sorted(answer["source_memory_ids"]) == sorted(sources)
    assert answer["memories_removed"] == 2
    assert merged["memory_type"] == "semantic"
    assert client.get_memory(namespace, merged["id"])["content"] == merged["content"]
    assert recalled(client, namespace, "Which editor theme does Ada want?") == [
        merged["content"],
        FACTS[2],
    ]
    listed = {memory["id"] for memory in client.agent_memories(namespace)}
    assert merged["id"] in listed
    assert not listed & set(sources)
    assert client.agent_stats(namespace)["total_memories"] == 2


def test_the_sources_of_a_consolidation_can_still_be_read(
    client: DakeraClient, namespace: str
) -> None:
    sources = [client.store_memory(namespace, fact)["id"] for fact in FACTS[:2]]

    merged = client.consolidate(namespace, memory_ids=sources)["consolidated_memory"]

    for source, fact in zip(sources, FACTS[:2], strict=True):
        memory = client.get_memory(namespace, source)
        assert (memory["content"], memory["superseded_by"]) == (fact, merged["id"])


def test_consolidation_picks_its_memories_when_none_are_named(
    client: DakeraClient, namespace: str
) -> None:
    client.store_memory(namespace, "Ada prefers dark mode in every editor.")
    client.store_memory(namespace, "Ada prefers dark mode in all editors.")

    answer = client.consolidate(namespace)

    assert len(answer["source_memory_ids"]) == answer["memories_removed"] == 2
    assert recalled(client, namespace, "dark mode") == [answer["consolidated_memory"]["content"]]


def test_one_memory_is_not_consolidated(client: DakeraClient, namespace: str) -> None:
    stored = client.store_memory(namespace, FACTS[0])

    with pytest.raises(ValidationError):
        client.consolidate(namespace, memory_ids=[stored["id"]])


# --- Agents ---


def test_an_agents_stats_count_its_memories_and_sessions(
    client: DakeraClient, namespace: str
) -> None:
    ended_id = client.start_session(namespace)["id"]
    client.start_session(namespace)
    client.end_session(ended_id)
    client.store_memory(namespace, FACTS[0], "semantic", importance=0.8)
    client.store_memory(namespace, FACTS[1], "episodic", importance=0.2)
    client.store_memory(namespace, FACTS[2], "episodic", importance=0.5)

    stats = client.agent_stats(namespace)

    assert stats["agent_id"] == namespace
    assert stats["total_memories"] == 3
    assert {kind: n for kind, n in stats["memories_by_type"].items() if n} == {
        "episodic": 2,
        "semantic": 1,
    }
    assert (stats["total_sessions"], stats["active_sessions"]) == (2, 1)
    assert stats["avg_importance"] == pytest.approx(0.5)
    assert is_unix_seconds(stats["oldest_memory_at"])
    assert stats["oldest_memory_at"] <= stats["newest_memory_at"]


def test_an_agents_memories_are_listed_newest_first(client: DakeraClient, namespace: str) -> None:
    for fact in FACTS[:3]:
        client.store_memory(namespace, fact, tags=["fact"])

    memories = client.agent_memories(namespace)

    assert isinstance(memories, list)
    assert {memory["content"] for memory in memories} == set(FACTS[:3])
    assert all(memory["tags"] == ["fact"] for memory in memories)
    created = [memory["created_at"] for memory in memories]
    assert created == sorted(created, reverse=True)


def test_an_agents_memories_come_in_pages(client: DakeraClient, namespace: str) -> None:
    store_facts(client, namespace)

    pages = [client.agent_memories(namespace, limit=4, offset=offset) for offset in (0, 4, 8)]

    assert [len(page) for page in pages] == [4, 2, 0]
    assert {memory["content"] for page in pages for memory in page} == set(FACTS)


def test_an_agents_memories_are_listed_by_type(client: DakeraClient, namespace: str) -> None:
    client.store_memory(namespace, FACTS[0], "semantic")
    client.store_memory(namespace, FACTS[1], "episodic")

    memories = client.agent_memories(namespace, memory_type="semantic", include_derived=False)

    assert [memory["content"] for memory in memories] == [FACTS[0]]


def test_an_agents_memories_can_be_previewed(client: DakeraClient, namespace: str) -> None:
    client.store_memory(namespace, "Ä" * 50)

    (preview,) = client.agent_memories(namespace, content_preview_chars=10)

    assert preview["content"] == "Ä" * 10
    assert (preview["content_len"], preview["content_truncated"]) == (50, True)


def test_an_agents_sessions_are_listed(client: DakeraClient, namespace: str) -> None:
    ended_id = client.start_session(namespace)["id"]
    active_id = client.start_session(namespace)["id"]
    client.end_session(ended_id)

    every = client.agent_sessions(namespace)
    active = client.agent_sessions(namespace, active_only=True)
    one = client.agent_sessions(namespace, limit=1)

    assert isinstance(every, list)
    assert {session["id"] for session in every} == {ended_id, active_id}
    assert [session["id"] for session in active] == [active_id]
    assert len(one) == 1


# --- Chat sessions ---


def test_a_chat_recalls_what_an_earlier_chat_was_told(client: DakeraClient, namespace: str) -> None:
    with open_chat(client, namespace, metadata={"channel": "web"}) as monday:
        monday.store("user", FACTS[0], importance=0.85, tags=["decision"])
        for fact in FACTS[1:]:
            monday.store("user", fact)

    with open_chat(client, namespace) as friday:
        friday.store("user", "Good morning!")
        context = friday.recall(QUESTIONS[FACTS[0]], top_k=3)

    assert monday.session_id != friday.session_id
    assert len(context) == 3
    assert (context[0].content, context[0].importance) == (FACTS[0], 0.85)


def test_a_chat_turn_is_a_memory_tagged_with_its_speaker(
    client: DakeraClient, namespace: str
) -> None:
    with open_chat(client, namespace) as chat:
        turn = chat.store("assistant", "Shall I book the flight?", tags=["question"])

    assert turn["session_id"] == chat.session_id
    assert turn["tags"] == ["question", "assistant"]
    assert (turn["memory_type"], turn["importance"]) == ("episodic", 0.6)
    assert turn["session_state"] == "active"


def test_leaving_a_chat_ends_its_session(client: DakeraClient, namespace: str) -> None:
    with open_chat(client, namespace) as chat:
        assert client.get_session(chat.session_id)["ended_at"] is None

    assert client.get_session(chat.session_id)["ended_reason"] == "client"


def test_a_chat_that_fails_ends_its_session_too(client: DakeraClient, namespace: str) -> None:
    with pytest.raises(LookupError), open_chat(client, namespace) as chat:
        raise LookupError

    assert client.get_session(chat.session_id)["ended_reason"] == "client"


def test_a_chat_is_closed_with_a_summary(client: DakeraClient, namespace: str) -> None:
    chat = open_chat(client, namespace)
    chat.store("user", FACTS[0])

    closed = chat.close(summary="Chose PostgreSQL.")

    assert closed["memory_count"] == 1
    assert client.get_session(chat.session_id)["summary"] == "Chose PostgreSQL."


def test_a_touched_chat_stays_open(client: DakeraClient, namespace: str) -> None:
    with open_chat(client, namespace, idle_timeout_secs=600) as chat:
        touch = chat.touch()

    assert touch.is_active
    assert touch.session.idle_timeout_secs == 600
    assert not chat.touch().is_active
