"""DynamoDB on this machine: moto behind HTTP, with a journal of what it acknowledged.

moto keeps its tables in memory. Each write that succeeded is appended to the journal before the
caller hears of it, so a `kill -9` loses nothing that was acknowledged. A start replays the
journal and then writes it anew, an item a line.
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

REGION = "us-east-1"
TABLE = "cross-session"

_API = "DynamoDB_20120810."
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
    }


class LocalAws:
    """An endpoint on 127.0.0.1; `journal` belongs to one process at a time."""

    def __init__(self, journal: Path, *, port: int) -> None:
        """Raises OSError where the port is taken."""
        self._journal = journal
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
        """Brings back what was written, then answers; the table is made where there is none."""
        self._replay()
        self._call("CreateTable", {"TableName": TABLE, **table})
        self._compact(table)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._socket.close()

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
            if target in _WRITES and response.status_code == 200:
                with self._journal.open("a") as file:
                    file.write(_line(target, json.loads(body)))
        return response(environ, start_response)

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
                    f"AWS4-HMAC-SHA256 Credential=local/20260101/{REGION}/dynamodb/aws4_request"
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
            self._send(entry["target"], entry["body"])

    def _compact(self, table: dict[str, Any]) -> None:
        fresh = self._journal.with_suffix(".new")
        with fresh.open("w") as file:
            file.write(_line(f"{_API}CreateTable", {"TableName": TABLE, **table}))
            for item in self._items():
                file.write(_line(f"{_API}PutItem", {"TableName": TABLE, "Item": item}))
        fresh.replace(self._journal)

    def _items(self) -> Iterator[dict[str, Any]]:
        scan: dict[str, Any] = {"TableName": TABLE}
        while True:
            page = self._call("Scan", scan)
            yield from page["Items"]
            if "LastEvaluatedKey" not in page:
                return
            scan["ExclusiveStartKey"] = page["LastEvaluatedKey"]


class _KeepAlive(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log(self, *_: object) -> None:
        """Quiet: each request would be a line on the user's terminal."""


def _line(target: str, body: dict[str, Any]) -> str:
    return json.dumps({"target": target, "body": body}) + "\n"


logging.getLogger("werkzeug").setLevel(logging.ERROR)
