"""One simulated world: a worker, services behind it, clients in front of it, and one seed that decides everything."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from typing import Any, cast
from unittest import mock

from proxy.config.model import Config
from proxy.config.route_model import RouteConfig
from proxy.config.upstream_model import UpstreamConfig
from proxy.downstream import acceptor, listener
from proxy.policy.settings import Limits, PoolSettings, Timeouts
from proxy.process.worker import Worker
from proxy.telemetry.events import Sink
from proxy.telemetry.record import ExchangeRecord
from proxy.transport import sockets
from proxy.transport.sockets import PeerEnd
from tests.simulation.client import Client, choose_ask
from tests.simulation.kernel import ListeningSocket, Network
from tests.simulation.loop import ServerSocket, SimulatedLoop
from tests.simulation.service import Service
from tests.simulation.transport import Flavour, KernelView

TIMEOUTS = Timeouts(
    request_head_s=8.0,
    request_body_idle_s=8.0,
    connect_s=2.0,
    response_head_s=8.0,
    response_body_idle_s=8.0,
    client_write_idle_s=8.0,
    client_idle_s=10.0,
    upstream_idle_s=6.0,
    tunnel_idle_s=9.0,
    tunnel_half_closed_s=9.0,
    drain_s=60.0,
    linger_s=1.0,
    linger_total_s=20.0,
    worker_stall_s=0.0,
)
#: Longer than every deadline of an exchange together: whoever waits longer waits for ever.
PATIENCE_S = 90.0


class World:
    """Everything that takes part, and what it has seen."""

    def __init__(self, seed: int, trace: Callable[[str], None] | None = None) -> None:
        self.seed = seed
        self.rng = Random(seed)
        self.network = Network(self.rng, trace)
        self.records: list[ExchangeRecord] = []
        self.defects: list[str] = []
        self.flavour = self.rng.choice(list(Flavour))
        numbers = [0]
        self.services = [
            Service(self.network, f"service{i}", self.rng, numbers) for i in range(self.rng.choice((1, 1, 2)))
        ]
        self.front = ListeningSocket(self.network, "proxy")
        self.clients: list[Client] = []
        self.left_over: list[str] = []
        self.met: set[tuple[str, str, str]] = set()  # a client's phase, its attempt's state, what arrived meanwhile
        self.shut_down_early = self.rng.random() < 0.15
        self.shut_down_took = 0.0
        self._asked = 0
        self._bodies = self.rng.random()  # how many requests have one

    def run(self) -> None:
        """Let it happen, from the first connection to the worker's end."""
        loop = SimulatedLoop(self.network, self.flavour, {9000 + i: s.listening for i, s in enumerate(self.services)})
        with _kernel_of_the_simulation():
            asyncio.set_event_loop(loop)
            try:
                loop.run_until_complete(self._main(loop))
            finally:
                asyncio.set_event_loop(None)
                loop._selector = None  # type: ignore[assignment]
                loop.close()

    async def _main(self, loop: SimulatedLoop) -> None:
        rng = self.rng
        loop.set_exception_handler(lambda _, context: self.defects.append(repr(context)))
        config = Config(
            access_log="off",
            workers=1,
            reader="auto" if rng.random() < 0.8 else "h11",
            client_half_close=rng.random() < 0.3,
            timeouts=TIMEOUTS,
            limits=Limits(),
            pool=PoolSettings(),
            upstreams={"s": UpstreamConfig(urls=[f"http://192.0.2.2:{9000 + i}" for i in range(len(self.services))])},
            routes={"r": RouteConfig(upstream="s")},
        )
        self.half_close = config.client_half_close
        server = cast("Any", ServerSocket(self.front))
        worker = Worker(config, [server], "onehop-simulated", sinks=[Sink(ended=self.records.append)])
        worker.errors.defect = self._note_defect  # type: ignore[method-assign]
        quiet = mock.Mock()  # a world is full of faults, and each would have its line
        worker.errors.warning = worker.errors.info = quiet  # type: ignore[method-assign]
        self.network.on_event = lambda event: self._note_state(worker, event)
        await worker.start()
        peers = [peer for _ in range(rng.choice((1, 1, 2, 3))) for peer in self._client().start(self.network)]
        if self.shut_down_early:
            await asyncio.sleep(rng.choice((0.0, 0.01, 0.3, 2.0)) * rng.random())
            began = loop.time()
            worker.shut_down()
            await worker.run_until_shut_down()
            self.shut_down_took = loop.time() - began
        else:
            await asyncio.sleep(PATIENCE_S)
            self._look_for_waiting(worker)
            worker.shut_down()
            await worker.run_until_shut_down()
        await asyncio.sleep(PATIENCE_S)
        del peers
        self._look_for_left_overs(worker, loop)

    def _note_state(self, worker: Worker, event: str) -> None:
        """In which states of which exchanges this was met."""
        for client in worker.clients:
            attempt = getattr(client.exchange, "_state", None)
            self.met.add((client.phase.name, attempt.name if attempt is not None else "", event))

    def _note_defect(self, defect: BaseException, where: str) -> None:
        self.defects.append(f"{where}: {defect!r}")

    def _client(self) -> Client:
        rng = self.rng
        asks = []
        count = rng.choice((1, 1, 2, 3))
        for index in range(count):
            self._asked += 1
            asks.append(choose_ask(rng, self._asked, self._bodies, is_last=index == count - 1))
        leaves = "" if rng.random() < 0.65 else rng.choice(("fin", "close", "reset", "stops reading"))
        endpoint = self.front.connect(f"client{len(self.clients) + 1}")
        client = Client(endpoint, asks, rng, leaves, pipelines=rng.random() < 0.4)
        self.clients.append(client)
        return client

    def _look_for_waiting(self, worker: Worker) -> None:
        """By now every deadline has passed: nobody is served any more."""
        self.left_over += [f"still served after {PATIENCE_S:g} s: {client}" for client in worker.clients]

    def _look_for_left_overs(self, worker: Worker, loop: SimulatedLoop) -> None:
        self.left_over += [f"client: {client}" for client in worker.clients]
        self.left_over += [f"stream: {stream!r}" for stream in worker.deadlines.streams]
        self.left_over += [f"transport: {transport.endpoint}" for transport in loop.transports]
        self.left_over += [f"idle connections: {len(worker.pool)}"] if len(worker.pool) else []
        tasks = asyncio.all_tasks(loop) - {asyncio.current_task(loop)}
        self.left_over += [f"task: {task}" for task in tasks]


