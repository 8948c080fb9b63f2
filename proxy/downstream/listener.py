"""Accepting clients: who they are, how many there may be at once, and the end of accepting.

Knows nothing of requests: what becomes of a connection is the business of what it is handed. What stands before HTTP on
a connection has its places here: TLS where the server is created, a PROXY header in `identify`.
"""

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable
from typing import Final, TypeAlias

from proxy.downstream.connection import ClientConnection, ReportUnread, RunExchange
from proxy.errors import LimitReached
from proxy.policy.forwarded import ClientIdentity, Network, is_trusted, plain_address
from proxy.policy.settings import Limits, Timeouts
from proxy.transport.deadlines import Deadlines
from proxy.transport.fiber import Fiber
from proxy.transport.stream import Stream

_BACKLOG: Final = 2048
_FAREWELL_S: Final = 0.2  # between the last accept and closing idle connections

#: Says who is at the other end of a connection; None where nobody is any more.
Identify: TypeAlias = Callable[[Stream], ClientIdentity | None]
Opened: TypeAlias = list[tuple[socket.socket, asyncio.Server]]


def by_address(trusted: tuple[Network, ...]) -> Identify:
    """Know clients by the address of their connection."""

    def identify(stream: Stream) -> ClientIdentity | None:
        peer = stream.transport.get_extra_info("peername")
        if not isinstance(peer, tuple):
            return None  # gone again: whatever it has sent, nobody is there to say who asked for it
        address = plain_address(peer[0])
        return ClientIdentity(address.encode("ascii"), bool(trusted) and is_trusted(address, trusted))

    return identify


class Listener:
    """Accepts clients, and serves each by a fiber of its own, until it is shut down."""

    def __init__(
        self,
        deadlines: Deadlines,
        timeouts: Timeouts,
        limits: Limits,
        *,
        fast_path: bool,
        half_close: bool,
        identify: Identify,
        run_exchange: RunExchange,
        refuse: ReportUnread,
        on_ended: Callable[[ClientConnection], None],
        report_defect: Callable[[BaseException, str], None],
    ) -> None:
        self._loop = deadlines.loop
        self._deadlines = deadlines
        self._timeouts = timeouts
        self._limits = limits
        self._fast_path = fast_path
        self._half_close = half_close
        self._identify = identify
        self._run_exchange = run_exchange
        self._refuse = refuse
        self._on_ended = on_ended
        self._report_defect = report_defect
        self.clients: dict[ClientConnection, Fiber] = {}  # everybody connected, and who serves them
        self._opened: Opened = []
        self._adopted: dict[str, Opened] = {}
        self._shutting_down = False
        self._stopping: asyncio.Task[None] | None = None
        self._stopped_accepting = asyncio.Event()
        self._all_gone = asyncio.Event()  # once shutting down: no client is left

    async def listen(self, sockets: list[socket.socket]) -> None:
        """Begin to accept on sockets that listen."""
        self._opened += await self._open(sockets)

    async def adopt(self, whose: str, sockets: list[socket.socket]) -> None:
        """Accept on the sockets of a worker that is not there, until `give_back`."""
        if self._shutting_down:
            for listening in sockets:
                listening.close()
        else:
            self._adopted[whose] = await self._open(sockets)

    def give_back(self, whose: str) -> None:
        """Accept no more on sockets that were adopted: their own worker is there again."""
        for _, server in self._adopted.pop(whose, ()):
            server.close()

    def shut_down(self) -> None:
        """Stop accepting, finish what is under way, close what is idle. Twice does no harm."""
        if self._shutting_down:
            return
        self._shutting_down = True
        for client in self.clients:
            client.shutting_down = True  # from here on, every answer says close
        self._stopping = self._loop.create_task(self._stop_accepting())

    async def served(self, patience_s: float) -> None:
        """Wait until `shut_down` was called, and every client has ended or `patience_s` have passed; who is left is
        cut."""
        await self._stopped_accepting.wait()
        if self.clients:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience_s):
                    await self._all_gone.wait()
            for late in list(self.clients.values()):
                late.cancel()

    async def _open(self, sockets: list[socket.socket]) -> Opened:
        return [
            (listening, await self._loop.create_server(self._new_stream, sock=listening, backlog=_BACKLOG))
            for listening in sockets
        ]

    async def _stop_accepting(self) -> None:
        """Close the listening sockets. What the kernel has accepted is served: closing would reset it."""
        opened = [*self._opened, *(one for adopted in self._adopted.values() for one in adopted)]
        last_looks: list[socket.socket] = []
        with contextlib.suppress(OSError):  # out of descriptors: then nobody more can be served
            last_looks += [listening.dup() for listening, _ in opened]
        for _, server in opened:
            server.close()
        waiting: list[socket.socket] = []
        for listening in last_looks:
            with listening, contextlib.suppress(OSError):  # BlockingIOError: there is nobody more
                while True:
                    waiting.append(listening.accept()[0])
        for accepted in waiting:
            accepted.setblocking(False)
            with contextlib.suppress(OSError):
                await self._loop.connect_accepted_socket(self._new_stream, accepted)
        # Busy clients read `Connection: close` in an answer meanwhile; only idle connections are closed.
        if self.clients:
            await asyncio.sleep(_FAREWELL_S)
        for client in list(self.clients):
            client.shut_down()
        self._stopped_accepting.set()

    def _new_stream(self) -> Stream:
        return Stream(self._deadlines, self._accept)

    def _accept(self, stream: Stream) -> None:
        identity = self._identify(stream)
        if identity is None:
            stream.abort()
            return
        client = ClientConnection(
            stream, identity, identity.address.decode("ascii"), self._timeouts, self._limits, self._deadlines,
            fast_path=self._fast_path, half_close=self._half_close,
        )  # fmt: skip
        client.shutting_down = self._shutting_down
        full = len(self.clients) >= self._limits.connections
        serve = self._turn_away(client) if full else client.serve(self._run_exchange, self._refuse)
        fiber = Fiber(serve, lambda exc: self._ended(client, exc))
        self.clients[client] = fiber
        fiber.resume()

    async def _turn_away(self, client: ClientConnection) -> None:
        await self._refuse(client, LimitReached("too many connections"), time.monotonic())
        await client.end()

    def _ended(self, client: ClientConnection, exc: BaseException | None) -> None:
        del self.clients[client]
        self._on_ended(client)
        if self._shutting_down and not self.clients:
            self._all_gone.set()
        if exc is not None and not isinstance(exc, asyncio.CancelledError):
            self._report_defect(exc, "a connection")
