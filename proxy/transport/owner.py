"""Who a connection belongs to, and who forwards its bytes, as far as a stream has to know."""

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


class SinkBlocked(Exception):
    """Raised in the fiber that waits to read: the connection to which the bytes go takes less than it is given."""


class Forwarder(Protocol):
    """Passes on what arrives while a fiber waits to read, within the very read: resuming the fiber costs more."""

    def forward(self, data: bytes) -> bool:
        """Pass it on; or return False, and the fiber is resumed with it."""
