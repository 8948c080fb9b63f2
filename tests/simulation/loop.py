"""An event loop whose clock is virtual and whose sockets are simulated. What asyncio does above that is asyncio's own."""

import asyncio
import contextvars
import errno
import heapq
import os
from asyncio import base_events
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, Final, Protocol, cast

from tests.simulation.kernel import Endpoint, Network
from tests.simulation.listening import ListeningSocket
from tests.simulation.transport import Flavour, SimulatedTransport

_NEVER: Final = float("inf")
_MOST_TURNS: Final = 1_000_000  # of the loop, in one world: none has needed a tenth of them


class Stuck(Exception):
    """Nothing is under way, nothing is due, and the program has not ended: it waits for ever."""


class Endless(Exception):
    """The program goes on and on, and no time passes, or nothing comes of it."""


class Call:
    """What is called in a turn of the loop: an `asyncio.Handle` without what that keeps for debugging."""

    __slots__ = ("_args", "_callback", "_cancelled", "_context", "_loop")

    def __init__(
        self,
        loop: "SimulatedLoop",
        callback: Callable[..., Any],
        args: tuple[Any, ...],
        context: contextvars.Context | None,
    ) -> None:
        self._loop = loop
        self._callback = callback
        self._args = args
        self._context = context
        self._cancelled = False

    def cancel(self) -> None:
        """Let it not be called."""
        self._cancelled = True
        self._args = ()

    def cancelled(self) -> bool:
        """Whether it was."""
        return self._cancelled

    def _run(self) -> None:
        try:
            if self._context is None:
                self._callback(*self._args)
            else:
                self._context.run(self._callback, *self._args)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as exc:
            self._loop.call_exception_handler({"message": f"in {self._callback}", "exception": exc})


