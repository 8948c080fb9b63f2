"""Lease a connection to an origin, and take it back. The rules of reuse are RFC 9112 §9.3 and the pool's settings."""

import asyncio
import contextlib
from collections.abc import Callable
from functools import partial

from proxy.errors import BadResponse
from proxy.http1.limits import MessageLimits
from proxy.policy import keeping
from proxy.policy.keeping import Keeping
from proxy.policy.settings import PoolSettings
from proxy.transport.deadlines import NEVER, Deadlines
from proxy.transport.stream import Stream
from proxy.upstream.bound import BoundConnections
from proxy.upstream.connection import CLOSED, IDLE, UpstreamConnection
from proxy.upstream.connection_limit import ConnectionLimit, ConnectionPlace
from proxy.upstream.connector import Connector, close_unused, when_done
from proxy.upstream.idle import IdleConnections
from proxy.upstream.origin import Origin

_MARGIN_S = 1.0  # `Keep-Alive: timeout=N` is trusted for N-1 s: our request must arrive before the end


class Lease:
    """A connection in the hands of one exchange, until one of `give_back`, `close` and `end` ends the lease. All three
    do nothing after that: the connection may be somebody else's by then."""

    __slots__ = ("_bound_to", "_pool", "connection", "ended", "reused")

    def __init__(self, pool: "Pool", connection: UpstreamConnection, reused: bool) -> None:
        """`reused`: whether it has carried an exchange before."""
        self._pool = pool
        self.connection = connection
        self.reused = reused
        self.ended = False
        self._bound_to: tuple[object, str] | None = None

    def bind(self, owner: object, service: str) -> None:
        """The connection carries a login (NTLM, Negotiate): from now on it serves this owner alone."""
        self._bound_to = (owner, service)

    def give_back(self, request_complete: bool) -> Keeping | None:
        """The response is complete: keep the connection where its next request is safe, close it otherwise. Returns
        which, and why; None where the lease had ended. Does not await, so a cancelled exchange gives its socket back.
        """
        if self.ended:
            return None
        self.ended = True
        return self._pool.take_back(self.connection, self._bound_to, request_complete)

    def discard_response(self) -> Keeping | None:
        """Nobody wants the response whose head was read: keep the connection where all of it has arrived, and close it
        otherwise, rather than wait for a body of any length. Returns what `give_back` does."""
        connection = self.connection
        with contextlib.suppress(BadResponse):
            connection.arrived()
            if connection.body.complete:
                return self.give_back(request_complete=True)
        self.end()
        return keeping.GIVEN_UP

    def close(self) -> None:
        """Close the connection once everything written has been sent: after a tunnel."""
        if not self.ended:
            self.ended = True
            self.connection.state = CLOSED
            self.connection.stream.close()

    def end(self) -> None:
        """Give the exchange up: a fiber that waits for the connection gets ConnectionEnded."""
        if not self.ended:
            self.ended = True
            self.connection.state = CLOSED
            self.connection.stream.abort()


