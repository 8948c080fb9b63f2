"""Idle upstream connections by origin: a decision table without I/O. Time is a parameter.

Newest first: the connection used last is the least likely to have been closed by its upstream meanwhile.
"""

from itertools import islice
from typing import Generic, TypeAlias, TypeVar

from proxy.upstream.origin import Origin

C = TypeVar("C")


#: When it went idle, and when it expires.
_Entry: TypeAlias = tuple[float, float]


class IdleConnections(Generic[C]):
    """Connections without an exchange. Every method that drops some returns them, for the caller to close."""

    def __init__(self, per_origin: int) -> None:
        self._per_origin = per_origin
        self._entries: dict[Origin, dict[C, _Entry]] = {}  # the inner ones from oldest to newest

    def __len__(self) -> int:
        return sum(len(entries) for entries in self._entries.values())

    def __repr__(self) -> str:
        counts = ", ".join(f"{origin}: {len(entries)}" for origin, entries in self._entries.items())
        return f"<IdleConnections {counts or 'none'}>"

    def put(self, origin: Origin, connection: C, now: float, expires_at: float) -> list[C]:
        """Keep `connection` until `expires_at`; return the surplus, oldest first, for closing."""
        entries = self._entries.get(origin)
        if entries is None:
            entries = self._entries[origin] = {}
        entries[connection] = (now, expires_at)
        if len(entries) <= self._per_origin:
            return []
        surplus = list(islice(entries, len(entries) - self._per_origin))
        for oldest in surplus:
            del entries[oldest]
        return surplus

    def take(self, origin: Origin, now: float, newest_since: float = 0.0) -> C | None:
        """Hand out the newest connection, if it has not expired and went idle after `newest_since`.

        Only the newest is looked at, so this costs the same however many there are: `expire` finds the others.
        """
        entries = self._entries.get(origin)
        if not entries:
            return None
        connection, entry = entries.popitem()
        since, expires_at = entry
        if expires_at <= now or since < newest_since:
            entries[connection] = entry
            return None
        return connection

    def count(self, origin: Origin) -> int:
        """How many there are of an origin."""
        return len(self._entries.get(origin, ()))

    def take_oldest_of(self, origin: Origin) -> C | None:
        """Drop and return the one of this origin that has been idle longest."""
        entries = self._entries.get(origin)
        if not entries:
            return None
        oldest = next(iter(entries))
        del entries[oldest]
        return oldest

    def take_oldest(self) -> C | None:
        """Drop and return the one that has been idle longest, of any origin."""
        oldest = [(next(iter(entries.items())), entries) for entries in self._entries.values() if entries]
        if not oldest:
            return None
        (connection, _), entries = min(oldest, key=lambda found: found[0][1][0])
        del entries[connection]
        return connection

    def forget(self, origin: Origin, connection: C) -> bool:
        """Drop one that ended by itself; return whether it was here."""
        return self._entries.get(origin, {}).pop(connection, None) is not None

    def take_all(self, origin: Origin) -> list[C]:
        """Drop and return all of an origin."""
        return list(self._entries.pop(origin, {}))

    def expire(self, now: float) -> list[C]:
        """Drop and return those past their time."""
        expired: list[C] = []
        for origin, entries in list(self._entries.items()):
            late = [connection for connection, (_, expires_at) in entries.items() if expires_at <= now]
            for connection in late:
                del entries[connection]
            expired += late
            if not entries:
                del self._entries[origin]
        return expired

    def clear(self) -> list[C]:
        """Drop and return all."""
        everything = [connection for entries in self._entries.values() for connection in entries]
        self._entries.clear()
        return everything
