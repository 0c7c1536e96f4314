"""Memories that move into a new index while the service goes on."""

import random
import sys
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import count
from threading import Event
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import pytest
from opensearchpy import OpenSearch, Transport
from opensearchpy.exceptions import NotFoundError as EngineNotFoundError

from cross_session import migrate
from cross_session.adapters import index_migration, index_schema, memory_index, opensearch
from cross_session.domain.memory import Memory
from cross_session.domain.selection import Selection
from cross_session.errors import ConflictError, EngineUnavailableError
from cross_session.forget import forget
from cross_session.migrate import CopyDiffersError, Progress, State
from cross_session.revise import revise
from cross_session.settings import engine_settings
from infra import migrate as command
from tests.engine.conftest import deliver
from tests.engine.owner import Owner, anywhere
from tests.ports import free_ports

if TYPE_CHECKING:
    from types_boto3_sqs.client import SQSClient

Result = TypeVar("Result")


class Want(Protocol):
    def __call__(self, *, shards: int) -> None: ...


@pytest.fixture(autouse=True)
def alias(opensearch: OpenSearch, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An alias of the test's own, whose indexes are gone afterwards."""
    name = f"moving-{uuid.uuid4().hex[:12]}"
    monkeypatch.setattr(index_schema, "ALIAS", name)
    monkeypatch.setattr(memory_index, "ALIAS", name)
    yield name
    for index in opensearch.indices.get(index=f"{name}-v*"):
        opensearch.indices.delete(index=index)


@pytest.fixture
def want(monkeypatch: pytest.MonkeyPatch) -> Iterator[Want]:
    """Has new indexes made with so many shards, which makes the present one unfit."""

    def want(*, shards: int) -> None:
        monkeypatch.setenv("OPENSEARCH_SHARDS", str(shards))
        engine_settings.cache_clear()

    yield want
    monkeypatch.undo()
    engine_settings.cache_clear()


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few memories need many pages and comparisons, as many memories do otherwise."""
    monkeypatch.setattr(index_migration, "PAGE", 7)
    monkeypatch.setattr(index_migration, "LISTED", 3)
    monkeypatch.setattr(index_migration, "_BULK_BYTES", 20_000)


def migrate_until(*states: State) -> Progress:
    deadline = monotonic() + 60
    while monotonic() < deadline:
        progress = migrate.step()
        if progress.state in states:
            return progress
    raise AssertionError(f"still {progress}")


def copy_now(old: str, new: str) -> bool:
    return index_migration.copy(old, new, until=monotonic() + 60)


def in_use() -> str:
    index = index_migration.current()
    assert index is not None
    return index


def begin(want: Want) -> tuple[str, str]:
    """The index in use, and a new one of two shards that is to take over."""
    want(shards=2)
    old = in_use()
    return old, index_migration.successor(old)


def test_what_was_stored_is_found_as_before_in_an_index_of_more_shards(
    owner: Owner, want: Want, alias: str, opensearch: OpenSearch
) -> None:
    owner.remember("Decided to use PostgreSQL", "The API is designed", "Lunch was late")
    before = owner.listed()
    want(shards=2)

    progress = migrate_until("moved")

    assert progress == Progress("moved", copied=3, total=3)
    assert migrate.step().state == "done"
    assert owner.listed() == before
    assert owner.recall("Which database?")[0] == "Decided to use PostgreSQL"
    assert owner.get(before[0].id) == before[0]
    [(name, index)] = opensearch.indices.get(index=alias).items()
    assert name == f"{alias}-v{index_schema.VERSION}-000002"
    assert index["settings"]["index"]["number_of_shards"] == "2"
    assert index["aliases"] == {alias: {"is_write_index": True}}


def test_after_the_move_memories_are_stored_changed_and_forgotten_as_before(
    owner: Owner, want: Want
) -> None:
    kept, gone = owner.remember("Stored before", "Forgotten after")
    want(shards=2)
    migrate_until("done")

    owner.remember("Stored after")
    revise(owner.tenant, owner.namespace, kept.id, {"importance": 0.9})
    forget(owner.tenant, owner.namespace, Selection(ids=(gone.id,)))

    assert owner.contents() == ["Stored after", "Stored before"]
    assert owner.get(kept.id).importance == 0.9


def test_a_new_version_of_the_mapping_moves_the_memories(
    owner: Owner, monkeypatch: pytest.MonkeyPatch, alias: str
) -> None:
    owner.remember("Stored under the old mapping")
    monkeypatch.setattr(index_schema, "VERSION", index_schema.VERSION + 1)
    mapping = deepcopy(index_schema.MAPPING)
    mapping["properties"]["mood"] = {"type": "keyword"}
    monkeypatch.setattr(index_schema, "MAPPING", mapping)

    migrate_until("done")

    assert index_migration.current() == f"{alias}-v{index_schema.VERSION}-000002"
    assert owner.contents() == ["Stored under the old mapping"]


def test_an_index_that_is_as_wanted_stays(owner: Owner, alias: str) -> None:
    owner.remember("anything")

    assert migrate.step() == Progress("done")
    assert index_migration.current() == f"{alias}-v{index_schema.VERSION}-000001"


def test_where_nothing_was_stored_yet_nothing_is_moved() -> None:
    assert migrate.step() == Progress("done")


def test_between_block_and_move_reads_answer_and_a_store_waits_in_its_queue(
    owner: Owner, want: Want, queue: "SQSClient", new_circuit: Callable[[], None]
) -> None:
    [memory] = owner.remember("Stored before")
    want(shards=2)
    migrate_until("blocked")

    [waiting] = owner.remember("Waits")
    with pytest.raises(EngineUnavailableError):
        revise(owner.tenant, owner.namespace, memory.id, {"importance": 0.9})
    with pytest.raises(EngineUnavailableError):
        forget(owner.tenant, owner.namespace, Selection(ids=(memory.id,)))
    assert owner.recall("before") == ["Stored before"]

    migrate_until("done")
    assert owner.listed() == [memory]
    new_circuit()
    assert deliver(queue) == 1
    assert owner.listed() == [waiting, memory]


@pytest.mark.usefixtures("small_pages")
def test_what_changes_while_it_is_copied_arrives_as_it_was_last(owner: Owner, want: Want) -> None:
    stored = owner.place(anywhere(60))
    copy_now(*begin(want))
    forget(owner.tenant, owner.namespace, Selection(ids=tuple(one.id for one in stored[::7])))
    for memory in stored[1::7]:
        revise(owner.tenant, owner.namespace, memory.id, {"importance": 0.9})
    owner.place(anywhere(10), ids="late")
    expected = owner.listed()

    migrate_until("done")

    assert owner.listed() == expected
    assert len(expected) == 60 - 9 + 10


def test_a_memory_stored_again_after_it_was_forgotten_is_the_new_one(
    owner: Owner, want: Want, opensearch: OpenSearch
) -> None:
    # its document's version begins at 1 again, below that which was copied
    [memory] = owner.remember("Said twice")
    for importance in (0.1, 0.2, 0.3):
        revise(owner.tenant, owner.namespace, memory.id, {"importance": importance})
    old, new = begin(want)
    opensearch.indices.put_settings(index=old, body={"index.gc_deletes": "0s"})
    copy_now(old, new)
    forget(owner.tenant, owner.namespace, Selection(ids=(memory.id,)))
    sleep(0.5)  # the clock by which the engine lets go of deletions ticks every .2 s
    opensearch.indices.refresh(index=old)
    opensearch.indices.flush(index=old)
    [again] = owner.remember("Said twice")
    assert again.id == memory.id
    [restarted] = opensearch.search(index=old, body={"version": True})["hits"]["hits"]
    assert restarted["_version"] == 1

    migrate_until("done")

    assert owner.listed() == [again]


def test_two_copies_at_once_do_not_put_an_older_state_over_a_newer(
    owner: Owner, want: Want, opensearch: OpenSearch
) -> None:
    [memory] = owner.remember("Changed meanwhile")
    old, new = begin(want)
    late = opensearch.search(index=old, body={"seq_no_primary_term": True})["hits"]["hits"][0]
    revise(owner.tenant, owner.namespace, memory.id, {"importance": 0.9})
    copy_now(old, new)

    index_migration._write(opensearch, [index_migration._as_copy(late)])

    migrate_until("done")
    assert owner.get(memory.id).importance == 0.9


def test_a_pass_that_comes_too_late_changes_nothing(
    owner: Owner, want: Want, opensearch: OpenSearch
) -> None:
    [memory] = owner.remember("Forgotten after the move")
    old, new = begin(want)
    migrate_until("done")
    forget(owner.tenant, owner.namespace, Selection(ids=(memory.id,)))
    owner.remember("Stored after the move", "And so was this")
    opensearch.indices.put_mapping(index=new, body={"_meta": {}})

    with pytest.raises(EngineNotFoundError):
        copy_now(old, new)
    with pytest.raises(EngineNotFoundError):
        index_migration.remove_deleted(old, new, until=monotonic() + 60)

    assert owner.contents() == ["And so was this", "Stored after the move"]


def test_a_careful_write_of_what_was_read_before_the_move_is_not_done(
    owner: Owner, want: Want
) -> None:
    # both indexes number their writes from 0, so the numbers alone could fit by accident
    owner.remember("Changed by two")
    [memory] = owner.listed()
    read = memory_index.get(owner.tenant, owner.namespace, memory.id, now=0)
    want(shards=2)
    migrate_until("done")
    revise(owner.tenant, owner.namespace, memory.id, {"importance": 0.9})

    with pytest.raises(EngineUnavailableError):
        memory_index.replace(read, memory, None)
    index_migration.drop_others()
    with pytest.raises(ConflictError):
        memory_index.replace(read, memory, None)

    assert owner.get(memory.id).importance == 0.9


def test_a_migration_given_up_leaves_the_memories_where_they_are(
    owner: Owner, want: Want, alias: str
) -> None:
    owner.remember("Stored before")
    want(shards=2)
    migrate_until("blocked")

    dropped = index_migration.drop_others()

    assert dropped == [f"{alias}-v{index_schema.VERSION}-000002"]
    owner.remember("Stored after")
    assert owner.contents() == ["Stored after", "Stored before"]
    migrate_until("done")
    assert owner.contents() == ["Stored after", "Stored before"]


def test_the_old_index_is_kept_until_it_is_dropped(
    owner: Owner, want: Want, opensearch: OpenSearch
) -> None:
    owner.remember("anything")
    old, new = begin(want)
    migrate_until("done")
    assert opensearch.count(index=old)["count"] == 1

    assert index_migration.drop_others() == [old]

    assert not opensearch.indices.exists(index=old)
    assert index_migration.current() == new
    assert owner.contents() == ["anything"]


def test_a_copy_that_lacks_a_memory_does_not_come_into_use(
    owner: Owner, want: Want, opensearch: OpenSearch
) -> None:
    owner.remember("One", "Two")
    old, new = begin(want)
    migrate_until("blocked")
    everyone = {"query": {"match_phrase": {"text": "Two"}}}
    opensearch.delete_by_query(index=new, body=everyone, params={"refresh": "true"})

    with pytest.raises(CopyDiffersError, match="holds 1 memories"):
        migrate.step()

    assert index_migration.current() == old
    index_migration.drop_others()
    owner.remember("Three")
    assert owner.contents() == ["Three", "Two", "One"]


def test_on_this_machine_the_command_moves_the_memories_and_drops_the_old_index(
    owner: Owner, want: Want, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    owner.remember("anything")
    old = in_use()
    want(shards=2)

    for arguments in ([], ["--drop-others"]):
        monkeypatch.setattr(sys, "argv", ["migrate", *arguments])
        command.main()

    assert capsys.readouterr().out.splitlines() == [
        "blocked: 1 of 1 memories",
        "moved: 1 of 1 memories",
        "done: the index in use is as the code wants it",
        f"dropped: {old}",
    ]
    assert owner.contents() == ["anything"]


def test_an_engine_that_is_away_is_waited_for(
    engine: str, owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner.remember("anything")
    opensearch.client.cache_clear()
    monkeypatch.setenv("OPENSEARCH_URL", f"http://127.0.0.1:{free_ports(1)}")
    engine_settings.cache_clear()

    progress = migrate.step()

    opensearch.client.cache_clear()
    monkeypatch.setenv("OPENSEARCH_URL", engine)
    engine_settings.cache_clear()
    assert progress.state == "waiting"


class Killed(BaseException):
    """The process ended here."""


def test_killed_after_any_of_its_requests_it_ends_the_same_once_it_is_run_again(
    owner: Owner, want: Want, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_migration, "PAGE", 15)
    owner.place(anywhere(40))
    old, new = begin(want)
    send = Transport.perform_request
    kills, last, blocked = 0, 1, False
    while in_use() == old:
        sent = count(1)

        def dying(*request: Any, **options: Any) -> Any:
            answer = send(*request, **options)
            if next(sent) == last:  # noqa: B023
                raise Killed
            return answer

        with monkeypatch.context() as patched:
            patched.setattr(Transport, "perform_request", dying)
            try:
                migrate.step()
            except Killed:
                kills, last = kills + 1, last + 1
        if index_migration.blocked(old):
            if not blocked:  # the step has another part to do now
                blocked, last = True, 1
        else:
            [late] = owner.place(anywhere(1), ids=f"after_kill_{kills}")
            revise(owner.tenant, owner.namespace, late.id, {"importance": 0.9})
            oldest = owner.listed()[-1]
            forget(owner.tenant, owner.namespace, Selection(ids=(oldest.id,)))
            expected = owner.listed()

    assert kills > 35
    assert in_use() == new
    assert owner.listed() == expected


@dataclass
class Writer:
    """Does as its users would, and remembers what was acknowledged to it."""

    owner: Owner
    seed: int
    acknowledged: dict[str, float] = field(default_factory=dict)
    forgotten: list[str] = field(default_factory=list)
    forgets: int = 0
    refused: int = 0

    def write_until(self, end: Event) -> None:
        chance = random.Random(self.seed)  # noqa: S311
        for number in count():
            if end.is_set():
                return
            choice = chance.random()
            if choice < 0.4 or not self.acknowledged:
                self._store(f"Writer {self.seed} said number {number}")
            elif choice < 0.65:
                self._change(chance.choice(list(self.acknowledged)), chance.random())
            elif choice < 0.9 or not self.forgotten:
                self._forget(chance.choice(list(self.acknowledged)))
            else:
                self._store(self.forgotten.pop())

    def _store(self, content: str) -> None:
        [memory] = self._repeated(lambda: self.owner.remember(content))
        self.acknowledged[content] = memory.importance

    def _change(self, content: str, importance: float) -> None:
        memory = self._named(content)
        if memory is None:
            return
        tenant, namespace, changes = memory.tenant, memory.namespace, {"importance": importance}
        self._repeated(lambda: revise(tenant, namespace, memory.id, changes))
        self.acknowledged[content] = importance

    def _forget(self, content: str) -> None:
        memory = self._named(content)
        if memory is None:
            return
        selection = Selection(ids=(memory.id,))
        self._repeated(lambda: forget(self.owner.tenant, self.owner.namespace, selection))
        del self.acknowledged[content]
        self.forgotten.append(content)
        self.forgets += 1

    def _named(self, content: str) -> Memory | None:
        """None where it waits in the queue; that it isn't lost shows at the end."""
        return next((one for one in self.owner.listed() if one.content == content), None)

    def _repeated(self, call: Callable[[], Result]) -> Result:
        while True:
            try:
                return call()
            except (EngineUnavailableError, ConflictError):
                self.refused += 1
                sleep(0.05)


def test_nothing_acknowledged_is_lost_doubled_or_brought_back_while_writers_go_on(
    new_owner: Callable[[], Owner],
    want: Want,
    monkeypatch: pytest.MonkeyPatch,
    alias: str,
    queue: "SQSClient",
    new_circuit: Callable[[], None],
) -> None:
    monkeypatch.setattr(index_migration, "PAGE", 50)
    reader = new_owner()
    reader.remember("Always there")
    reader.place(anywhere(500))
    writers = [Writer(new_owner(), seed) for seed in range(5)]
    end = Event()

    with ThreadPoolExecutor(len(writers) + 1) as pool:
        reading = pool.submit(read_until, end, reader)
        writing = [pool.submit(writer.write_until, end) for writer in writers]
        for shards in (2, 3, 1):
            sleep(1)
            want(shards=shards)
            migrate_until("done")
        sleep(1)
        end.set()
        assert reading.result() > 10
        for one in writing:
            one.result()

    assert index_migration.current() == f"{alias}-v{index_schema.VERSION}-000004"
    new_circuit()
    deliver(queue)
    for writer in writers:
        stored = writer.owner.listed()
        assert sorted(memory.content for memory in stored) == sorted(writer.acknowledged)
        assert {memory.content: memory.importance for memory in stored} == writer.acknowledged
        assert writer.forgets


def read_until(end: Event, owner: Owner) -> int:
    """How often it read what must be there all the time."""
    for reads in count():
        if end.is_set():
            return reads
        assert owner.recall("always", limit=1, routing="bm25") == ["Always there"]
    raise AssertionError("unreachable")
