"""The public framework integrations store, recall and run a session against the service.

LangChain, LlamaIndex, CrewAI and AutoGen each call the same things by names of their own, so one
list of sentences runs for all of them; what only one of them has follows. No model is called.
"""

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import autogen_dakera
import crewai_dakera
import langchain_dakera
import llama_index_dakera
import pytest
import strands_dakera  # type: ignore[import-untyped]  # ships no py.typed
from dakera import NotFoundError

from tests.e2e.service import Service

FACTS = [
    "Decided to use PostgreSQL instead of MongoDB for the project.",
    "Maria is a vegetarian and never eats meat or fish.",
    "Piano lessons take place every Thursday evening.",
]
WHICH_DATABASE = "Which database did we pick?"

Memory = dict[str, Any]
Session = dict[str, Any]


@dataclass(frozen=True)
class Framework:
    """One framework's memory and sessions under common names, its parts as they are."""

    store: Callable[..., Memory]
    recall: Callable[..., list[Memory]]
    recall_each: Callable[[list[str]], list[list[Memory]]]
    search: Callable[[str], list[Memory]]
    forget: Callable[[str], None]
    update_importance: Callable[[str, float], None]
    consolidate: Callable[[], dict[str, Any]]
    stats: Callable[[], dict[str, Any]]
    store_in_session: Callable[[str, str], Memory]
    sessions: Any
    list_sessions: Callable[..., list[Session]]
    parts: tuple[Any, ...]


def langchain(service: Service, agent_id: str) -> Framework:
    memory = langchain_dakera.DakeraMemory(
        api_url=service.url, api_key=service.key, agent_id=agent_id
    )
    tools = langchain_dakera.DakeraAgentTools(service.url, agent_id, service.key)
    sessions = langchain_dakera.DakeraSessionManager(service.url, agent_id, service.key)

    def store_in_session(content: str, session_id: str) -> Memory:
        memory.session_id = session_id
        stored: Memory = memory.store(content)
        return stored

    return Framework(
        store=memory.store,
        recall=memory.recall,
        recall_each=memory.batch_recall,
        search=memory.search,
        forget=memory.forget,
        update_importance=memory.update_importance,
        consolidate=memory.consolidate,
        stats=tools.stats,
        store_in_session=store_in_session,
        sessions=sessions,
        list_sessions=sessions.list_sessions,
        parts=(memory, tools, sessions),
    )


def llamaindex(service: Service, agent_id: str) -> Framework:
    memory = llama_index_dakera.DakeraMemoryStore(service.url, agent_id, service.key)
    sessions = llama_index_dakera.DakeraSessionManager(service.url, agent_id, service.key)
    return Framework(
        store=memory.put,
        recall=memory.get,
        recall_each=memory.batch_get,
        search=memory.hybrid_search,
        forget=memory.delete,
        update_importance=memory.update_importance,
        consolidate=memory.consolidate,
        stats=memory.stats,
        store_in_session=lambda content, session_id: memory.put(content, session_id=session_id),
        sessions=sessions,
        list_sessions=sessions.list,
        parts=(memory, sessions),
    )


def crewai(service: Service, agent_id: str) -> Framework:
    storage = crewai_dakera.DakeraStorage(service.url, agent_id, service.key)
    sessions = crewai_dakera.DakeraSessionManager(service.url, agent_id, service.key)
    return Framework(
        store=storage.save,
        recall=storage.search,
        recall_each=storage.batch_search,
        search=storage.hybrid_search,
        forget=storage.forget,
        update_importance=storage.update_importance,
        consolidate=storage.consolidate,
        stats=storage.stats,
        store_in_session=lambda content, session_id: storage.save(content, session_id=session_id),
        sessions=sessions,
        list_sessions=sessions.list,
        parts=(storage, sessions),
    )


