"""Values that tests are about, with all that they are not about filled in."""

from typing import Any

from cross_session.domain.memory import Memory


def memory(id: str = "m", **fields: Any) -> Memory:
    """A chat's turn unless `metadata` has a type."""
    filled: dict[str, Any] = {
        "tenant": "t",
        "namespace": "n",
        "content": f"content of {id}",
        "event_time": 1_700_000_000,
        "created_at": 1_700_000_000,
        "updated_at": 1_700_000_000,
        "sequence": 1_700_000_000_000_000_000,
    }
    return Memory(id=id, **filled | fields)
