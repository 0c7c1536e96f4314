"""What the service is for, told by its own client."""

import asyncio

from cross_session_client import AsyncCrossSession, CrossSession
from tests.e2e.service import Service

DATABASE = "Decided to use PostgreSQL instead of MongoDB for the project"
STATUS = "API design phase completed. Moving to implementation next week."
SMALL_TALK = [
    "The user's cat is called Schrödinger",
    "Prefers to be written to in the evening",
    "The gym membership runs until the end of March",
    "Is learning Portuguese for a trip to Lisbon",
    "Favourite dish is mushroom risotto",
]
QUESTION = "How's the backend project going?"


def test_weeks_later_a_new_session_knows_how_the_project_is_going(
    service: Service, namespace: str
) -> None:
    with CrossSession(base_url=service.url, api_key=service.key) as client:
        first = client.sessions.start(
            namespace=namespace, metadata={"channel": "web", "topic": "project-planning"}
        )
        for content, kind in ((DATABASE, "decision"), (STATUS, "outcome")):
            client.memory.store(
                content=content,
                namespace=namespace,
                metadata={"session_id": first["session_id"], "type": kind, "importance": 0.85},
            )
        client.sessions.end(session_id=first["session_id"])
        other = client.sessions.start(namespace=namespace, metadata={"channel": "phone"})
        for content in SMALL_TALK:
            client.memory.store(
                content=content, namespace=namespace, session_id=other["session_id"]
            )
        client.sessions.end(session_id=other["session_id"], summary="Small talk")

        later = client.sessions.start(namespace=namespace, metadata={"channel": "mobile"})
        context = client.memory.recall(query=QUESTION, namespace=namespace, top_k=10)["results"]

        assert {one["content"] for one in context[:2]} == {DATABASE, STATUS}
        assert context[0]["metadata"]["type"] in {"decision", "outcome"}
        assert context[0]["session_id"] == first["session_id"] != later["session_id"]
        assert context[0]["importance"] == 0.85


def test_the_story_is_the_same_with_await(service: Service, namespace: str) -> None:
    async def story() -> list[str]:
        async with AsyncCrossSession(base_url=service.url, api_key=service.key) as client:
            session = await client.sessions.start(namespace=namespace)
            for content in (*SMALL_TALK, STATUS, DATABASE):
                await client.memory.store(
                    content=content,
                    namespace=namespace,
                    metadata={"session_id": session["session_id"], "importance": 0.85},
                )
            ended = await client.sessions.end(session_id=session["session_id"])
            assert ended["memory_count"] == len(SMALL_TALK) + 2
            recalled = await client.memory.recall(query=QUESTION, namespace=namespace, top_k=2)
            return [one["content"] for one in recalled["results"]]

    assert set(asyncio.run(story())) == {DATABASE, STATUS}