def autogen(service: Service, agent_id: str) -> Framework:
    memory = autogen_dakera.DakeraMemory(service.url, agent_id, service.key)
    sessions = autogen_dakera.DakeraSessionManager(service.url, agent_id, service.key)
    return Framework(
        store=memory.add,
        recall=memory.query,
        recall_each=memory.batch_query,
        search=memory.hybrid_search,
        forget=memory.forget,
        update_importance=memory.update_importance,
        consolidate=memory.consolidate,
        stats=memory.stats,
        store_in_session=lambda content, session_id: memory.add(content, session_id=session_id),
        sessions=sessions,
        list_sessions=sessions.list,
        parts=(memory, sessions),
    )


@pytest.fixture(params=[langchain, llamaindex, crewai, autogen], ids=lambda make: make.__name__)
def framework(
    request: pytest.FixtureRequest, service: Service, namespace: str
) -> Iterator[Framework]:
    framework: Framework = request.param(service, namespace)

    yield framework

    for part in framework.parts:
        part._client.close()  # the integrations have no close of their own


def contents(memories: list[Memory]) -> list[str]:
    return [memory["content"] for memory in memories]


# --- LangChain, LlamaIndex, CrewAI, AutoGen ---


def test_what_is_stored_is_recalled_by_its_meaning(framework: Framework) -> None:
    stored = [framework.store(fact, metadata={"type": "fact"}) for fact in FACTS]

    recalled = framework.recall(WHICH_DATABASE)

    assert set(contents(recalled)) == set(FACTS)
    assert (recalled[0]["id"], recalled[0]["content"]) == (stored[0]["id"], FACTS[0])
    assert recalled[0]["metadata"] == {"type": "fact"}


def test_several_questions_are_answered_in_their_order(framework: Framework) -> None:
    for fact in FACTS:
        framework.store(fact)

    answers = framework.recall_each([WHICH_DATABASE, "When is music class?"])

    assert [answer[0]["content"] for answer in answers] == [FACTS[0], FACTS[2]]


def test_what_is_stored_is_found_by_its_words(framework: Framework) -> None:
    for fact in FACTS:
        framework.store(fact)

    found = framework.search("PostgreSQL")

    assert found[0]["content"] == FACTS[0]
    assert found[0]["id"]
    assert isinstance(found[0]["score"], float)


def test_recall_keeps_to_types_tags_and_importance(framework: Framework) -> None:
    framework.store(FACTS[0], memory_type="semantic", tags=["decision"], importance=0.9)
    framework.store(FACTS[1], memory_type="episodic", tags=["food"], importance=0.3)

    assert contents(framework.recall("anything", memory_type="semantic")) == [FACTS[0]]
    assert contents(framework.recall("anything", tags=["food", "drink"])) == [FACTS[1]]
    assert contents(framework.recall("anything", min_importance=0.8)) == [FACTS[0]]


def test_a_changed_importance_counts(framework: Framework) -> None:
    stored = framework.store(FACTS[0], importance=0.3)

    framework.update_importance(stored["id"], 0.95)

    assert contents(framework.recall("anything", min_importance=0.9)) == [FACTS[0]]


def test_what_is_forgotten_is_not_recalled(framework: Framework) -> None:
    forgotten, _ = framework.store(FACTS[0]), framework.store(FACTS[1])

    framework.forget(forgotten["id"])

    assert contents(framework.recall(WHICH_DATABASE)) == [FACTS[1]]


def test_near_duplicates_are_consolidated(framework: Framework) -> None:
    framework.store("Ada prefers dark mode in every editor.")
    framework.store("Ada prefers dark mode in all editors.")

    answer = framework.consolidate()

    assert answer["memories_removed"] == 2
    assert contents(framework.recall("dark mode")) == [answer["consolidated_memory"]["content"]]
    assert framework.stats()["total_memories"] == 1


def test_stats_count_memories_and_sessions(framework: Framework) -> None:
    framework.store(FACTS[0], memory_type="semantic")
    framework.store(FACTS[1], memory_type="episodic")
    framework.sessions.start()
    framework.sessions.end()
    framework.sessions.start()

    stats = framework.stats()

    assert stats["total_memories"] == 2
    assert (stats["memories_by_type"]["semantic"], stats["memories_by_type"]["episodic"]) == (1, 1)
    assert (stats["total_sessions"], stats["active_sessions"]) == (2, 1)


