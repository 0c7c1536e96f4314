"""DynamoDB and SQS on this machine: moto behind HTTP, with a journal of what it acknowledged.

moto keeps all in memory. Each write that succeeded is appended to the journal before the caller
hears of it, so a `kill -9` loses nothing that was acknowledged. A start replays the journal and
then writes it anew, an item or a message a line. What was sent to a queue and not deleted is in
that queue again, received never: a dead letter gets its tries once more.
"""

import io
import json
import logging
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Self

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.test import Client
from werkzeug.wrappers import Request, Response

from infra.routes import QUEUES, Queue

REGION = "us-east-1"
TABLE = "cross-session"

ACCOUNT = "123456789012"  # moto's

_API = "DynamoDB_20120810."
_SQS = "AmazonSQS."
_WRITES = {
    f"{_API}{name}"
    for name in (
        "BatchWriteItem",
        "CreateTable",
        "DeleteItem",
        "PutItem",
        "TransactWriteItems",
        "UpdateItem",
    )
}


def environment(port: int) -> dict[str, str]:
    """The variables that turn boto3's clients to this endpoint."""
    return {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_DEFAULT_REGION": REGION,
        "TABLE_NAME": TABLE,
        **{queue.url_variable: queue_url(queue, port) for queue in QUEUES},
        **{queue.dead_letters_url_variable: dead_letters_url(queue, port) for queue in QUEUES},
    }


def queue_url(queue: Queue, port: int) -> str:
    return f"http://127.0.0.1:{port}/{ACCOUNT}/{queue_name(queue)}"


def dead_letters_url(queue: Queue, port: int) -> str:
    return f"http://127.0.0.1:{port}/{ACCOUNT}/{_dead_letters_name(queue)}"


def queue_name(queue: Queue) -> str:
    return f"{queue.name}.fifo" if queue.fifo else queue.name


def _dead_letters_name(queue: Queue) -> str:
    name = f"{queue.name}_dead_letters"
    return f"{name}.fifo" if queue.fifo else name


