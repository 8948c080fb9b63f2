"""How many connections one upstream may have to each of its origins, and the queue for them: first come, first served.

A place is taken before a connection is opened, and given up when it is gone, not when it is closed: the origin never
sees one more. A place or connection that becomes free goes to the request that has waited longest.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Collection
from typing import Any, Final, Generic, Protocol, TypeVar

from proxy.errors import LimitReached
from proxy.transport.sockets import PeerEnd
from proxy.upstream.origin import Origin


class Clock(Protocol):
    """The part of an event loop that is needed here."""

    def time(self) -> float:
        """Seconds."""

    def call_at(self, when: float, callback: Callable[[], None]) -> asyncio.TimerHandle:
        """One call at this time."""

    def create_future(self) -> "asyncio.Future[Any]":
        """What a waiter awaits."""


class Connected(Protocol):
    """The part of a connection that is needed here."""

    @property
    def origin(self) -> Origin:
        """Where it leads."""


C = TypeVar("C", bound=Connected)


class Waiter(Generic[C]):
    """A request that waits, for any origin or for one. Its future's result is an open connection, or the origin at
    which it has a place to open one."""

    __slots__ = ("deadline", "future", "origin", "ticket")

    def __init__(
        self, origin: Origin | None, ticket: int, deadline: float, future: "asyncio.Future[C | Origin]"
    ) -> None:
        self.origin = origin
        self.ticket = ticket
        self.deadline = deadline  # loop time
        self.future = future


class ConnectionPlace:
    """One connection's, from before it is opened until it is gone: an `Owner` of its stream."""

    __slots__ = ("_limit", "_origin")

    def __init__(self, limit: "ConnectionLimit[Any]", origin: Origin) -> None:
        self._limit = limit
        self._origin = origin

    def connection_lost(self) -> None:
        """The next one may be opened."""
        self._limit.release(self._origin)

    def peer_ended(self, end: PeerEnd) -> None:
        """Nothing to do: whoever reads from the connection learns of it there."""

    def alarm(self) -> None:
        """Never called: no alarm is set."""


