"""A client that works in a namespace of its own, over a bad network."""

import random
import time
from collections import Counter
from threading import Event, Thread
from typing import Any

import httpx

from tests.chaos.ledger import SIGN, Entry, Ledger

LOST_ANSWERS = 0.05
KEYED = 0.5  # of the writes; the others rely on what they say
REQUEST_SECONDS = 40  # longer than the gateway's own patience
LONGEST_WAIT_SECONDS = 2
PATIENCE_SECONDS = 300  # a request that isn't acknowledged by then never is
PAGE = 1_000
COMMON = [f"We agreed on point {number} of the common plan" for number in range(20)]
WEIGHTS = {
    "store": 30,
    "store_batch": 6,
    "store_common": 8,
    "revise_status": 6,
    "recall": 25,
    "reword": 8,
    "weigh": 5,
    "forget": 8,
    "change_session": 4,
}


class LosingAnswers(httpx.HTTPTransport):
    """Each request is answered, and some answers never arrive."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self._chance = chance
        self.lost = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response = super().handle_request(request)
        if self._chance.random() < LOST_ANSWERS:
            self.lost += 1
            response.close()
            raise httpx.ReadError("the connection was lost", request=request)
        return response


class Client(Thread):
    """Does one thing after another until told to stop, each until it is acknowledged."""

    def __init__(
        self, url: str, key: str, namespace: str, signature: str, *, seed: str, over: Event
    ) -> None:
        super().__init__(daemon=True)
        self.ledger = Ledger(signature)
        self.done: Counter[str] = Counter()
        self.repeats: Counter[str] = Counter()
        self._namespace = namespace
        self._over = over
        self._chance = random.Random(seed)  # noqa: S311
        self._network = LosingAnswers(self._chance)
        self._http = httpx.Client(
            base_url=url,
            headers={"Authorization": f"Bearer {key}"},
            timeout=REQUEST_SECONDS,
            transport=self._network,
        )
        self._session: str | None = None
        self._written = 0

    @property
    def lost_answers(self) -> int:
        return self._network.lost

    def run(self) -> None:
        try:
            while not self._over.is_set():
                [name] = self._chance.choices(list(WEIGHTS), list(WEIGHTS.values()))
                getattr(self, f"_{name}")()
                self.done[name] += 1
            if self._session is not None:
                self._change_session()
        except Exception as error:
            self.ledger.tell("refused", repr(error))
            raise

    def close(self) -> None:
        self._http.close()

    def compare(self) -> None:
        """Holds the namespace to the ledger, once nothing waits."""
        memories: list[dict[str, Any]] = []
        path = f"/v1/agents/{self._namespace}/memories"
        while len(memories) % PAGE == 0:
            page = self._read(f"{path}?limit={PAGE}&offset={len(memories)}")
            if not page:
                break
            memories += page
        summaries = self._read(f"{path}?limit={PAGE}&memory_type=summary")
        sessions = {
            session["id"]: self._read(f"/v1/sessions/{session['id']}")["memory_count"]
            for session in self._read(f"/v1/agents/{self._namespace}/sessions?limit=500")
        }
        self.ledger.compare(memories, summaries, sessions)

    def _store(self) -> None:
        content = self._new_text("wrote note")
        body = {"content": content, "importance": 0.5, "session_id": self._session}
        answer = self._write("POST", "/v1/memory/store", body)
        self._note(answer["memory"], content, self._session)

    def _store_batch(self) -> None:
        contents = [self._new_text("listed item") for _ in range(self._chance.randint(2, 6))]
        items = [{"content": content, "session_id": self._session} for content in contents]
        answer = self._write("POST", "/v1/memories/store/batch", {"memories": items})
        for memory, content in zip(answer["stored"], contents, strict=True):
            self._note(memory, content, self._session)

    def _store_common(self) -> None:
        """A text that every client has, in no session; perhaps once more, or after a forget."""
        content = self._chance.choice(COMMON)
        answer = self._write("POST", "/v1/memory/store", {"content": content})
        self._note(answer["memory"], content, None)

    def _revise_status(self) -> None:
        """A memory under a name of the client's own, which the last write decides."""
        content = self._new_text("set the status to")
        items = [{"id": f"status-{self._chance.randrange(3)}", "content": content}]
        answer = self._write("POST", "/v1/memories/store/batch", {"memories": items})
        self._note(answer["stored"][0], content, None)

    def _recall(self) -> None:
        if (known := self._some_indexed()) is None:
            return
        id, entry = known
        if id in self._recalled(entry.content, most=10):
            return
        if id in self._recalled(entry.content, most=100):
            self.repeats["a recall that missed"] += 1
        else:
            self.ledger.tell("lost", f"{id} is not recalled by its own words: {entry}")

    def _recalled(self, query: str, *, most: int) -> list[str]:
        body = {"query": query, "top_k": most}
        results = self._write("POST", "/v1/memory/recall", body)["results"]
        self.ledger.see(results)
        return [memory["id"] for memory in results]

    def _reword(self) -> None:
        known = self._some_indexed()
        if known is None or known[1].content in COMMON:
            return
        id, entry = known
        content = self._new_text("reworded note")
        if self._update(id, entry, {"content": content}):
            entry.content = content

    def _weigh(self) -> None:
        known = self._some_indexed()
        if known is None or known[1].content in COMMON:
            return
        id, entry = known
        importance = round(self._chance.random(), 3)
        if self._update(id, entry, {"importance": importance}):
            entry.importance = importance

    def _forget(self) -> None:
        live = self.ledger.live()
        if not live:
            return
        id = self._chance.choice(list(live))
        self._write("POST", "/v1/memory/forget", {"memory_ids": [id]})
        live[id].forgotten = True

    def _change_session(self) -> None:
        if self._session is not None:
            self._write("POST", f"/v1/sessions/{self._session}/end", {})
            self._session = None
            return
        answer = self._write("POST", "/v1/sessions/start", {}, keyed=True)
        id = self._session = answer["session"]["id"]
        self.ledger.sessions.add(id)

    def _update(self, id: str, entry: Entry, changes: dict[str, Any]) -> bool:
        answer = self._ask("PUT", f"/v1/memory/update/{id}", self._owned(changes), self._headers())
        if answer.status_code == httpx.codes.NOT_FOUND:
            self.ledger.tell("lost", f"{id} is not there to be changed: {entry}")
            return False
        return self._taken(answer)

    def _some_indexed(self) -> tuple[str, Entry] | None:
        indexed = [(id, one) for id, one in self.ledger.live().items() if not one.waiting]
        return self._chance.choice(indexed) if indexed else None

    def _note(self, memory: dict[str, Any], content: str, session_id: str | None) -> None:
        known = self.ledger.memories.get(memory["id"])
        importance = 0.5 if known is None or known.forgotten else known.importance
        self.ledger.memories[memory["id"]] = Entry(
            content, importance, session_id, waiting=not memory["indexed"]
        )

    def _new_text(self, what: str) -> str:
        self._written += 1
        word = f"{self._chance.getrandbits(48):012x}"
        return f"{what} {self._written} {word}, {SIGN} {self.ledger.signature}"

    def _write(
        self, method: str, path: str, body: dict[str, Any], *, keyed: bool = False
    ) -> dict[str, Any]:
        answer = self._ask(method, path, self._owned(body), self._headers(keyed=keyed))
        self._taken(answer)
        content: dict[str, Any] = answer.json()
        return content

    def _read(self, path: str) -> Any:
        return self._ask("GET", path, None, {}).raise_for_status().json()

    def _owned(self, body: dict[str, Any]) -> dict[str, Any]:
        return {"namespace": self._namespace, **body}

    def _headers(self, *, keyed: bool = False) -> dict[str, str]:
        if keyed or self._chance.random() < KEYED:
            return {"Idempotency-Key": f"{self._chance.getrandbits(128):032x}"}
        return {}

    def _taken(self, answer: httpx.Response) -> bool:
        if answer.is_success:
            return True
        self.ledger.tell("refused", f"{answer.request.url.path} {answer.text}")
        return False

    def _ask(
        self, method: str, path: str, body: dict[str, Any] | None, headers: dict[str, str]
    ) -> httpx.Response:
        """The answer, after as many repeats as a failing service and a lossy network take."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        wait = 0.05
        while True:
            try:
                answer = self._http.request(method, path, json=body, headers=headers)
                if answer.status_code < httpx.codes.INTERNAL_SERVER_ERROR:
                    return answer
                self.repeats[str(answer.status_code)] += 1
            except httpx.TransportError as error:
                self.repeats[type(error).__name__] += 1
            if time.monotonic() > deadline:
                raise TimeoutError(f"{method} {path} is not acknowledged")
            time.sleep(wait * self._chance.uniform(0.5, 1))
            wait = min(2 * wait, LONGEST_WAIT_SECONDS)
