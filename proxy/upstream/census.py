"""How many connections to each origin are open, and in whose hands: counted when somebody asks, never per request."""

from typing import NamedTuple

from proxy.upstream.connection import CLOSED, IDLE, UpstreamConnection


class Count(NamedTuple):
    """Open connections to one origin."""

    idle: int
    active: int  # in the hands of an exchange


class Census:
    """Knows every connection that was opened, until it is seen to be closed."""

    def __init__(self) -> None:
        self._connections: set[UpstreamConnection] = set()

    def __len__(self) -> int:
        """How many it knows, with those that were closed since somebody asked."""
        return len(self._connections)

    def opened(self, connection: UpstreamConnection) -> None:
        """There is another one."""
        self._connections.add(connection)

    def counts(self) -> dict[str, Count]:
        """By the label of their origin."""
        self._connections = {connection for connection in self._connections if connection.state is not CLOSED}
        found: dict[str, list[int]] = {}
        for connection in self._connections:
            found.setdefault(connection.label, [0, 0])[connection.state is not IDLE] += 1
        return {label: Count(*count) for label, count in found.items()}
