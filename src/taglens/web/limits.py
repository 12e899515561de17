"""How long a client may take, and how many may be connected."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ConnectionLimits:
    """Limits of one server's connections; times in seconds."""

    head_s: float = 10.0
    """For a request's head, from the connection or the last answer on."""
    answer_s: float = 60.0
    """For taking the answer."""
    connections: int = 500
    """More push out those that have waited longest without a request."""
