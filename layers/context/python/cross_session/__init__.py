"""Memory across sessions for AI assistants: sessions, memories and recall."""

__version__ = "0.1.0"
