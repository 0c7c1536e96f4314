"""Stores while OpenSearch is away: acknowledged, kept by SQS, and indexed once it is back."""

import json
import random
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from time import monotonic
from typing import TYPE_CHECKING, Any

import boto3
import httpx
import pytest
from botocore.exceptions import EndpointConnectionError

from cross_session import remember as remembering
from cross_session.adapters import memory_index, queues, spill_queue, tombstones
from cross_session.adapters.embeddings import embedder
from cross_session.domain.memory import Memory
from cross_session.domain.search_text import context_text
from cross_session.domain.selection import Selection
from cross_session.erase import erase
from cross_session.errors import EngineUnavailableError, QueueUnavailableError
from cross_session.forget import forget
from cross_session.remember import Note, Remembered, remember
from cross_session.revise import revise
from functions import index_memories
from infra.local.deliveries import record_of
from tests.engine.conftest import SPILL, PointAt, answering, consume, deliver, received
from tests.engine.owner import Owner
from tests.ports import free_ports
from tests.servers import Handler, serving

if TYPE_CHECKING:
    from types_boto3_sqs.client import SQSClient

DECISION = "Decided to use PostgreSQL instead of MongoDB for the project"


@pytest.fixture
def away(point_at: PointAt, queue: "SQSClient") -> str:
    """A URL that nobody answers at, to which the service is turned."""
    assert queue
    url = f"http://127.0.0.1:{free_ports(1)}"
    point_at(url)
    return url


@pytest.fixture
def back(point_at: PointAt, engine: str, new_circuit: Callable[[], None]) -> Callable[[], None]:
    """Turns the service to the real engine, and has some time pass."""

    def turn() -> None:
        point_at(engine)
        new_circuit()

    return turn


def store(owner: Owner, *notes: Note) -> Remembered:
    return remember(owner.tenant, owner.namespace, notes)


@contextmanager
def losing_answers_of(engine: str) -> Iterator[str]:
    """The URL of a way to the engine on which requests arrive and answers are lost."""

    class Pass(Handler):
        def _pass(self) -> None:
            httpx.post(
                f"{engine}{self.path}",
                content=self.body(),
                headers={"Content-Type": self.headers["Content-Type"]},
            ).raise_for_status()
            self.connection.shutdown(socket.SHUT_RDWR)

        do_POST = _pass  # noqa: N815

    with serving(Pass) as url:
        yield url


def test_a_store_while_the_engine_is_away_is_acknowledged_and_recalled_once_it_is_back(
    owner: Owner, away: str, back: Callable[[], None], queue: "SQSClient"
) -> None:
    assert away
    owner.start("s1")

    remembered = store(owner, Note(content=DECISION, session_id="s1", importance=0.9))

    [memory] = remembered.memories
    assert remembered.waiting == {memory.id}
    assert remembered.sessions["s1"].state == "active"
    with pytest.raises(EngineUnavailableError):
        owner.recall("database")
    back()
    assert owner.listed() == []
    assert deliver(queue) == 1
    assert owner.recall("database") == [DECISION]
    assert owner.get(memory.id) == memory
    assert owner.session("s1").memory_count == 1


def test_a_store_while_the_engine_is_there_waits_for_nothing(
    owner: Owner, queue: "SQSClient"
) -> None:
    assert store(owner, Note(content=DECISION)).waiting == frozenset()
    assert received(queue) == []


def test_a_batch_while_the_engine_is_away_is_indexed_whole_and_in_its_order(
    owner: Owner, away: str, back: Callable[[], None], queue: "SQSClient"
) -> None:
    assert away
    owner.start("s1")
    contents = [f"Ticket {number} is open" for number in range(25)]

    remembered = store(owner, *(Note(content=one, session_id="s1") for one in contents))

    assert len(remembered.waiting) == 25
    back()
    assert deliver(queue) == 25
    assert owner.contents() == contents[::-1]
    assert owner.session("s1").memory_count == 25


def test_turns_of_a_chat_keep_the_turn_before_them_while_the_engine_is_away(
    owner: Owner, away: str, back: Callable[[], None], queue: "SQSClient"
) -> None:
    assert away
    owner.start("s1")
    for turn in ("Ada: Shall we meet?", "Bob: At noon."):
        store(owner, Note(content=turn, session_id="s1"))

    back()
    deliver(queue)

    assert [memory.preceding for memory in owner.listed()] == ["Ada: Shall we meet?", None]


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_store_that_a_busy_engine_turns_away_waits(
    owner: Owner, point_at: PointAt, queue: "SQSClient", status: int
) -> None:
    with answering(status, {"error": {"type": "rejected"}, "status": status}) as url:
        point_at(url)

        assert len(store(owner, Note(content=DECISION)).waiting) == 1
    assert len(received(queue)) == 1