class ClientSocket:
    """What accept() gives: to the acceptor a socket, to the loop an endpoint."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint

    def setblocking(self, _: bool) -> None:
        pass

    def setsockopt(self, *_: object) -> None:
        pass

    def getsockname(self) -> tuple[str, int]:
        return ("192.0.2.1", 80)

    def close(self) -> None:
        self.endpoint.close()


class ServerSocket:
    """A listening socket as the acceptor uses it."""

    def __init__(self, listening: ListeningSocket) -> None:
        self.listening = listening
        listening.users += 1

    @property
    def is_readable(self) -> bool:
        return bool(self.listening.queue)

    def listen(self, _: int) -> None:
        pass  # it listens already

    def setblocking(self, _: bool) -> None:
        pass

    def getsockname(self) -> tuple[str, int]:
        return ("192.0.2.1", 80)

    def accept(self) -> tuple[ClientSocket, tuple[str, int]]:
        if not self.listening.queue:
            raise BlockingIOError
        return ClientSocket(self.listening.queue.pop(0)), ("192.0.2.9", 4242)

    def close(self) -> None:
        self.listening.close()


class Watched(Protocol):
    """What a loop calls somebody for, besides transports."""

    @property
    def is_readable(self) -> bool: ...


class WatchedSink(Protocol):
    """The same for writing."""

    @property
    def is_writable(self) -> bool: ...


class SimulatedLoop(base_events.BaseEventLoop):
    """asyncio's loop over a `Network` in place of a selector."""

    def __init__(self, network: Network, flavour: Flavour, services: dict[int, ListeningSocket]) -> None:
        super().__init__()
        self.network = network
        self.flavour = flavour
        self.services = services  # by port
        self.by_address: dict[Any, ListeningSocket] = {}  # those that have one of their own
        self.transports: list[SimulatedTransport] = []
        self.changed: dict[SimulatedTransport, None] = {}  # of which something may be ready: a set in order
        self.queued_writes: list[SimulatedTransport] = []
        self._transports_made = 0
        self._turns_left = _MOST_TURNS
        self._readers: dict[Watched, tuple[Callable[..., None], tuple[Any, ...]]] = {}
        self._writers: dict[WatchedSink, tuple[Callable[..., None], tuple[Any, ...]]] = {}
        self._selector: Any = self
        self._thread_id: int | None = None

    def close(self) -> None:
        super().close()
        self._selector = None  # else it would refer to itself, and stay in memory until a collection

    # -- time ----------------------------------------------------------------------------------------------------

    def next_number(self) -> int:
        """Of the next transport."""
        self._transports_made += 1
        return self._transports_made

    def time(self) -> float:
        return self.network.now

    def select(self, timeout: float | None) -> list[Any]:
        """What a selector does: wait for sockets, `timeout` seconds at most. Here, waiting is what moves the clock."""
        network, changed = self.network, self.changed
        if timeout is not None and timeout <= 0:
            if not network.calm and network.rng.random() < 0.3:  # time passes while a program computes
                network.advance(network.now + network.rng.random() * 0.003)
            else:
                network.advance(network.now)
            return self._ready_sockets()
        limit = _NEVER if timeout is None else network.now + timeout
        readers, writers = self._readers, self._writers
        while True:
            if changed or any(e.is_readable for e in readers) or (writers and any(e.is_writable for e in writers)):
                ready = self._ready_sockets()
                if ready:
                    return ready
            if self._ready:  # type: ignore[attr-defined]
                return []
            next_at = network.next_at
            if next_at > limit or next_at == _NEVER:
                if limit == _NEVER:
                    raise Stuck
                network.advance(limit)
                return []
            network.advance(next_at)

    def _ready_sockets(self) -> list[Callable[[], None]]:
        ready: list[Callable[[], None]] = []
        for source, (callback, args) in self._readers.items():
            if source.is_readable:
                ready.append(partial(self._call_reader, source, callback, args))
        for sink, (callback, args) in self._writers.items():
            if sink.is_writable:
                ready.append(partial(self._call_writer, sink, callback, args))
        if self.changed:
            for transport in list(self.changed):
                if not transport.add_ready(ready):
                    del self.changed[transport]
        self.network.rng.shuffle(ready)
        return ready

    def _run_once(self) -> None:
        """A turn, in asyncio's order: sockets, timers, and what was to be called soon when that began."""
        scheduled: list[Any] = self._scheduled  # type: ignore[attr-defined]
        to_call: deque[Any] = self._ready  # type: ignore[attr-defined]
        while scheduled and scheduled[0]._cancelled:
            heapq.heappop(scheduled)._scheduled = False
        timeout = None
        if to_call or self._stopping:  # type: ignore[attr-defined]
            timeout = 0.0
        elif scheduled:
            timeout = max(0.0, scheduled[0]._when - self.network.now)
        for callback in self.select(timeout):
            to_call.append(Call(self, callback, (), None))
        ends_at = self.network.now + self._clock_resolution  # type: ignore[attr-defined]
        while scheduled and scheduled[0]._when < ends_at:
            timer = heapq.heappop(scheduled)
            timer._scheduled = False
            to_call.append(timer)
        for _ in range(len(to_call)):
            call = to_call.popleft()
            if not call._cancelled:
                call._run()
        while self.queued_writes:  # uvloop: at the end of a turn
            self.queued_writes.pop(0).flush()
        self._turns_left -= 1
        if not self._turns_left:
            raise Endless

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., Any], *args: Any, context: contextvars.Context | None = None
    ) -> Call:
        call = Call(self, callback, args, contextvars.copy_context() if context is None else context)
        self._ready.append(call)  # type: ignore[attr-defined]
        return call

    def _write_to_self(self) -> None:
        pass

    # -- sockets -------------------------------------------------------------------------------------------------

    def add_reader(self, fd: Any, callback: Callable[..., Any], *args: Any) -> None:  # type: ignore[override]
        self._readers[fd] = (callback, args)

    def remove_reader(self, fd: Any) -> bool:
        return self._readers.pop(fd, None) is not None

    def add_writer(self, fd: Any, callback: Callable[..., Any], *args: Any) -> None:  # type: ignore[override]
        self._writers[fd] = (callback, args)

    def remove_writer(self, fd: Any) -> bool:
        return self._writers.pop(fd, None) is not None

    def _call_reader(self, source: Watched, callback: Callable[..., None], args: tuple[Any, ...]) -> None:
        if source in self._readers:  # removed by what was called before it in this turn
            callback(*args)

    def _call_writer(self, sink: WatchedSink, callback: Callable[..., None], args: tuple[Any, ...]) -> None:
        if sink in self._writers:
            callback(*args)

    async def connect_accepted_socket(self, protocol_factory: Any, sock: Any, **_: Any) -> Any:
        return await self._start(protocol_factory, cast("ClientSocket", sock).endpoint, server=True)

    async def create_connection(self, protocol_factory: Any, host: Any = None, port: Any = None, **_: Any) -> Any:
        network, service = self.network, self.by_address.get(host) or self.services[port]
        connected: asyncio.Future[None] = self.create_future()
        choice = network.rng.random()
        if choice < 0.01:
            await connected  # a black hole: only the caller's deadline ends this
        network.soon(lambda: None if connected.done() else connected.set_result(None), network.rng)
        await connected
        if choice < 0.02:
            raise ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
        return await self._start(
            protocol_factory, service.connect(f"proxy to {service.name}#{service.next_number}"), server=False
        )

    async def create_unix_connection(self, protocol_factory: Any, path: Any = None, **_: Any) -> Any:
        return await self.create_connection(protocol_factory, path, None)

    async def _start(self, protocol_factory: Any, endpoint: Endpoint, *, server: bool) -> Any:
        protocol = protocol_factory()
        transport = SimulatedTransport(self, endpoint, protocol, server=server)
        self.transports.append(transport)
        begun: asyncio.Future[None] = self.create_future()
        self.call_soon(protocol.connection_made, transport, context=contextvars.copy_context())
        self.call_soon(transport.begin)
        self.call_soon(lambda: None if begun.done() else begun.set_result(None))
        try:
            await begun
        except BaseException:
            transport.close()
            raise
        return transport, protocol
