"""One worker: the composition root. The only place that assembles objects; everything below is handed what it needs."""

import asyncio
import contextlib
import socket
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeAlias

from proxy.config.build import origins, plan_settings, routing_table
from proxy.config.model import Config
from proxy.downstream.connection import ClientConnection
from proxy.errors import LimitReached, ProxyError
from proxy.exchange.context import Observe, WorkerContext
from proxy.exchange.exchange import Exchange
from proxy.exchange.refuse import refuse_unread
from proxy.http1.message import RequestHead
from proxy.http1.parsing.self_test import disagreements, summary
from proxy.policy.forwarded import ClientIdentity, is_trusted, networks, plain_address
from proxy.telemetry.access_log import AccessLog
from proxy.telemetry.error_log import ErrorLog
from proxy.telemetry.events import Sink, join
from proxy.telemetry.ids import HttpDate, RequestIds
from proxy.transport.deadlines import Deadlines
from proxy.transport.fiber import Fiber
from proxy.transport.stream import Stream
from proxy.upstream.balancing.round_robin import RoundRobin
from proxy.upstream.connector import Connector
from proxy.upstream.pool import Pool
from proxy.upstream.resolver import Lookup, Resolver, system_lookup
from proxy.upstream.service import Service

#: Something that runs beside a worker and may change its config: the demo service does both.
Companion: TypeAlias = Callable[[Config], contextlib.AbstractAsyncContextManager[tuple[Config, Observe | None]]]

_BACKLOG = 2048
_STDOUT = 1
_TURNS_OF_TLS = 3  # of the loop, more than plain TCP needs, until an aborted connection's socket is closed
_FAREWELL_S = 0.2  # between the last accept and closing idle connections