def test_a_session_runs_from_start_to_end(framework: Framework, namespace: str) -> None:
    session_id = framework.sessions.start(metadata={"channel": "web"})
    stored = framework.store_in_session(FACTS[0], session_id)
    assert framework.sessions.active_session_id == session_id
    assert framework.sessions.get(session_id)["ended_at"] is None

    framework.sessions.end()

    session = framework.sessions.get(session_id)
    assert (session["id"], session["agent_id"]) == (session_id, namespace)
    assert session["metadata"] == {"channel": "web"}
    assert session["memory_count"] == 1
    assert session["started_at"] <= session["ended_at"]
    assert framework.sessions.active_session_id is None
    (memory,) = framework.sessions.memories(session_id)
    assert (memory["id"], memory["content"]) == (stored["id"], FACTS[0])
    assert memory["importance"] == stored["importance"]


def test_sessions_are_listed(framework: Framework) -> None:
    ended_id = framework.sessions.start()
    framework.sessions.end()
    active_id = framework.sessions.start()

    every = framework.list_sessions()
    active = framework.list_sessions(active_only=True)

    assert {session["id"] for session in every} == {ended_id, active_id}
    assert [session["id"] for session in active] == [active_id]
    assert (active[0]["ended_at"], active[0]["memory_count"]) == (None, 0)


def test_leaving_a_session_ends_it(framework: Framework) -> None:
    with framework.sessions as sessions:
        session_id = sessions.active_session_id

    assert framework.sessions.get(session_id)["ended_at"] is not None


def test_a_later_session_recalls_an_earlier_one(framework: Framework) -> None:
    with framework.sessions as monday:
        for fact in FACTS:
            framework.store_in_session(fact, monday.active_session_id)

    with framework.sessions as friday:
        framework.store_in_session("Good morning!", friday.active_session_id)
        recalled = framework.recall(WHICH_DATABASE)

    assert recalled[0]["content"] == FACTS[0]


# --- LangChain ---


def test_langchain_loads_what_it_saved_in_another_conversation(
    service: Service, namespace: str
) -> None:
    def memory() -> langchain_dakera.DakeraMemory:
        return langchain_dakera.DakeraMemory(
            api_url=service.url, api_key=service.key, agent_id=namespace, tags=["chat"], recall_k=1
        )

    earlier, later = memory(), memory()
    earlier.save_context({"input": FACTS[0]}, {"output": "Noted."})
    earlier.save_context({"input": FACTS[1]}, {"output": "I'll remember."})

    variables = later.load_memory_variables({"input": WHICH_DATABASE})

    assert variables == {"history": f"Human: {FACTS[0]}\nAI: Noted."}
    for each in (earlier, later):
        each._get_client().close()


def test_langchain_ends_a_session_with_its_summary(service: Service, namespace: str) -> None:
    sessions = langchain_dakera.DakeraSessionManager(service.url, namespace, service.key)
    session_id = sessions.start()

    sessions.end("Chose PostgreSQL.")

    assert sessions._client.get_session(session_id)["summary"] == "Chose PostgreSQL."
    sessions._client.close()


def test_langchains_agent_tools_list_memories_and_sessions(
    service: Service, namespace: str
) -> None:
    sdk = langchain(service, namespace)
    tools = langchain_dakera.DakeraAgentTools(service.url, namespace, service.key)
    ended_id = sdk.sessions.start()
    sdk.sessions.end()
    active_id = sdk.sessions.start()
    stored = sdk.store(FACTS[0], memory_type="semantic", importance=0.9, metadata={"n": 1})

    memories = tools.memories(limit=10)

    assert memories == [
        {
            "id": stored["id"],
            "content": FACTS[0],
            "importance": 0.9,
            "memory_type": "semantic",
            "metadata": {"n": 1},
            "created_at": stored["created_at"],
        }
    ]
    assert {session["id"] for session in tools.sessions()} == {ended_id, active_id}
    assert [session["id"] for session in tools.sessions(active_only=True)] == [active_id]
    for part in (*sdk.parts, tools):
        part._client.close()


# --- LlamaIndex ---


