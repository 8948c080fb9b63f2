"""Who a connection belongs to, as far as a stream has to know."""

from typing import Protocol

from proxy.transport.sockets import PeerEnd


class Owner(Protocol):
    """Notified of what happens to a connection, also while nothing reads from it."""

    def connection_lost(self) -> None:
        """The connection is gone."""

    def peer_ended(self, end: PeerEnd) -> None:
        """The peer has ended its side; where unread bytes stand before that, this may be told again."""

    def alarm(self) -> None:
        """`alarm_at` has passed. It is set to NEVER before this is called."""


class Taker(Protocol):
    """Gets what arrives while a fiber waits for it: most pieces of a body wake nobody."""

    def take(self, data: bytes) -> bool:
        """Take it; or return False, and the fiber gets it."""
