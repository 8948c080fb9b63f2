"""Upstream connections that belong to one client connection each.

NTLM and Negotiate authenticate a connection, not a request (RFC 4559 §6): a request on an authenticated one acts as the
person who logged in on it.
"""

from proxy.upstream.connection import IDLE, LEASED, UpstreamConnection


class BoundConnections:
    """Idle connections, at most one for each owner and service. `owner` is any object with an identity."""

    def __init__(self) -> None:
        self.by_owner: dict[object, dict[str, UpstreamConnection]] = {}

    def __len__(self) -> int:
        return sum(map(len, self.by_owner.values()))

    def take(self, owner: object, service: str) -> UpstreamConnection | None:
        """The owner's idle connection to a service, if it has one that is still open."""
        connection = self.by_owner.get(owner, {}).pop(service, None)
        if connection is not None:
            connection.stream.watcher = None
            connection.begin()
            connection.state = LEASED
        return connection

    def keep(self, owner: object, service: str, connection: UpstreamConnection) -> None:
        """Keep an idle connection for its owner alone. It is dropped once its upstream closes it or sends anything."""

        def forget() -> None:
            self.by_owner.get(owner, {}).pop(service, None)
            connection.discard()

        connection.state = IDLE
        connection.stream.watcher = forget
        self.by_owner.setdefault(owner, {})[service] = connection

    def release(self, owner: object) -> None:
        """Close the connections of an owner that is gone."""
        for connection in self.by_owner.pop(owner, {}).values():
            connection.discard()
