"""Upstream connections that belong to one client connection each.

NTLM and Negotiate authenticate a connection, not a request (RFC 4559 §6): a request on an authenticated one acts as the
person who logged in on it.
"""

from proxy.upstream.connection import IDLE, LEASED, UpstreamConnection


class BoundConnections:
    """At most one per owner and service, while no exchange has it. `owner` is any object with an identity."""

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
        """Keep an idle connection for nobody but its owner. One that its upstream closes, or says anything on, is
        forgotten."""

        def forget() -> None:
            self.by_owner.get(owner, {}).pop(service, None)
            connection.discard()

        connection.state = IDLE
        connection.stream.watcher = forget
        self.by_owner.setdefault(owner, {})[service] = connection

    def release(self, owner: object) -> None:
        """The owner is gone: so are its connections."""
        for connection in self.by_owner.pop(owner, {}).values():
            connection.discard()
