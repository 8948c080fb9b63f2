"""How many connections each client has, where the configuration bounds that.

A client is an address; of IPv6, its first 64 bits. Trusted peers are not counted, as they carry the requests of many;
nor are clients of a Unix socket, which have no address.
"""

from enum import Enum, auto

from proxy.downstream.connection import ClientConnection
from proxy.policy.forwarded import ClientIdentity, parse_address
from proxy.policy.rate_limit import client_key


class Entry(Enum):
    """What becomes of a connection."""

    SERVED = auto()
    REFUSED = auto()  # it is told that it has too many
    CUT = auto()  # closed without an answer: even a refusal holds a connection for a while


class PerClient:
    """Counts the connections of clients. Each may have `most`, and as many again that are being refused."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._served: dict[bytes, int] = {}  # of those who have any
        self._refused: dict[bytes, int] = {}
        self._being_refused: set[ClientConnection] = set()

    def enter(self, client: ClientConnection) -> Entry:
        """A connection begins. Unless it is cut, call `leave` at its end."""
        key = _key(client.identity)
        if key is None or _add(self._served, key, self._most):
            return Entry.SERVED
        if _add(self._refused, key, self._most):
            self._being_refused.add(client)
            return Entry.REFUSED
        return Entry.CUT

    def leave(self, client: ClientConnection) -> None:
        """A connection has ended."""
        key = _key(client.identity)
        if key is None:
            return
        counts = self._served
        if client in self._being_refused:
            self._being_refused.remove(client)
            counts = self._refused
        counts[key] -= 1
        if not counts[key]:
            del counts[key]


def _add(counts: dict[bytes, int], key: bytes, most: int) -> bool:
    count = counts.get(key, 0)
    if count >= most:
        return False
    counts[key] = count + 1
    return True


def _key(identity: ClientIdentity) -> bytes | None:
    address = identity.address.decode("ascii")
    return None if identity.trusted or parse_address(address) is None else client_key(address)
