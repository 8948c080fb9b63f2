"""An event loop whose clock is virtual and whose sockets are simulated. What asyncio does above that is asyncio's own."""

import asyncio
import contextvars
import errno
import os
from asyncio import base_events
from collections.abc import Callable
from typing import Any, cast

from tests.simulation.kernel import Endpoint, ListeningSocket, Network
from tests.simulation.transport import Flavour, SimulatedTransport


class Stuck(Exception):
    """Nothing is under way, nothing is due, and the program has not ended: it waits for ever."""


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


class SimulatedLoop(base_events.BaseEventLoop):
    """asyncio's loop over a `Network` in place of a selector."""

    def __init__(self, network: Network, flavour: Flavour, services: dict[int, ListeningSocket]) -> None:
        super().__init__()
        self.network = network
        self.flavour = flavour
        self.services = services  # by port
        self.transports: list[SimulatedTransport] = []
        self.changed: dict[SimulatedTransport, None] = {}  # of which something may be ready: a set in order
        self.queued_writes: list[SimulatedTransport] = []
        self._readers: dict[ServerSocket, tuple[Callable[..., None], tuple[Any, ...]]] = {}
        self._selector = self
        self._thread_id = None

    # -- time ----------------------------------------------------------------------------------------------------

    def time(self) -> float:
        return self.network.now

    def select(self, timeout: float | None) -> list[Any]:
        """What a selector does: wait for sockets, `timeout` seconds at most. Here, waiting is what moves the clock."""
        network = self.network
        if timeout is not None and timeout <= 0:
            if not network.calm and network.rng.random() < 0.3:  # time passes while a program computes
                network.advance(network.now + network.rng.random() * 0.003)
            else:
                network.advance(network.now)
            return self._ready_sockets()
        limit = float("inf") if timeout is None else network.now + timeout
        while True:
            ready = self._ready_sockets()
            if ready or self._ready:  # type: ignore[attr-defined]
                return ready
            if network.next_at > limit or network.next_at == float("inf"):
                if limit == float("inf"):
                    raise Stuck
                network.advance(limit)
                return []
            network.advance(network.next_at)

    def _ready_sockets(self) -> list[Callable[[], None]]:
        ready: list[Callable[[], None]] = []
        for listening, (callback, args) in self._readers.items():
            if listening.listening.queue:
                ready.append(lambda callback=callback, args=args: callback(*args))  # type: ignore[misc]
        for transport in list(self.changed):
            if here := transport.ready():
                ready += here
            else:
                del self.changed[transport]
        self.network.rng.shuffle(ready)
        return ready

    def _process_events(self, event_list: list[Any]) -> None:
        for callback in event_list:
            self.call_soon(callback)

    def _run_once(self) -> None:
        super()._run_once()  # type: ignore[misc]
        while self.queued_writes:  # uvloop: at the end of a turn
            self.queued_writes.pop(0).flush()

    def _write_to_self(self) -> None:
        pass

    # -- sockets -------------------------------------------------------------------------------------------------

    def add_reader(self, fd: Any, callback: Callable[..., Any], *args: Any) -> None:  # type: ignore[override]
        self._readers[fd] = (callback, args)

    def remove_reader(self, fd: Any) -> bool:
        return self._readers.pop(fd, None) is not None

    async def connect_accepted_socket(self, protocol_factory: Any, sock: Any, **_: Any) -> Any:
        return await self._start(protocol_factory, cast("ClientSocket", sock).endpoint, server=True)

    async def create_connection(self, protocol_factory: Any, host: Any = None, port: Any = None, **_: Any) -> Any:
        network, service = self.network, self.services[port]
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
