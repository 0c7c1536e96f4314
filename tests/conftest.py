"""The environment, set before anything reads it, and the engine that tests share."""

import os
from collections.abc import Iterator
from pathlib import Path

os.environ |= {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
    "TABLE_NAME": "cross-session-test",
    "ENDED_SESSIONS_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/123456789012/ended",
    "SPILL_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/123456789012/spill.fifo",
    "POWERTOOLS_LOG_LEVEL": "CRITICAL",
}

import pytest

from infra.local.opensearch import OpenSearchNode
from infra.model import ensure_model
from tests.ports import free_ports


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a real OpenSearch, with the model in place."""
    os.environ["MODEL_DIR"] = str(ensure_model(print))
    running = os.environ.get("OPENSEARCH_URL")
    node = None
    if running is None:
        data: Path = tmp_path_factory.mktemp("opensearch")
        node = OpenSearchNode.start(data, port=free_ports(1), progress=print)
        os.environ["OPENSEARCH_URL"] = node.url
    yield os.environ["OPENSEARCH_URL"]
    if node is not None:
        node.stop()