class ConnectionLimit(Generic[C]):
    """The connections of one upstream in one worker, and the requests that wait for one."""

    def __init__(self, most: int, clock: Clock, *, queue: int, queue_s: float, idle: Callable[[Origin], int]) -> None:
        """`most` connections to each origin; `queue` requests may wait, `queue_s` each. `idle` counts the connections
        that stand unused, which have their places, too."""
        self.most: Final = most
        self._clock = clock
        self._queue = queue
        self._queue_s = queue_s
        self._idle = idle
        self._taken: dict[Origin, int] = {}
        self._lines: dict[Origin | None, dict[int, Waiter[C]]] = {}  # by whom they wait for; each in order of arrival
        self._by_deadline: deque[Waiter[C]] = deque()  # all wait equally long, so in order of arrival, too
        self._timer: asyncio.TimerHandle | None = None
        self._tickets = 0
        self._in_use: Collection[Origin] = ()

    @property
    def waiting(self) -> int:
        """How many requests wait."""
        return sum(map(len, self._lines.values()))

    def taken(self, origin: Origin) -> int:
        """How many connections there are, or are about to be, or are not gone yet."""
        return self._taken.get(origin, 0)

    def is_full(self, origin: Origin) -> bool:
        """Whether a request would have to wait."""
        return self.taken(origin) >= self.most and not self._idle(origin)

    def take(self, origin: Origin) -> bool:
        """Take a place for a connection that is to be opened, if one is free; `release` gives it up."""
        taken = self.taken(origin)
        if taken >= self.most:
            return False
        self._taken[origin] = taken + 1
        return True

    def release(self, origin: Origin) -> None:
        """A connection is gone, or could not be opened: its place goes to the next waiter."""
        waiter = self._next(origin)
        if waiter is not None:
            waiter.future.set_result(origin)
            return
        left = self.taken(origin) - 1
        if left:
            self._taken[origin] = left
        else:
            del self._taken[origin]

    def offer(self, connection: C) -> bool:
        """A connection is free: hand it to the next waiter; return whether there was one."""
        waiter = self._next(connection.origin)
        if waiter is None:
            return False
        waiter.future.set_result(connection)
        return True

    def use(self, origins: Collection[Origin]) -> None:
        """Use these origins from now on: requests that wait for another one wait for any instead, and free places
        are given out."""
        self._in_use = frozenset(origins)
        anybody = self._lines.get(None, {})
        for origin in [origin for origin in self._lines if origin is not None and origin not in self._in_use]:
            for waiter in self._lines.pop(origin).values():
                waiter.origin = None
                anybody[waiter.ticket] = waiter
        if anybody:
            self._lines[None] = dict(sorted(anybody.items()))
        for origin in origins:
            while self.taken(origin) < self.most and (next_one := self._next(origin)) is not None:
                self.take(origin)
                next_one.future.set_result(origin)

    def enter(self, origin: Origin | None, *, soon: bool, before: Waiter[C] | None = None) -> Waiter[C]:
        """Wait at the end of the line, for this origin or for any; where a request could not use what it was granted,
        in the place that it had `before`, and for the rest of its time. `soon`: a place is about to become free, so
        this is no queueing. Raises LimitReached (`queue_full`)."""
        if before is not None:
            return self._enter_again(origin, before)
        if not soon and self.waiting >= self._queue:
            raise LimitReached(
                "the service behind this proxy is busy, and too many requests wait for it", code="queue_full"
            )
        self._tickets += 1
        waiter: Waiter[C] = Waiter(
            origin, self._tickets, self._clock.time() + self._queue_s, self._clock.create_future()
        )
        self._lines.setdefault(origin, {})[waiter.ticket] = waiter
        self._by_deadline.append(waiter)
        if self._timer is None:
            self._timer = self._clock.call_at(waiter.deadline, self._expire)
        return waiter

    def _enter_again(self, origin: Origin | None, before: Waiter[C]) -> Waiter[C]:
        waiter: Waiter[C] = Waiter(origin, before.ticket, before.deadline, self._clock.create_future())
        line = {**self._lines.get(origin, {}), waiter.ticket: waiter}
        self._lines[origin] = dict(sorted(line.items()))
        others = [other for other in self._by_deadline if other is not before]
        self._by_deadline = deque(sorted([*others, waiter], key=lambda each: each.ticket))
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._clock.call_at(self._by_deadline[0].deadline, self._expire)
        return waiter

    def leave(self, waiter: Waiter[C]) -> C | Origin | None:
        """Remove a waiter that gives up. Returns what it was granted and has not used, if anything, for others."""
        if self._lines.get(waiter.origin, {}).pop(waiter.ticket, None) is not None:
            self._tidy(waiter.origin)
            return None
        future = waiter.future
        return future.result() if future.done() and not future.cancelled() and future.exception() is None else None

    def _next(self, origin: Origin) -> Waiter[C] | None:
        """Take the request that has waited longest for this origin out of the line."""
        lines = [
            self._lines[key] for key in ((origin, None) if origin in self._in_use else (origin,)) if key in self._lines
        ]
        if not lines:
            return None
        waiter = min((next(iter(line.values())) for line in lines), key=lambda waiter: waiter.ticket)
        del self._lines[waiter.origin][waiter.ticket]
        self._tidy(waiter.origin)
        return waiter

    def _tidy(self, key: Origin | None) -> None:
        if not self._lines[key]:
            del self._lines[key]

    def _expire(self) -> None:
        """The one timer: the first deadline has come."""
        self._timer = None
        now = self._clock.time()
        while self._by_deadline:
            first = self._by_deadline[0]
            in_line = first.ticket in self._lines.get(first.origin, ())
            if in_line and first.deadline > now:
                self._timer = self._clock.call_at(first.deadline, self._expire)
                return
            self._by_deadline.popleft()
            if in_line:
                self.leave(first)
                first.future.set_exception(LimitReached("the service behind this proxy is busy", code="queue_timeout"))