class Worker:
    """Serves clients on listening sockets until it is told to drain."""

    def __init__(
        self,
        config: Config,
        sockets: list[socket.socket],
        pseudonym: str,
        *,
        observe: Observe | None = None,
        sinks: Sequence[Sink] = (),
        lookup: Lookup = system_lookup,
    ) -> None:
        self._config = config
        self._sockets = sockets
        self._loop = asyncio.get_running_loop()
        #: What this interpreter reads wrongly: the fast path is not used then.
        self.self_test_failures = disagreements()
        self._fast_path = config.reader == "auto" and not self.self_test_failures
        self._pseudonym = pseudonym.encode("ascii")
        self._trusted = networks(config.trusted_networks)
        self.clients: dict[ClientConnection, Fiber] = {}  # everybody connected, and who serves them
        self._listening: list[tuple[socket.socket, asyncio.Server]] = []
        self._adopted: dict[str, list[tuple[socket.socket, asyncio.Server]]] = {}
        self._stopped_accepting = asyncio.Event()
        self._idle = asyncio.Event()  # once shutting_down: no client is left
        self._shutting_down = False
        self._stopping: asyncio.Task[None] | None = None
        self.errors = ErrorLog()
        self._log: AccessLog | None = None
        if config.access_log != "off":
            self._log = AccessLog(config.access_log, _STDOUT, self._loop, self.errors.warning)
        if self.self_test_failures:
            self.errors.warning(summary(self.self_test_failures))
        self.deadlines = Deadlines(self._loop)
        resolver = Resolver(self._loop, timeout_s=config.timeouts.name_lookup_s, lookup=lookup)
        connector = Connector(self.deadlines, resolver, connect_s=config.timeouts.connect_s)
        self.pool = Pool(
            config.pool,
            config.limits,
            self.deadlines,
            connector,
            idle_s=config.timeouts.upstream_idle_s,
            fast_path=self._fast_path,
        )
        self.services = {
            name: Service(
                name,
                origins(upstream),
                RoundRobin(),
            )
            for name, upstream in config.upstreams.items()
        }
        self._context = WorkerContext(
            loop=self._loop,
            pool=self.pool,
            routes=routing_table(config),
            services=self.services,
            timeouts=config.timeouts,
            limits=config.limits,
            replay_bytes=config.pool.replay_bytes,
            settings=plan_settings(config, self._pseudonym),
            trusted=self._trusted,
            next_request_id=RequestIds(),
            http_date=HttpDate(),
            report_defect=lambda defect, request_id: self.errors.defect(defect, f"request {request_id}"),
            warn_untrusted_claims=self._warn_untrusted_claims,
            events=join([*([self._log.sink] if self._log is not None else []), *sinks]),
            observe=observe,
        )

    async def start(self) -> None:
        """Begin to serve."""
        self.deadlines.start()
        self._listening = await self._listen(self._sockets)

    async def _listen(self, sockets: list[socket.socket]) -> list[tuple[socket.socket, asyncio.Server]]:
        return [
            (listening, await self._loop.create_server(self._new_stream, sock=listening, backlog=_BACKLOG))
            for listening in sockets
        ]

    async def adopt(self, whose: str, sockets: list[socket.socket]) -> None:
        """Accept on the sockets of a worker that is not there, until `give_back`."""
        if self._shutting_down:
            for listening in sockets:
                listening.close()
        else:
            self._adopted[whose] = await self._listen(sockets)

    def give_back(self, whose: str) -> None:
        """Accept no more on sockets that were adopted: their own worker is there again."""
        for _, server in self._adopted.pop(whose, ()):
            server.close()

    async def run_until_shut_down(self) -> None:
        """Serve until `shut_down` was called and every exchange under way has ended, or `drain_s` has passed."""
        await self._stopped_accepting.wait()
        if self.clients:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._config.timeouts.drain_s):
                    await self._idle.wait()
            for late in list(self.clients.values()):
                late.cancel()
        self.pool.shut_down()
        self.deadlines.stop()
        for stream in list(self.deadlines.streams):
            stream.reset()
        await asyncio.sleep(0)  # lets the loop carry out the aborts
        for _ in range(_TURNS_OF_TLS):
            if self.deadlines.streams:
                await asyncio.sleep(0)
        if self._log is not None:
            self._log.close(patience_s=2.0)

    def shut_down(self) -> None:
        """Stop accepting, finish what is under way, close what is idle."""
        if self._shutting_down:
            return
        self._shutting_down = True
        for client in self.clients:
            client.shutting_down = True  # from here on, every answer says close
        self._stopping = self._loop.create_task(self._stop_accepting())

    async def _stop_accepting(self) -> None:
        """Close the listening sockets. What the kernel has accepted is served: closing would reset it."""
        listeners = [*self._listening, *(one for adopted in self._adopted.values() for one in adopted)]
        last_looks: list[socket.socket] = []
        with contextlib.suppress(OSError):  # out of descriptors: then nobody more can be served
            last_looks += [listening.dup() for listening, _ in listeners]
        for _, server in listeners:
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
        return Stream(self.deadlines, self._accept)

    def _accept(self, stream: Stream) -> None:
        peer = stream.transport.get_extra_info("peername")
        if not isinstance(peer, tuple):
            stream.abort()  # gone again: whatever it has sent, nobody is there to say who asked for it
            return
        address = plain_address(peer[0])
        trusted = bool(self._trusted) and is_trusted(address, self._trusted)
        identity = ClientIdentity(address.encode("ascii"), trusted)
        client = ClientConnection(
            stream, identity, address, self._config.timeouts, self._config.limits, self.deadlines,
            fast_path=self._fast_path, half_close=self._config.client_half_close,
        )  # fmt: skip
        client.shutting_down = self._shutting_down
        full = len(self.clients) >= self._config.limits.connections
        serve = self._refuse(client) if full else client.serve(self._run_exchange, self._refuse_unread)
        fiber = Fiber(serve, lambda exc: self._ended(client, exc))
        self.clients[client] = fiber
        fiber.resume()

    def _ended(self, client: ClientConnection, exc: BaseException | None) -> None:
        del self.clients[client]
        self.pool.bound.release(client)
        if self._shutting_down and not self.clients:
            self._idle.set()
        if exc is not None and not isinstance(exc, asyncio.CancelledError):
            self.errors.defect(exc, "a connection")

    def _warn_untrusted_claims(self, peer: str) -> None:
        """Say it to those who have put a gateway in front, and wonder where its word went."""
        self.errors.warn_once_a_minute(
            "untrusted claims",
            lambda: (
                f"X-Forwarded-* from {peer} was dropped, because it is in none of trusted_networks; "
                f'if that is a gateway of yours: trusted_networks = ["{peer}/{128 if ":" in peer else 32}"]'
            ),
        )

    def report_loop_defect(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Take what a callback of the loop raised and nobody caught."""
        defect = context.get("exception")
        if isinstance(defect, BaseException):
            self.errors.defect(defect, f"the event loop ({context['message']})")
        else:
            self.errors.error(f"the event loop: {context['message']}")

    def _run_exchange(self, client: ClientConnection, head: RequestHead, started: float) -> Awaitable[bool]:
        return Exchange(self._context, client, head, started).run()

    async def _refuse_unread(self, client: ClientConnection, error: ProxyError, started: float) -> None:
        await refuse_unread(self._context, client, error, started)

    async def _refuse(self, client: ClientConnection) -> None:
        await self._refuse_unread(client, LimitReached("too many connections"), time.monotonic())
        await client.end()
