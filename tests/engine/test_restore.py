"""What a file says is what stands afterwards, however often it is read."""

from dataclasses import replace
from time import time

from cross_session.adapters import memory_index
from cross_session.domain.feedback import Feedback
from cross_session.domain.memory import Memory
from cross_session.domain.session import Session
from cross_session.remember import Note
from cross_session.restore import Record, restore
from cross_session.revise import revise
from cross_session.walk import Place, walk
from tests.engine.owner import Owner, anywhere


def put_back(owner: Owner, *records: Record, sessions: tuple[Session, ...] = ()) -> None:
    restore(owner.tenant, owner.namespace, sessions, records)


def held(owner: Owner, *, sessions: bool = True) -> list[Session | Memory]:
    walked = walk(
        owner.tenant,
        owner.namespace,
        after=Place(),
        sessions=sessions,
        superseded=True,
        now=int(time()),
    )
    return [record for _, record in walked]


def session_of(owner: Owner, id: str) -> Session:
    return Session(
        id=id,
        tenant=owner.tenant,
        namespace=owner.namespace,
        started_at_ms=1_700_000_000_123,
        last_activity_at=1_700_000_500,
        metadata={"channel": "web"},
        ended_at=1_700_000_600,
        ended_reason="client",
        summary="It rained",
        last_said="Ada: it rained",
    )


FULL = Record(
    id="m1",
    content="Ada: it rained",
    memory_type="semantic",
    importance=0.3,
    tags=["weather"],
    session_id="s1",
    metadata={"n": [1, {"x": None}]},
    event_time=-5,
    created_at=1_700_000_100,
    updated_at=1_700_000_200,
    sequence=1_700_000_100_000_000_007,
    expires_at=4_000_000_000,
    subject="weather.today",
    valid_until=-4,
    superseded_by="m2",
    superseded_kind="subject",
    superseded_at=1_700_000_300,
    feedback=Feedback().given("flag", importance=0.3, at=1_700_000_250),
    preceding="Bob: and?",
    preceding_known=True,
)


def test_a_memory_and_its_session_come_back_as_they_were(owner: Owner) -> None:
    session = session_of(owner, "s1")

    put_back(owner, FULL, sessions=(session,))

    kept, memory = held(owner)
    assert kept == replace(session, memory_count=1)
    assert memory == Memory(
        id="m1",
        tenant=owner.tenant,
        namespace=owner.namespace,
        content="Ada: it rained",
        memory_type="semantic",
        importance=0.3,
        tags=["weather"],
        session_id="s1",
        metadata={"n": [1, {"x": None}]},
        event_time=-5,
        created_at=1_700_000_100,
        updated_at=1_700_000_200,
        sequence=1_700_000_100_000_000_007,
        expires_at=4_000_000_000,
        subject="weather.today",
        valid_until=-4,
        superseded_by="m2",
        superseded_kind="subject",
        superseded_at=1_700_000_300,
        feedback=Feedback().given("flag", importance=0.3, at=1_700_000_250),
        preceding="Bob: and?",
    )


def test_a_file_read_twice_is_there_once(owner: Owner) -> None:
    for _ in range(2):
        put_back(owner, FULL, Record(content="it snowed"), sessions=(session_of(owner, "s1"),))
        once = held(owner)

    assert held(owner) == once
    assert len(once) == 3
    assert owner.session("s1").memory_count == 1


def test_what_is_put_back_is_recalled(owner: Owner) -> None:
    put_back(owner, Record(content="Maria is a vegetarian"), Record(content="The sky was grey"))

    assert owner.recall("Who eats no meat?")[0] == "Maria is a vegetarian"


def test_the_file_overrules_what_was_changed_since(owner: Owner) -> None:
    put_back(owner, Record(id="m1", content="Maria is a vegetarian", created_at=5))
    revise(owner.tenant, owner.namespace, "m1", {"content": "The sky was grey"})

    put_back(owner, Record(id="m1", content="Maria is a vegetarian", created_at=5))

    assert owner.contents() == ["Maria is a vegetarian"]
    assert owner.recall("Who eats no meat?", routing="vector") == ["Maria is a vegetarian"]


def test_of_two_records_with_one_id_the_last_counts(owner: Owner) -> None:
    put_back(owner, Record(id="m1", content="first"), Record(id="m1", content="second"))

    assert owner.contents() == ["second"]


def test_a_record_without_an_id_gets_the_one_that_storing_it_gives(owner: Owner) -> None:
    (stored,) = owner.remember(Note(content="it rained", event_time=100))

    put_back(owner, Record(content="it rained", event_time=100))

    assert [memory.id for memory in owner.listed()] == [stored.id]


def test_turns_of_a_session_are_read_in_the_light_of_the_one_before(owner: Owner) -> None:
    put_back(
        owner,
        Record(id="a", content="Ada: Did you sail?", session_id="s1"),
        Record(id="b", content="Bob: Yes, to Hven", session_id="s1"),
        Record(id="c", content="Eve: Elsewhere", session_id="s2"),
    )

    assert [owner.get(id).preceding for id in "abc"] == [None, "Ada: Did you sail?", None]


def test_a_session_id_that_another_namespace_holds_becomes_another_one(owner: Owner) -> None:
    other = owner.beside("user-eve")
    put_back(owner, FULL, sessions=(session_of(owner, "s1"),))

    for _ in range(2):
        put_back(other, FULL, sessions=(session_of(other, "s1"),))

    kept, memory = held(other)
    assert isinstance(memory, Memory)
    assert memory.session_id == kept.id != "s1"
    assert owner.session("s1").namespace == owner.namespace
    assert len(held(other)) == 2


def test_a_walk_of_pages_meets_each_memory_once(owner: Owner) -> None:
    for start in range(0, 1_000, 250):
        owner.place(anywhere(250), ids=f"mem_{start}", sequence=start // 500)

    met: list[str] = []
    after = Place()
    while True:
        page = walk(
            owner.tenant,
            owner.namespace,
            after=after,
            sessions=False,
            superseded=True,
            now=int(time()),
        )
        taken = [step for step, _ in zip(page, range(333), strict=False)]
        if not taken:
            break
        met += [record.id for _, record in taken]
        after = taken[-1][0]

    assert len(met) == len(set(met)) == 1_000


def test_superseded_memories_are_met_if_asked_for_and_expired_ones_never(owner: Owner) -> None:
    owner.place(anywhere(1), ids="live")
    owner.place(anywhere(1), ids="old", superseded_by="live_0")
    owner.place(anywhere(1), ids="gone", expires_at=1)

    def ids(superseded: bool) -> list[str]:
        found = memory_index.oldest_first(
            owner.tenant, owner.namespace, after=None, superseded=superseded, now=int(time())
        )
        return [memory.id for memory in found]

    assert ids(superseded=False) == ["live_0"]
    assert ids(superseded=True) == ["live_0", "old_0"]