@contextmanager
def _kernel_of_the_simulation() -> Iterator[None]:
    """Where the proxy asks the kernel, the simulated one answers."""
    with (
        mock.patch.object(sockets, "untaken_bytes", _untaken_bytes),
        mock.patch.object(sockets, "reset_on_close", _reset_on_close),
        mock.patch.object(sockets, "peer_end", _peer_end),
        mock.patch("proxy.transport.stream.LastWords", _LastWords),
        mock.patch.object(acceptor, "has_waiting", _has_waiting),
        mock.patch.object(listener, "has_waiting", _has_waiting),
    ):
        yield


def _untaken_bytes(raw: KernelView) -> int:
    endpoint = raw.endpoint
    return 0 if endpoint.is_closed else endpoint.unsent_at_reset if endpoint.is_dead else len(endpoint.unsent)


def _reset_on_close(raw: KernelView) -> None:
    raw.endpoint.linger_zero = True


def _peer_end(raw: KernelView) -> PeerEnd | None:
    endpoint = raw.endpoint
    if endpoint.is_closed or endpoint.is_dead or (endpoint.fin_received and endpoint.fin_sent):
        return PeerEnd.RESET
    return PeerEnd.FIN if endpoint.fin_received else None


def _has_waiting(listening: ServerSocket) -> bool:
    return bool(listening.listening.queue)


class _LastWords(sockets.LastWords):
    """The same over a simulated endpoint: the second descriptor is the endpoint's queue itself."""

    def __init__(self, raw: KernelView, error: OSError) -> None:  # the base class asks the real kernel
        self._endpoint = raw.endpoint
        self.first = b""
        self.ended_cleanly = False
        self._proper_end = error.errno == 32
        self._rest = b""
        self.first = self._read_up_to(65_536, -1)
        if len(self.first) >= 65_536:
            self._rest = bytes(self._endpoint.received)

    @property
    def has_more(self) -> bool:
        return bool(self._rest)

    def next(self) -> bytes:
        piece, self._rest = self._rest[:65_536], self._rest[65_536:]
        if not piece:
            self.ended_cleanly = self._proper_end
        return piece

    def drop(self) -> None:
        self._rest = b""

    def _read(self, descriptor: int) -> bytes:
        try:
            piece = self._endpoint.recv(65_536)
        except OSError:
            return b""
        if not piece:
            self.ended_cleanly = self._proper_end
        return piece
