"""On demand: the memories move into an index as the code wants it, a step an invocation."""

from dataclasses import asdict
from typing import Any

from cross_session import migrate
from cross_session.adapters import index_migration


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Takes `{"drop_others": true}` too: deletes every index but the one in use."""
    if event.get("drop_others"):
        return {"dropped": index_migration.drop_others()}
    return asdict(migrate.step())