def test_a_store_of_which_the_engine_turned_a_part_away_ends_whole(
    owner: Owner, point_at: PointAt, back: Callable[[], None], queue: "SQSClient"
) -> None:
    error = {"type": "rejected_execution_exception", "reason": "queue full"}
    items = [{"create": {"status": 201}}, {"create": {"status": 429, "error": error}}]
    with answering(200, {"errors": True, "items": items}) as url:
        point_at(url)
        store(owner, Note(content="one"), Note(content="two"))

    back()
    deliver(queue)

    assert sorted(owner.contents()) == ["one", "two"]


def test_a_store_does_not_wait_long_for_an_engine_that_never_answers(
    owner: Owner, point_at: PointAt, queue: "SQSClient"
) -> None:
    owner.remember("loads the model")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        point_at(f"http://127.0.0.1:{silent.getsockname()[1]}")
        spent: list[float] = []

        for number in range(6):
            began = monotonic()
            store(owner, *(Note(content=f"{number}/{place}") for place in range(10)))
            spent.append(monotonic() - began)

    assert max(spent) < 3
    assert max(spent[3:]) < 1  # the circuit is open
    assert queue


def test_once_the_engine_is_back_it_is_asked_again(
    owner: Owner, away: str, point_at: PointAt, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert away
    monkeypatch.setattr("cross_session.adapters.circuit._RECOVERY_SECS", 1)
    monkeypatch.setattr("cross_session.adapters.circuit._KNOWN_FOR_SECS", 0)
    for number in range(4):
        assert store(owner, Note(content=f"while away {number}")).waiting
    point_at(engine)
    assert store(owner, Note(content="too soon")).waiting

    deadline = monotonic() + 10
    while store(owner, Note(content="again")).waiting:
        assert monotonic() < deadline

    assert owner.contents() == ["again"]


def test_a_store_whose_answer_was_lost_is_one_memory(
    owner: Owner, point_at: PointAt, engine: str, back: Callable[[], None], queue: "SQSClient"
) -> None:
    owner.start("s1")
    with losing_answers_of(engine) as url:
        point_at(url)
        [memory] = store(owner, Note(content=DECISION, session_id="s1")).memories
    back()
    assert owner.contents() == [DECISION]

    assert deliver(queue) == 1

    assert owner.listed() == [memory]
    assert owner.session("s1").memory_count == 1


def test_a_message_delivered_twice_is_one_memory_and_counts_once(
    owner: Owner, away: str, back: Callable[[], None], queue: "SQSClient"
) -> None:
    assert away
    owner.start("s1")
    store(owner, Note(content=DECISION, session_id="s1"))
    back()

    assert consume(received(queue)) == set()
    assert deliver(queue) == 1

    assert owner.contents() == [DECISION]
    assert owner.session("s1").memory_count == 1


def test_a_store_repeated_while_the_engine_is_away_is_one_memory(
    owner: Owner, away: str, back: Callable[[], None], queue: "SQSClient"
) -> None:
    assert away
    owner.start("s1")
    for _ in range(3):
        store(owner, Note(content=DECISION, session_id="s1"))

    back()
    deliver(queue)

    assert owner.contents() == [DECISION]
    assert owner.session("s1").memory_count == 1


def test_the_writes_of_one_memory_are_made_in_their_order(
    owner: Owner, away: str, back: Callable[[], None], queue: "SQSClient"
) -> None:
    assert away
    for phase in ("design", "review", "implementation"):
        store(owner, Note(id="status", content=f"In {phase}"))

    back()
    deliver(queue)

    assert owner.contents() == ["In implementation"]


def test_a_write_that_waited_gives_way_to_a_later_one(
    owner: Owner, away: str, back: Callable[[], None], queue: "SQSClient"
) -> None:
    assert away
    store(owner, Note(id="status", content="In design", importance=0.1))
    back()
    [later] = owner.remember(Note(id="status", content="In review", importance=0.9))

    deliver(queue)

    assert owner.listed() == [later]


def test_a_write_that_waited_gives_way_to_a_later_update(
    owner: Owner, point_at: PointAt, back: Callable[[], None], queue: "SQSClient"
) -> None:
    owner.remember(Note(id="status", content="In design"))
    point_at(f"http://127.0.0.1:{free_ports(1)}")
    store(owner, Note(id="status", content="In design", importance=0.1))
    back()
    revise(owner.tenant, owner.namespace, "status", {"importance": 0.9})

    deliver(queue)

    assert owner.get("status").importance == 0.9


def test_a_write_that_waited_sets_the_fields_it_names_on_an_earlier_memory(
    owner: Owner, point_at: PointAt, back: Callable[[], None], queue: "SQSClient"
) -> None:
    [first] = owner.remember(Note(content=DECISION, tags=["db"], importance=0.9))
    point_at(f"http://127.0.0.1:{free_ports(1)}")
    store(owner, Note(content=DECISION, tags=["db", "final"]))

    back()
    deliver(queue)

    [memory] = owner.listed()
    assert memory == replace(first, tags=["db", "final"], updated_at=memory.updated_at)


@pytest.mark.parametrize(
    "selection",
    [
        Selection(session_id="s1"),
        Selection(any_tags=("db",)),
        Selection(created_before=2**40),
        Selection(metadata={"type": "decision"}),
    ],
    ids=str,
)
def test_what_was_forgotten_while_it_waited_stays_forgotten(
    owner: Owner, away: str, back: Callable[[], None], queue: "SQSClient", selection: Selection
) -> None:
    assert away
    owner.start("s1")
    note = Note(content=DECISION, session_id="s1", tags=["db"], metadata={"type": "decision"})
    store(owner, note, Note(content="Kept", event_time=1))
    back()

    assert forget(owner.tenant, owner.namespace, selection) == 0
    deliver(queue)

    kept = [] if selection.created_before else ["Kept"]
    assert owner.contents() == kept
    assert owner.session("s1").memory_count == 0


def test_what_was_forgotten_by_its_id_while_it_waited_stays_forgotten(
    owner: Owner, away: str, back: Callable[[], None], queue: "SQSClient"
) -> None:
    assert away
    [memory, kept] = store(owner, Note(content=DECISION), Note(content="Kept")).memories
    back()

    forget(owner.tenant, owner.namespace, Selection(ids=(memory.id,)))
    deliver(queue)

    assert owner.listed() == [kept]


def test_what_waited_while_its_namespace_was_erased_never_comes(
    owner: Owner, away: str, back: Callable[[], None], queue: "SQSClient"
) -> None:
    assert away
    store(owner, Note(content=DECISION))
    back()

    assert erase(owner.tenant, owner.namespace).erased_at is not None
    assert deliver(queue) == 1

    assert owner.contents() == []


def test_what_is_forgotten_just_as_it_is_indexed_stays_forgotten(
    owner: Owner,
    away: str,
    back: Callable[[], None],
    queue: "SQSClient",
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert away
    owner.start("s1")
    store(owner, Note(content=DECISION, session_id="s1"))
    back()
    create = memory_index.create

    def forget_first(*arguments: Any) -> list[memory_index.Stored | None]:
        forget(owner.tenant, owner.namespace, Selection(session_id="s1"))
        return create(*arguments)

    monkeypatch.setattr(memory_index, "create", forget_first)
    deliver(queue)

    assert owner.contents() == []
    assert owner.session("s1").memory_count == 0


def test_what_is_stored_after_a_forget_is_indexed_though_its_like_was_forgotten(
    owner: Owner, point_at: PointAt, back: Callable[[], None], queue: "SQSClient"
) -> None:
    [memory] = owner.remember(DECISION)
    forget(owner.tenant, owner.namespace, Selection(ids=(memory.id,)))
    point_at(f"http://127.0.0.1:{free_ports(1)}")
    store(owner, Note(content=DECISION))

    back()
    deliver(queue)

    assert owner.contents() == [DECISION]


def test_a_forget_that_was_refused_as_the_engine_was_away_forgets_nothing(
    owner: Owner, away: str, back: Callable[[], None], queue: "SQSClient"
) -> None:
    assert away
    store(owner, Note(content=DECISION, session_id="s1"))
    with pytest.raises(EngineUnavailableError):
        forget(owner.tenant, owner.namespace, Selection(session_id="s1"))

    back()
    deliver(queue)

    assert owner.contents() == [DECISION]


def test_a_memory_that_expired_while_it_waited_is_not_indexed(
    owner: Owner, away: str, back: Callable[[], None], queue: "SQSClient"
) -> None:
    assert away
    [memory] = store(owner, Note(content=DECISION, expires_at=1)).memories
    back()

    deliver(queue)

    found = memory_index.create([memory], [embedder().passages([context_text(memory)])[0]])
    assert found == [None]


def test_while_the_engine_stays_away_messages_stay_and_come_later_each_time(
    owner: Owner, away: str, queue: "SQSClient", monkeypatch: pytest.MonkeyPatch
) -> None:
    assert away
    for importance in (0.1, 0.9):
        store(owner, Note(id="status", content=DECISION, importance=importance))
    store(owner, Note(content="Another"))
    messages = received(queue, visibility=60)
    waits: list[int] = []

    class Queue:
        def change_message_visibility(self, **options: Any) -> None:
            waits.append(options["VisibilityTimeout"])

    monkeypatch.setattr(queues, "client", Queue)
    for receives in ("1", "2", "3", "50"):
        for message in messages:
            message["Attributes"]["ApproximateReceiveCount"] = receives
        assert consume(messages) == {message["MessageId"] for message in messages}

    assert waits == [5, 5, 5, 10, 10, 10, 20, 20, 20, 900, 900, 900]


def test_a_message_that_cannot_be_read_holds_up_no_other_memory(
    owner: Owner, away: str, back: Callable[[], None], queue: "SQSClient"
) -> None:
    assert away
    store(owner, Note(content="one"), Note(content="two"))
    back()
    first, second = received(queue)
    first["MessageAttributes"]["draft"]["BinaryValue"] = b"no draft"

    assert consume([first, second]) == {first["MessageId"]}

    assert owner.contents() == ["two"]


def test_a_store_is_refused_where_the_queue_is_away_too(
    owner: Owner, away: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert away

    class Away:
        def send_message_batch(self, **_: object) -> None:
            raise EndpointConnectionError(endpoint_url="https://sqs")

    monkeypatch.setattr(queues, "client", Away)

    with pytest.raises(QueueUnavailableError):
        store(owner, Note(content=DECISION))


def test_a_store_is_refused_where_the_queue_takes_only_a_part(
    owner: Owner, away: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert away

    class Picky:
        def send_message_batch(self, **_: object) -> dict[str, Any]:
            return {"Successful": [], "Failed": [{"Id": "1", "Code": "InternalError"}]}

    monkeypatch.setattr(queues, "client", Picky)

    with pytest.raises(QueueUnavailableError):
        store(owner, Note(content=DECISION))


def noise(characters: range, size: int) -> str:
    """Text of random characters, as many as fit into `size` bytes."""
    choose = random.Random(7).randrange  # noqa: S311
    text = "".join(chr(choose(characters.start, characters.stop)) for _ in range(size))
    return text.encode()[:size].decode(errors="ignore")


@pytest.mark.parametrize(
    "characters",
    [
        range(128),
        range(32),
        range(32, 127),
        range(0x80, 0x800),
        range(0x4E00, 0xA000),
        range(0x10000, 0x110000),
    ],
    ids=["ASCII", "controls", "printable", "two bytes", "three bytes", "four bytes"],
)
def test_the_largest_memory_waits_whatever_its_characters(
    owner: Owner,
    away: str,
    queue: "SQSClient",
    monkeypatch: pytest.MonkeyPatch,
    characters: range,
) -> None:
    assert away
    content = noise(characters, 100_000)
    tags = [f"{number:03}" + noise(range(0x10000, 0x110000), 1012) for number in range(100)]
    metadata = {"text": noise(range(32, 127), 20_000).replace("\\", "/").replace('"', "'")}
    late: list[Memory] = []
    monkeypatch.setattr(index_memories, "store_late", lambda draft: late.append(draft.named()))

    [memory] = store(owner, Note(content=content, tags=tags, metadata=metadata)).memories

    assert consume(received(queue)) == set()
    assert late == [memory]


def test_a_vector_arrives_as_it_was_sent(owner: Owner, away: str, queue: "SQSClient") -> None:
    assert away
    store(owner, Note(content=DECISION))
    [message] = received(queue)

    record = record_of(message, SPILL)
    draft = spill_queue.to_draft(record["messageAttributes"]["draft"]["binaryValue"])

    assert draft.vector == embedder().passages([DECISION])[0]


def test_a_death_between_indexing_and_counting_is_healed_when_the_message_comes_again(
    owner: Owner,
    away: str,
    back: Callable[[], None],
    queue: "SQSClient",
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert away
    owner.start("s1")
    store(owner, Note(content=DECISION, session_id="s1"))
    back()

    def die(*_: object, **__: object) -> None:
        raise SystemExit

    with monkeypatch.context() as dying, pytest.raises(SystemExit):
        dying.setattr(remembering, "_count", die)
        consume(received(queue))
    assert owner.session("s1").memory_count == 0

    deliver(queue)

    assert owner.contents() == [DECISION]
    assert owner.session("s1").memory_count == 1


def test_a_tombstone_goes_once_no_message_can_be_older(owner: Owner) -> None:
    forget(owner.tenant, owner.namespace, Selection(session_id="s1"))

    items = boto3.client("dynamodb").scan(TableName="cross-session-test")["Items"]
    [stone] = [item for item in items if item["pk"]["S"].startswith(f"FORGOTTEN#{owner.tenant}#")]

    kept = int(stone["ttl"]["N"]) - int(stone["sk"]["S"][:20]) // 10**9
    assert kept == tombstones.KEPT_SECS > 2 * 14 * 86_400


def test_alarms_hear_of_what_waits_of_the_open_circuit_and_of_what_is_refused(
    owner: Owner,
    away: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert away
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "CrossSession")
    for number in range(4):
        store(owner, Note(content=f"a {number}"), Note(content=f"b {number}"))

    def refuse(*_: object, **__: object) -> None:
        raise QueueUnavailableError("away")

    monkeypatch.setattr(spill_queue, "send", refuse)
    with pytest.raises(QueueUnavailableError):
        store(owner, Note(content="refused"))

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    metrics = ("StoreSpilled", "CircuitOpen", "StoreFailure")
    told = [(name, line[name]) for line in lines for name in metrics if name in line]
    assert [one for one in told if one[0] == "StoreSpilled"] == [("StoreSpilled", [2.0])] * 4
    assert [one for one in told if one[0] != "StoreSpilled"] == [
        ("CircuitOpen", [1.0]),
        ("StoreFailure", [1.0]),
    ]


def database(name: str, **fields: Any) -> Note:
    return Note(content=f"The backend uses {name}", subject="backend.database", **fields)


@pytest.mark.parametrize("named", [False, True])
def test_a_value_that_waited_takes_the_older_ones_place(
    owner: Owner,
    queue: "SQSClient",
    point_at: PointAt,
    back: Callable[[], None],
    named: bool,
) -> None:
    [old] = owner.remember(database("MongoDB", event_time=100))
    point_at(f"http://127.0.0.1:{free_ports(1)}")
    new = Note(content="The backend uses PostgreSQL", event_time=200, supersedes=old.id)

    kept = store(owner, new if named else database("PostgreSQL", event_time=200))

    assert kept.waiting == {kept.memories[0].id}
    back()
    assert owner.contents() == ["The backend uses MongoDB"]
    assert deliver(queue) == 1
    assert owner.contents() == ["The backend uses PostgreSQL"]
    assert owner.get(old.id).superseded_by == kept.memories[0].id


def test_a_value_that_waited_slots_in_behind_one_that_came_later(
    owner: Owner, queue: "SQSClient", point_at: PointAt, back: Callable[[], None]
) -> None:
    point_at(f"http://127.0.0.1:{free_ports(1)}")
    [waiting] = store(owner, database("MongoDB")).memories
    back()
    [current] = owner.remember(database("PostgreSQL", event_time=waiting.event_time + 1))

    assert deliver(queue) == 1

    assert owner.contents() == ["The backend uses PostgreSQL"]
    assert owner.get(waiting.id).superseded_by == current.id


def test_what_an_outage_left_undone_is_done_once_the_index_is_back(
    owner: Owner,
    queue: "SQSClient",
    monkeypatch: pytest.MonkeyPatch,
    back: Callable[[], None],
) -> None:
    owner.start("s1")
    owner.remember(database("MongoDB", event_time=100, session_id="s1"))
    with monkeypatch.context() as outage:

        def away(*_: object) -> None:
            raise EngineUnavailableError("away")

        outage.setattr(remembering, "settle", away)
        kept = store(owner, database("PostgreSQL", event_time=200, session_id="s1"))
    assert kept.waiting == {kept.memories[0].id}
    back()

    assert deliver(queue) == 1

    assert owner.contents() == ["The backend uses PostgreSQL"]
    assert owner.session("s1").memory_count == 2