class Pool:
    """Upstream connections of one worker: those leased, and the idle ones."""

    def __init__(
        self,
        settings: PoolSettings,
        limits: MessageLimits,
        deadlines: Deadlines,
        connector: Connector,
        *,
        idle_s: float,
        fast_path: bool,
        most_connections: int,
    ) -> None:
        """`most_connections` may be open at once in this worker, those of clients included."""
        self._most_connections = most_connections
        self._connecting = 0
        self._leaving = 0  # idle ones that were closed to make room, and are not gone yet
        self._settings = settings
        self._limits = limits
        self._deadlines = deadlines
        self._idle_s = idle_s
        self.connector = connector
        self._fast_path = fast_path
        self._idle: IdleConnections[UpstreamConnection] = IdleConnections(settings.idle_per_origin)
        self.bound = BoundConnections()
        self._shutting_down = False
        self._retired: dict[Origin, float] = {}  # with the loop time until which connections may come back
        self.opened = 0
        self.on_opened: list[Callable[[UpstreamConnection], None]] = []  # told of every new connection
        deadlines.on_sweep.append(self._expire)

    def __repr__(self) -> str:
        return f"<Pool {self._idle!r}>"

    def __len__(self) -> int:
        """How many connections stand idle."""
        return len(self._idle)

    def lease_idle(self, origin: Origin, replayable: bool) -> Lease | None:
        """An idle connection, or None: `lease_fresh` then.

        A request that cannot be replayed gets only one used a moment ago: else it might meet the upstream's close,
        and nobody could tell whether it was acted on.
        """
        now = self._deadlines.loop.time()
        newest_since = 0.0 if replayable else self._just_used_since(now)
        connection = self._idle.take(origin, now, newest_since)
        if connection is None or (not replayable and connection.was_ended()):
            return None
        connection.stream.watcher = None
        connection.begin()
        return Lease(self, connection, True)

    def _just_used_since(self, now: float) -> float:
        # uvloop's clock ticks in milliseconds: without this, 0 would still take what went idle within the same one.
        return now - self._settings.just_used_s if self._settings.just_used_s > 0 else NEVER

    async def lease_fresh(
        self, origin: Origin, connect_s: float | None = None, limit: ConnectionLimit[UpstreamConnection] | None = None
    ) -> Lease:
        """A new connection, opened within this time or the connector's, at the place that was taken for it where there
        is a limit. Raises ConnectFailed, ConnectTimeout, LimitReached."""
        loop = self._deadlines.loop
        self.make_room(1)
        self._connecting += 1
        # A task: asyncio's time-outs ask for one.
        opening = loop.create_task(self.connector.connect(origin, connect_s))
        try:
            stream = await opening
        except BaseException:
            if limit is not None:
                when_done(opening, partial(_release_place, limit, origin))
            opening.add_done_callback(close_unused)  # given up: it may have succeeded before it heard of that
            raise
        finally:
            self._connecting -= 1
        connection = UpstreamConnection(origin, stream, self._limits, loop.time(), fast_path=self._fast_path)
        self.opened += 1
        connection.on_idle_event = lambda: self._forget(connection)
        if limit is not None:
            connection.limit = limit
            _hold(stream, ConnectionPlace(limit, origin))
        connection.begin()
        lease = Lease(self, connection, False)
        try:
            for tell in self.on_opened:
                tell(connection)
        except BaseException:  # a defect there: nobody gets the lease, and the connection would keep its place for ever
            lease.end()
            raise
        return lease

    def make_room(self, count: int) -> bool:
        """Close idle connections, the longest idle first, until `count` more connections may be opened; return whether
        they may."""
        left = self._most_connections - len(self._deadlines.streams) - self._connecting + self._leaving
        while left < count:
            oldest = self._idle.take_oldest()
            if oldest is None:
                return False
            oldest.discard()
            self._leaving += 1
            oldest.stream.watcher = self._made_room
            left += 1
        return True

    def _made_room(self) -> None:
        self._leaving -= 1

    def lease_bound(self, owner: object, service: str, replayable: bool) -> Lease | None:
        """The idle connection that belongs to this owner alone, if it has one to this service that has not ended."""
        connection = self.bound.take(owner, service)
        if connection is None or (not replayable and connection.was_ended()):
            return None
        lease = Lease(self, connection, True)
        lease.bind(owner, service)
        return lease

    def take_back(
        self, connection: UpstreamConnection, bound_to: tuple[object, str] | None, request_complete: bool
    ) -> Keeping:
        """What `Lease.give_back` does: by the rules of reuse, which are RFC 9112 §9.3 and the settings."""
        now = self._deadlines.loop.time()
        promised_s = connection.promise.timeout_s
        idle_s = self._idle_s if promised_s is None else min(self._idle_s, promised_s - _MARGIN_S)
        if self._shutting_down:
            closed: Keeping | None = keeping.POOL_ENDED
        else:
            closed = connection.why_closed() if request_complete else keeping.NOT_SENT
        if closed is None and bound_to is None:
            if connection.exchanges >= self._settings.max_requests:
                closed = keeping.TOO_MANY
            elif now - connection.open_since > self._settings.max_age_s:
                closed = keeping.TOO_OLD
            elif self._retired and connection.origin in self._retired:
                closed = keeping.RETIRED
            elif idle_s <= 0:
                closed = keeping.TOO_SHORT
        if closed is not None:
            connection.discard()
            return closed
        if bound_to is not None:
            self.bound.keep(*bound_to, connection)
            return keeping.BOUND
        if connection.limit is not None and connection.limit.offer(connection):
            return keeping.HANDED_OVER
        connection.state = IDLE
        connection.stream.watcher = connection.on_idle_event
        for surplus in self._idle.put(connection.origin, connection, now, now + idle_s):
            surplus.discard()
        return keeping.POOLED

    def lease_granted(self, connection: UpstreamConnection, replayable: bool) -> Lease | None:
        """A connection that was handed over to a request that waited for it; None where something has arrived on it
        since, which belongs to no request, or where it has ended, and the request cannot be replayed."""
        if connection.stream.has_unread():
            connection.discard()
        if connection.state is CLOSED or (not replayable and connection.was_ended()):
            return None
        connection.begin()
        return Lease(self, connection, True)

    def put_back(self, connection: UpstreamConnection) -> None:
        """Take back a connection that was handed over and not used."""
        if connection.stream.has_unread():
            connection.discard()
        else:
            self.take_back(connection, None, request_complete=True)

    def idle_at(self, origin: Origin) -> int:
        """How many connections to an origin stand idle."""
        return self._idle.count(origin)

    def close_one_idle(self, origin: Origin) -> bool:
        """Close the connection to an origin that has been idle longest; return whether there was one."""
        oldest = self._idle.take_oldest_of(origin)
        if oldest is not None:
            oldest.discard()
        return oldest is not None

    def retire(self, origin: Origin) -> None:
        """The origin is no longer used: close its idle connections, and others once they are given back."""
        self._retired[origin] = self._deadlines.loop.time() + self._settings.max_age_s
        for connection in self._idle.take_all(origin):
            connection.discard()

    def restore(self, origin: Origin) -> None:
        """The origin is used again."""
        self._retired.pop(origin, None)

    def shut_down(self) -> None:
        """Close what is idle, and from now on everything that is given back."""
        self._shutting_down = True
        for connection in self._idle.clear():
            connection.discard()

    def _expire(self, now: float) -> None:
        for connection in self._idle.expire(now):
            connection.discard()
        for origin in [origin for origin, until in self._retired.items() if until < now]:
            del self._retired[origin]  # its connections would be too old by now in any case

    def _forget(self, connection: UpstreamConnection) -> None:
        """Bytes or an end arrived on an idle connection: whatever it says, it belongs to no request."""
        self._idle.forget(connection.origin, connection)
        connection.discard()


def _hold(stream: Stream, place: ConnectionPlace) -> None:
    """Give the place up once the connection is gone, which it may be already."""
    stream.owner = place
    if stream.is_ended:
        stream.owner = None
        place.connection_lost()


def _release_place(limit: ConnectionLimit[UpstreamConnection], origin: Origin, opening: asyncio.Task[Stream]) -> None:
    """An opening was given up: its place is free where nothing came about, or else once that is gone."""
    if opening.cancelled() or opening.exception() is not None:
        limit.release(origin)
    else:
        _hold(opening.result(), ConnectionPlace(limit, origin))
