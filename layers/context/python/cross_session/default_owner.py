"""Whose memories are meant where a request doesn't say: its caller's, if they have just one."""

from contextvars import ContextVar

default_owner: ContextVar[str | None] = ContextVar("default_owner", default=None)
