"""Accepting clients: who they are, how many there may be at once, and the end of accepting.

Knows nothing of requests: connections are served by the functions that it is given. What comes before HTTP on one is
read by `arrival`.
"""

import asyncio
import socket
import time
from collections.abc import Callable
from functools import partial
from typing import Final

from proxy.downstream.acceptor import Acceptor, has_waiting
from proxy.downstream.arrival import ListenerSettings, TurnedAway, arrive, identity_of
from proxy.downstream.connection import NEXT_REQUEST_S, ClientConnection, ReportUnread, RunExchange
from proxy.downstream.per_client import Entry, PerClient
from proxy.downstream.places import Places, Room
from proxy.errors import LimitReached, ProxyError
from proxy.policy.forwarded import ClientIdentity, Network
from proxy.policy.settings import Limits, Timeouts
from proxy.transport.deadlines import Deadlines
from proxy.transport.fiber import Fiber
from proxy.transport.stream import Stream
from proxy.transport.tls_stream import TlsStream

_TOO_MANY: Final = "this client has as many connections as one may have"


class Listener:
    """Accepts clients, and serves each by a fiber of its own, until it is shut down."""

    def __init__(
        self,
        deadlines: Deadlines,
        timeouts: Timeouts,
        limits: Limits,
        *,
        room: Room,
        make_room: Callable[[int], bool],
        fast_path: bool,
        half_close: bool,
        trusted: tuple[Network, ...],
        run_exchange: RunExchange,
        refuse: ReportUnread,
        on_ended: Callable[[ClientConnection], None],
        report_defect: Callable[[BaseException, str], None],
        warn_crowded: Callable[[str], None],
        warn_turned_away: Callable[[str, str], None],
    ) -> None:
        self._loop = deadlines.loop
        self._deadlines = deadlines
        self._timeouts = timeouts
        self._limits = limits
        self._fast_path = fast_path
        self._half_close = half_close
        self._trusted = trusted
        self._run_exchange = run_exchange
        self._refuse = refuse
        self._on_ended = on_ended
        self._report_defect = report_defect
        self.clients: dict[ClientConnection, Fiber] = {}  # everybody connected, and who serves them
        self.on_clients: Callable[[int], None] | None = None  # told how many there are, whenever that changes
        self._warn_crowded = warn_crowded
        self._warn_turned_away = warn_turned_away  # told the listener's name, and what to say
        self._settings: dict[socket.socket, ListenerSettings] = {}  # of each listening socket
        self._arriving: dict[Stream, Fiber] = {}  # connections on which HTTP has not begun
        self._places = Places(room, timeouts.client_queue_s, self.clients, make_room, self._crowded)
        most = limits.connections_per_client
        self._per_client = PerClient(most) if most else None
        self._acceptor = Acceptor(
            self._loop, take=self._take, may_accept=self._may_accept, on_shortage=self._out_of_descriptors
        )
        deadlines.on_sweep.append(self._look_again)
        self._adopted: dict[str, list[socket.socket]] = {}
        self._shutting_down = False
        self._stopped_accepting = asyncio.Event()
        self._over = asyncio.Event()  # once shutting down: no client is left, or all were cut

    def listen(self, sockets: dict[socket.socket, ListenerSettings]) -> None:
        """Begin to accept on sockets that listen. They are closed here."""
        self._settings |= sockets
        self._acceptor.listen(sockets)

    def adopt(self, whose: str, sockets: dict[socket.socket, ListenerSettings]) -> None:
        """Accept on the sockets of a worker that is not there, until `give_back`."""
        if self._shutting_down:
            for listening in sockets:
                listening.close()
        else:
            self._adopted[whose] = list(sockets)
            self.listen(sockets)

    def give_back(self, whose: str) -> None:
        """Accept no more on sockets that were adopted: their own worker is there again."""
        sockets = self._adopted.pop(whose, [])
        self._acceptor.close(sockets)
        for listening in sockets:
            del self._settings[listening]

    def memory_is_full(self, is_full: bool, held_bytes: int) -> None:
        """From now on there is no place for newcomers, or there is again."""
        self._places.is_memory_full = is_full
        if is_full:
            self._warn_crowded(f"{held_bytes >> 20} MiB of memory (limits.memory_bytes): newcomers wait")

    def shut_down(self) -> None:
        """Stop accepting, and let every client finish; idle ones may ask once more. Connections that the kernel has
        accepted are served. Calling it twice does no harm."""
        if self._shutting_down:
            return
        self._shutting_down = True
        for client in self.clients:
            client.shut_down()
        for stream in self._arriving:
            stream.set_read_deadline(self._loop.time() + NEXT_REQUEST_S)
        self._acceptor.shut_down()
        self._stopped_accepting.set()

    def cut(self, is_cut: Callable[[ClientConnection], bool]) -> None:
        """Once shutting down: end these clients' connections, whatever is under way on them."""
        for client, fiber in list(self.clients.items()):
            if is_cut(client):
                fiber.cancel()
                client.stream.cut()

    def cut_all(self) -> None:
        """Once shutting down: end every connection, and wait for nobody."""
        self._over.set()

    async def served(self) -> None:
        """Wait until `shut_down` was called, and every client has ended or was cut."""
        await self._stopped_accepting.wait()
        if self.clients or self._places.arriving:
            await self._over.wait()
            for late in [*self.clients.values(), *self._arriving.values()]:
                late.cancel()

    # -- admission -----------------------------------------------------------------------------------------------

    def _may_accept(self, listening: socket.socket) -> bool:
        if self._places.is_free():
            return True
        if not has_waiting(listening):
            return False
        if self._places.may_enter(self._loop.time()):
            return True
        self._acceptor.pause()
        return False

    def _look_again(self, now: float) -> None:
        """At every sweep, while newcomers wait: a client may be idle by now, or no newcomer may wait any more."""
        if self._acceptor.is_paused:
            self._acceptor.resume()
        elif self._places.is_crowded and not self._shutting_down and not self._acceptor.somebody_waits():
            self._places.end_crowded()

    def _crowded(self, clients: int) -> None:
        self._warn_crowded(f"as many clients as there may be at once ({clients}): newcomers wait until one leaves")

    def _out_of_descriptors(self, error: OSError) -> None:
        """Nobody more can be accepted, though there should be room: wait until the next sweep."""
        self._acceptor.pause()
        if not self._places.is_crowded:
            self._places.begin_crowded(self._loop.time())
        self._warn_crowded(f"no client more can be accepted for now: {error.strerror}")

    def _take(self, accepted: socket.socket, listening: socket.socket) -> None:
        """Serve a connection that was accepted."""
        self._places.arriving += 1
        settings = self._settings[listening]
        on_connected = partial(self._accept, settings)
        stream = Stream(self._deadlines, on_connected)
        if settings.contexts is not None:
            stream = TlsStream(self._deadlines, on_connected)
        Fiber(
            self._loop.connect_accepted_socket(stream.protocol, accepted), partial(self._taken, stream, accepted)
        ).resume()

    def _taken(self, stream: Stream, accepted: socket.socket, exc: BaseException | None) -> None:
        if exc is None:
            return
        accepted.close()  # gone again
        if stream.on_connected is not None:  # it was not called
            self._places.arriving -= 1
            self._check_over()
        if not isinstance(exc, OSError | asyncio.CancelledError):
            self._report_defect(exc, "a connection that begins")

    # -- clients -------------------------------------------------------------------------------------------------

    def _accept(self, settings: ListenerSettings, stream: Stream) -> None:
        if not settings.begins_with_http:
            fiber = Fiber(self._arrive(settings, stream), partial(self._arrived, stream))
            self._arriving[stream] = fiber
            self._places.arrivals[stream] = self._loop.time()
            fiber.resume()
            return
        self._places.arriving -= 1
        identity = identity_of(stream, settings, self._trusted)
        if identity is None:
            stream.abort()
            self._check_over()
        else:
            self._serve(stream, identity)

    async def _arrive(self, settings: ListenerSettings, stream: Stream) -> None:
        """Serve a connection on which something stands before HTTP."""
        now = self._loop.time()
        deadline = now + (NEXT_REQUEST_S if self._shutting_down else self._timeouts.handshake_s)
        try:
            try:
                identity = await arrive(stream, settings, self._trusted, deadline)
            finally:
                self._places.arriving -= 1
                self._places.arrivals.pop(stream, None)
                del self._arriving[stream]
        except TurnedAway as exc:
            peer = exc.identity.address.decode("ascii") if exc.identity is not None else "a client"
            self._warn_turned_away(settings.name, f"a connection from {peer} was turned away: {exc}")
            if exc.answer is None or exc.identity is None:
                stream.close()
            else:
                self._serve(stream, exc.identity, exc.answer)
        else:
            if identity is None:
                stream.close()
            else:
                self._serve(stream, identity)

    def _arrived(self, stream: Stream, exc: BaseException | None) -> None:
        if exc is not None:
            stream.abort()
            if not isinstance(exc, asyncio.CancelledError):
                self._report_defect(exc, "a connection that begins")
        self._check_over()

    def _serve(self, stream: Stream, identity: ClientIdentity, refusal: ProxyError | None = None) -> None:
        client = ClientConnection(
            stream, identity, identity.address.decode("ascii"), self._timeouts, self._limits, self._deadlines,
            fast_path=self._fast_path, half_close=self._half_close,
        )  # fmt: skip
        entry = Entry.SERVED if self._per_client is None else self._per_client.enter(client)
        if entry is Entry.CUT:
            stream.abort()
            return
        if entry is Entry.REFUSED:
            serve = self._turn_away(client, LimitReached(_TOO_MANY, status=429, code="too_many_connections"))
        elif refusal is not None:
            serve = self._turn_away(client, refusal)
        elif self._places.is_full():
            serve = self._turn_away(client, LimitReached("too many connections"))
        else:
            serve = client.serve(self._run_exchange, self._refuse)
            if self._places.is_crowded:
                self._places.entered(self._loop.time())
        client.says_close = self._places.is_crowded
        if self._shutting_down:
            client.shut_down()
        fiber = Fiber(serve, lambda exc: self._ended(client, exc))
        self.clients[client] = fiber
        if self.on_clients is not None:
            self.on_clients(len(self.clients))
        fiber.resume()

    async def _turn_away(self, client: ClientConnection, refusal: ProxyError) -> None:
        await self._refuse(client, refusal, time.monotonic())
        await client.end()

    def _ended(self, client: ClientConnection, exc: BaseException | None) -> None:
        del self.clients[client]
        if self.on_clients is not None:
            self.on_clients(len(self.clients))
        self._places.left(client)
        if self._per_client is not None:
            self._per_client.leave(client)
        self._acceptor.resume()
        self._on_ended(client)
        self._check_over()
        if exc is not None and not isinstance(exc, asyncio.CancelledError):
            self._report_defect(exc, "a connection")

    def _check_over(self) -> None:
        if self._shutting_down and not self.clients and not self._places.arriving:
            self._over.set()
