"""The whole service on this machine: `python -m infra.local.server`, or `make serve`.

The real OpenSearch, DynamoDB and SQS by moto, and the production functions behind an API Gateway
made of the same routes. PORT moves it; OPENSEARCH_URL takes an engine that already runs.
"""

import asyncio
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import NoReturn

import uvicorn

from cross_session.domain.access import Scope
from cross_session.domain.usage import MAX_RATE_LIMIT
from infra.key import make_key
from infra.local import aws
from infra.local.deliveries import Deliveries
from infra.local.environments import Environments
from infra.local.gateway import Gateway
from infra.local.opensearch import OpenSearchNode, OpenSearchStartError
from infra.maven import MavenError, MissingToolError
from infra.model import ModelMismatchError, ensure_model
from infra.routes import SCHEDULES, Schedule
from infra.table import TABLE

logger = logging.getLogger(__name__)

ROOT = Path(__file__).resolve().parents[2]


class PortTakenError(RuntimeError):
    """Something else listens where we would; the message says which setting moves us."""


def serve() -> None:
    """Runs until Ctrl-C or SIGTERM, then stops all that it started."""
    state = Path(os.environ.get("STATE_DIR", ROOT / ".local" / "state"))
    port = int(os.environ.get("PORT", "3300"))
    state.mkdir(parents=True, exist_ok=True)
    with ExitStack() as running:
        listener = running.enter_context(_listen(port))
        model = ensure_model(_say)
        url = os.environ.get("OPENSEARCH_URL")
        if url is None:
            engine = OpenSearchNode.start(state / "opensearch", port=port + 2, progress=_say)
            running.callback(engine.stop)
            url = engine.url
        cloud = _start_aws(state / "aws.journal", port + 1)
        running.callback(cloud.stop)
        variables = aws.environment(port + 1) | {
            "OPENSEARCH_URL": url,
            "MODEL_DIR": str(model),
            "POWERTOOLS_LOG_LEVEL": os.environ.get("POWERTOOLS_LOG_LEVEL", "WARNING"),
        }
        os.environ.update(variables)
        key = _kept_key(state / "key")
        count = int(os.environ.get("ENVIRONMENTS", os.cpu_count() or 2))
        environments = Environments(count, variables)
        running.callback(environments.stop)
        _say(f"Functions: loading into {count} environments")
        environments.warm()
        deliveries = Deliveries(
            environments, aws_port=port + 1, holds_messages=cloud.holds_messages
        ).start()
        running.callback(deliveries.stop)
        for schedule in SCHEDULES:
            threading.Thread(
                target=_keep_invoking, args=(environments, schedule), daemon=True
            ).start()
        listener.listen()
        _say(_welcome(port, key))
        config = uvicorn.Config(
            Gateway(environments), log_level="warning", access_log=False, lifespan="off"
        )
        asyncio.run(uvicorn.Server(config).serve(sockets=[listener]))


@contextmanager
def _listen(port: int) -> Iterator[socket.socket]:
    """The socket, taken before anything is fetched or started."""
    # asyncio turns Nagle's algorithm off only where the protocol is named
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError as error:
            raise PortTakenError(
                f"port {port} is taken: stop what uses it, or choose another with PORT=…"
            ) from error
        yield listener


def _start_aws(journal: Path, port: int) -> aws.LocalAws:
    try:
        return aws.LocalAws(journal, port=port).start(TABLE)
    except OSError as error:
        raise PortTakenError(
            f"port {port}, for AWS, is taken: stop what uses it, or move all with PORT=…"
        ) from error


def _kept_key(file: Path) -> str:
    """The key that the first start made, so that it stays good over restarts."""
    if file.exists():
        return file.read_text()
    key = make_key(name="local", scope=Scope.ADMIN, rate_limit_per_minute=MAX_RATE_LIMIT)
    file.touch(mode=0o600)
    file.write_text(key)
    return key


def _keep_invoking(environments: Environments, schedule: Schedule) -> None:
    while True:
        time.sleep(schedule.every_seconds)
        try:
            environments.invoke(schedule.function, {}).result()
        except Exception:  # the next run does what this one could not
            logger.exception("%s failed", schedule.function)


def _welcome(port: int, key: str) -> str:
    return f"""
Cross-Session Context answers on http://localhost:{port}  (docs: http://localhost:{port}/docs)
Your key, which the state keeps: {key}

Try:
  export CROSS_SESSION_URL=http://localhost:{port} CROSS_SESSION_API_KEY={key}
  curl -s $CROSS_SESSION_URL/v1/memory/store -H "Authorization: Bearer $CROSS_SESSION_API_KEY" \\
    --json '{{"namespace": "hello", "content": "Decided to use PostgreSQL"}}'
  curl -s $CROSS_SESSION_URL/v1/memory/recall -H "Authorization: Bearer $CROSS_SESSION_API_KEY" \\
    --json '{{"namespace": "hello", "query": "Which database did we choose?"}}'

Ctrl-C stops it; what was stored stays in .local/state.
"""


def _say(line: str) -> None:
    print(line, flush=True)


def _stop(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(0)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _stop)
    try:
        serve()
    except KeyboardInterrupt:
        pass
    except (
        MavenError,
        MissingToolError,
        ModelMismatchError,
        OpenSearchStartError,
        PortTakenError,
    ) as error:
        sys.exit(str(error))