def test_llamaindex_stores_and_recalls_asynchronously(service: Service, namespace: str) -> None:
    async def converse() -> tuple[list[Memory], list[Memory]]:
        store = llama_index_dakera.DakeraMemoryStore(service.url, namespace, service.key)
        for fact in FACTS[:2]:
            await store.aput(fact, memory_type="semantic", metadata={"type": "fact"})
        put = await store.aput(FACTS[2], tags=["music"], importance=0.9)
        by_meaning = await store.aget(WHICH_DATABASE, top_k=2)
        by_tag = await store.aget("anything", tags=["music"], memory_type=put["memory_type"])
        await store._async_client.close()
        store._client.close()
        return by_meaning, by_tag

    by_meaning, by_tag = asyncio.run(converse())

    assert len(by_meaning) == 2
    assert by_meaning[0]["content"] == FACTS[0]
    assert by_meaning[0]["metadata"] == {"type": "fact"}
    assert contents(by_tag) == [FACTS[2]]


# --- Strands ---


def test_strands_store_finds_what_was_added(service: Service, namespace: str) -> None:
    async def converse() -> tuple[Memory, list[Any]]:
        store = strands_dakera.DakeraMemoryStore(
            agent_id=namespace, base_url=service.url, api_key=service.key, importance=0.8
        )
        added = await store.add(FACTS[0], {"type": "decision"})
        for fact in FACTS[1:]:
            await store.add(fact)
        found = await store.search(WHICH_DATABASE, {"max_search_results": 2})
        store.client.client.close()
        return added, found

    added, found = asyncio.run(converse())

    assert len(found) == 2
    assert found[0].content == FACTS[0]
    metadata = found[0].metadata
    assert (metadata["id"], metadata["type"]) == (added["id"], "decision")
    assert (metadata["importance"], metadata["memory_type"]) == (0.8, "episodic")
    assert metadata["created_at"] == added["created_at"]


def test_strands_client_keeps_changes_and_forgets(service: Service, namespace: str) -> None:
    client = strands_dakera.DakeraServiceClient(service.url, service.key)
    stored = client.store_memory(namespace, FACTS[0], importance=0.8, metadata={"v": 1})
    client.store_memory(namespace, FACTS[1])

    found = client.search_memories(namespace, WHICH_DATABASE, top_k=1)
    client.update_memory(namespace, stored["id"], "We moved to SQLite.", {"v": 2}, "semantic")
    changed = client.get_memory(namespace, stored["id"])
    client.delete_memory(namespace, stored["id"])

    assert [(memory["id"], memory["content"]) for memory in found] == [(stored["id"], FACTS[0])]
    assert changed["content"] == "We moved to SQLite."
    assert (changed["metadata"], changed["memory_type"]) == ({"v": 2}, "semantic")
    assert changed["importance"] == 0.8
    assert contents(client.search_memories(namespace, "SQLite")) == [FACTS[1]]
    with pytest.raises(NotFoundError):
        client.get_memory(namespace, stored["id"])
    client.client.close()


def test_strands_tool_works_for_the_model_that_calls_it(
    service: Service, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAKERA_BASE_URL", service.url)
    monkeypatch.setenv("DAKERA_API_KEY", service.key)
    monkeypatch.setenv("BYPASS_TOOL_CONSENT", "true")

    def use(action: str, **arguments: object) -> str:
        arguments = {"action": action, "agent_id": namespace, **arguments}
        result = strands_dakera.dakera_memory({"toolUseId": "t1", "input": arguments})
        assert result["status"] == "success", result
        text: str = result["content"][0]["text"]
        return text

    memory_id = json.loads(use("store", content=FACTS[0], importance=0.8))["id"]
    use("store", content=FACTS[1])
    use("update", memory_id=memory_id, content="We moved to SQLite.")

    assert json.loads(use("get", memory_id=memory_id))["content"] == "We moved to SQLite."
    assert json.loads(use("retrieve", query=WHICH_DATABASE))[0]["id"] == memory_id
    use("delete", memory_id=memory_id)
    assert contents(json.loads(use("retrieve", query="SQLite"))) == [FACTS[1]]