class LocalAws:
    """An endpoint on 127.0.0.1; `journal` belongs to one process at a time."""

    def __init__(self, journal: Path, *, port: int) -> None:
        """Raises OSError where the port is taken."""
        self._journal = journal
        self._messages = _Messages()
        self._lock = threading.Lock()
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._socket = socket.create_server(("127.0.0.1", port))
        self._server = make_server(
            "127.0.0.1",
            port,
            self._answer,
            threaded=True,
            request_handler=_KeepAlive,
            fd=self._socket.fileno(),
        )

    def start(self, table: dict[str, Any]) -> Self:
        """Brings back what was written, then answers; table and queues are made if absent."""
        self._replay()
        self._call("CreateTable", {"TableName": TABLE, **table})
        self._send_again()
        self._compact(table)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._socket.close()

    def holds_messages(self, name: str) -> bool:
        """Whether the queue has any that were not deleted, those that are being tried included."""
        with self._lock:
            return self._messages.any_in(name)

    def _answer(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """moto is not made for threads: one request at a time, with its line in the journal."""
        request = Request(environ)
        body = request.get_data()
        environ["wsgi.input"] = io.BytesIO(body)
        target = request.headers.get("X-Amz-Target", "")
        with self._lock:
            response = Response.from_app(self._moto, environ)
            if response.status_code == 200:
                self._note(target, body, response)
        return response(environ, start_response)

    def _note(self, target: str, body: bytes, response: Response) -> None:
        if target in _WRITES:
            lines = [_line(target, json.loads(body))]
        elif target.startswith(_SQS):
            answer = response.get_json(force=True, silent=True) or {}
            changes = self._messages.changes(target.removeprefix(_SQS), json.loads(body), answer)
            lines = [json.dumps(change) + "\n" for change in changes]
        else:
            return
        if lines:
            with self._journal.open("a") as file:
                file.writelines(lines)

    def _call(self, operation: str, body: dict[str, Any]) -> dict[str, Any]:
        return self._send(f"{_API}{operation}", body)

    def _send(self, target: str, body: dict[str, Any]) -> dict[str, Any]:
        response = Client(self._moto).post(
            "/",
            data=json.dumps(body),
            headers={
                "Content-Type": "application/x-amz-json-1.0",
                "X-Amz-Target": target,
                "Authorization": (
                    f"AWS4-HMAC-SHA256 Credential=local/20260101/{REGION}/"
                    f"{'sqs' if target.startswith(_SQS) else 'dynamodb'}/aws4_request"
                ),
            },
        )
        answer: dict[str, Any] = response.get_json(force=True)
        return answer

    def _replay(self) -> None:
        if not self._journal.exists():
            return
        for line in self._journal.read_text().splitlines():
            try:
                entry = json.loads(line)
            except json.JSONDecodeError:
                continue  # cut off by a kill, so never acknowledged
            if "target" in entry:
                self._send(entry["target"], entry["body"])
            else:
                self._messages.apply(entry)

    def _send_again(self) -> None:
        for queue in QUEUES:
            self._make_queue(queue)
        waiting, self._messages = self._messages, _Messages()
        for name, message in waiting.undeleted():
            body = {"QueueUrl": f"http://127.0.0.1/{ACCOUNT}/{name}", **message}
            sent = self._send(f"{_SQS}SendMessage", body)
            self._messages.changes("SendMessage", body, sent)

    def _make_queue(self, queue: Queue) -> None:
        fifo = {"FifoQueue": "true"} if queue.fifo else {}
        fourteen_days = {"MessageRetentionPeriod": str(14 * 86_400)}
        dead_letters = _dead_letters_name(queue)
        redrive = {
            "deadLetterTargetArn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{dead_letters}",
            "maxReceiveCount": queue.max_receives,
        }
        source = {
            "VisibilityTimeout": str(queue.visibility_seconds),
            "RedrivePolicy": json.dumps(redrive),
        }
        for name, attributes in ((dead_letters, {}), (queue_name(queue), source)):
            self._send(
                f"{_SQS}CreateQueue",
                {"QueueName": name, "Attributes": fifo | fourteen_days | attributes},
            )

    def _compact(self, table: dict[str, Any]) -> None:
        fresh = self._journal.with_suffix(".new")
        with fresh.open("w") as file:
            file.write(_line(f"{_API}CreateTable", {"TableName": TABLE, **table}))
            for item in self._items():
                file.write(_line(f"{_API}PutItem", {"TableName": TABLE, "Item": item}))
            for change in self._messages.as_changes():
                file.write(json.dumps(change) + "\n")
        fresh.replace(self._journal)

    def _items(self) -> Iterator[dict[str, Any]]:
        scan: dict[str, Any] = {"TableName": TABLE}
        while True:
            page = self._call("Scan", scan)
            yield from page["Items"]
            if "LastEvaluatedKey" not in page:
                return
            scan["ExclusiveStartKey"] = page["LastEvaluatedKey"]


class _Messages:
    """What queues hold, told from the calls to them, as changes that JSON can carry."""

    def __init__(self) -> None:
        self._sent: dict[str, tuple[str, dict[str, Any]]] = {}
        self._receipts: dict[str, str] = {}

    def changes(
        self, operation: str, body: dict[str, Any], answer: dict[str, Any]
    ) -> list[dict[str, Any]]:
        """What a call that was answered so has changed, applied here too."""
        name = body.get("QueueUrl", "").rpartition("/")[2]
        by_id = {entry["Id"]: entry for entry in body.get("Entries", ())}
        done = [(one, by_id[one["Id"]]) for one in answer.get("Successful", ())]
        changes: list[dict[str, Any]] = []
        match operation:
            case "SendMessage":
                changes = [_sent(name, answer["MessageId"], body)]
            case "SendMessageBatch":
                changes = [_sent(name, one["MessageId"], entry) for one, entry in done]
            case "ReceiveMessage":
                for message in answer.get("Messages", ()):
                    self._receipts[message["ReceiptHandle"]] = message["MessageId"]
            case "DeleteMessage":
                changes = self._deleted([body["ReceiptHandle"]])
            case "DeleteMessageBatch":
                changes = self._deleted(entry["ReceiptHandle"] for _, entry in done)
        for change in changes:
            self.apply(change)
        return changes

    def apply(self, change: dict[str, Any]) -> None:
        if "sent" in change:
            self._sent[change["sent"]] = (change["queue"], change["message"])
        else:
            self._sent.pop(change["deleted"], None)

    def as_changes(self) -> Iterator[dict[str, Any]]:
        for id, (name, message) in self._sent.items():
            yield {"sent": id, "queue": name, "message": message}

    def undeleted(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """The queue and the message, in the order they were sent."""
        yield from self._sent.values()

    def any_in(self, name: str) -> bool:
        return any(queue == name for queue, _ in self._sent.values())

    def _deleted(self, receipts: Iterable[str]) -> list[dict[str, Any]]:
        return [{"deleted": self._receipts.pop(one)} for one in receipts if one in self._receipts]


def _sent(name: str, id: str, message: dict[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in message.items() if key not in ("QueueUrl", "Id")}
    return {"sent": id, "queue": name, "message": kept}


class _KeepAlive(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log(self, *_: object) -> None:
        """Quiet: each request would be a line on the user's terminal."""


def _line(target: str, body: dict[str, Any]) -> str:
    return json.dumps({"target": target, "body": body}) + "\n"


logging.getLogger("werkzeug").setLevel(logging.ERROR)
