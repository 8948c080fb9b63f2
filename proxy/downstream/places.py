"""How many clients there may be at once, and who leaves when newcomers wait.

Every client has a place, and with it the certainty of a descriptor for an upstream connection. While all places are
taken, newcomers wait in the kernel's queue. For each, the client that has been idle longest is closed, or the
connection whose handshake takes longest; if there is none, every answer says `Connection: close` until nobody waits.
Where no place has come free for `patience_s`, newcomers get a 503, a few at a time.
"""

from collections.abc import Callable, Collection
from heapq import nsmallest
from operator import attrgetter
from typing import Final, NamedTuple

from proxy.downstream.connection import NEXT_REQUEST_S, ClientConnection
from proxy.transport.stream import Stream

_FOUND_AT_ONCE: Final = 64  # idle clients: the search looks at all, so it pays for as many newcomers
_SEARCH_PAUSE_S: Final = 0.2  # after one that found nobody
_SINCE: Final = attrgetter("waiting_since")


class Room(NamedTuple):
    """How many connections a worker may have."""

    clients: int
    spare: int  # clients beyond that, for a moment: newcomers in the place of one that is being closed, or for a 503
    connections: int  # of clients and to upstreams together


class Places:
    """Decides whether newcomers are accepted. `make_room` closes idle upstream connections until so many connections
    more fit, and says whether they do."""

    def __init__(
        self,
        room: Room,
        patience_s: float,
        clients: Collection[ClientConnection],
        make_room: Callable[[int], bool],
        on_crowded: Callable[[int], None],
    ) -> None:
        self._room = room
        self._patience_s = patience_s
        self._clients = clients
        self._make_room = make_room
        self._on_crowded = on_crowded
        self._idle: list[ClientConnection] = []  # found by the last search, the longest idle one last
        self._search_at = 0.0
        self._turn_away_at = 0.0
        self.leaving: set[ClientConnection] = set()  # idle ones that were closed, and are not gone yet
        self.arriving = 0  # accepted, and no clients yet
        self.arrivals: dict[Stream, float] = {}  # those whose handshake has begun: when, the oldest first
        self.is_crowded = False  # newcomers wait, and every answer says close
        self.is_memory_full = False  # there is no place for anybody, however few there are

    def is_free(self) -> bool:
        """Whether there is a place for another client."""
        return (
            len(self._clients) + self.arriving < self._room.clients
            and not self.is_memory_full
            and self._make_room(self.arriving + 2)
        )

    def is_full(self) -> bool:
        """Whether a client that was just accepted is one too many, and gets a 503."""
        return len(self._clients) - len(self.leaving) >= self._room.clients or self.is_memory_full

    def may_enter(self, now: float) -> bool:
        """Whether a newcomer who waits while no place is free may be accepted all the same: in the place of an idle
        client, which is closed, or to be told 503."""
        if len(self._clients) + self.arriving >= self._room.clients + self._room.spare:
            return False
        longest_idle = self._take_longest_idle(now) if not self.is_memory_full else None
        if longest_idle is not None:
            self.leaving.add(longest_idle)
            longest_idle.stream.close()
            return True
        if self._end_oldest_arrival(now):
            return True
        if not self.is_crowded:
            self.begin_crowded(now)
        return now >= self._turn_away_at

    def begin_crowded(self, now: float) -> None:
        """Newcomers wait and no client is idle: from now on, every answer says close."""
        self.is_crowded = True
        self._turn_away_at = now + self._patience_s
        for client in self._clients:
            client.says_close = True
        self._on_crowded(len(self._clients))

    def end_crowded(self) -> None:
        """Nobody waits any more."""
        self.is_crowded = False
        for client in self._clients:
            client.says_close = False

    def entered(self, now: float) -> None:
        """A newcomer has got a place while others wait."""
        self._turn_away_at = now + self._patience_s

    def left(self, client: ClientConnection) -> None:
        """A client is gone."""
        self.leaving.discard(client)

    def _end_oldest_arrival(self, now: float) -> bool:
        """End the connection that has waited longest for its handshake, once that has had a moment: silent ones would
        keep everybody out for `handshake_s`, again and again."""
        oldest = next(iter(self.arrivals), None)
        if oldest is None or now - self.arrivals[oldest] <= NEXT_REQUEST_S or self.is_memory_full:
            return False
        del self.arrivals[oldest]
        oldest.abort()
        return True

    def _take_longest_idle(self, now: float) -> ClientConnection | None:
        while True:
            while self._idle:
                client = self._idle.pop()
                if client in self._clients and self._may_leave(client, now):
                    return client
            if now < self._search_at:
                return None
            idle = [client for client in self._clients if client.is_idle(now) and client not in self.leaving]
            longest = nsmallest(_FOUND_AT_ONCE, idle, key=_SINCE)[::-1]
            self._idle = [client for client in longest if self._may_leave(client, now)]
            if not self._idle:
                self._search_at = now + _SEARCH_PAUSE_S
                return None

    def _may_leave(self, client: ClientConnection, now: float) -> bool:
        return client.is_idle(now) and client not in self.leaving and not client.stream.has_arrived()
