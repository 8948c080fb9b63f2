"""One simulated world: a worker, services behind it, clients in front of it, and one seed that decides everything."""

import asyncio
import random
import ssl
from collections.abc import Callable, Iterator
from typing import Any, cast

from proxy.downstream.arrival import ListenerSettings
from proxy.downstream.connection import ClientConnection
from proxy.downstream.phases import Phase
from proxy.exchange.buckets import Buckets
from proxy.policy.forwarded import networks
from proxy.process.worker import Worker
from proxy.telemetry.events import Sink
from proxy.telemetry.record import ExchangeRecord
from proxy.transport.stream import Stream
from tests.simulation.auth_service import AuthService
from tests.simulation.beneath import NotedErrors, simulated_kernel
from tests.simulation.client import Client, choose_ask
from tests.simulation.control import SimulatedControl, SimulatedLink
from tests.simulation.kernel import Endpoint, Network
from tests.simulation.listening import ListeningSocket
from tests.simulation.loop import ServerSocket, SimulatedLoop
from tests.simulation.names import MovingName, address_of
from tests.simulation.scenario import Reduction, Scenario, path_of
from tests.simulation.secured import server_context
from tests.simulation.service import Service
from tests.simulation.transport import Flavour

_LOOK_S = 0.5  # how often it is asked whether anything is still to come


class InOrder(set[Any]):
    """Streams in the order of their transports: a seed has to repeat its world."""

    def __iter__(self) -> Iterator[Any]:
        return iter(sorted(super().__iter__(), key=_number))


def _number(stream: Any) -> int:
    number: int = stream.transport.number
    return number


class _Contexts:
    """As a listener has them, with one certificate."""

    @property
    def context(self) -> ssl.SSLContext:
        return server_context()


class World:
    """Everything that takes part, and what it has seen."""

    def __init__(
        self,
        seed: int,
        trace: Callable[[str], None] | None = None,
        reduction: Reduction | None = None,
        *,
        notes_states: bool = False,
    ) -> None:
        scenario = self.scenario = Scenario(seed, reduction or Reduction())
        self.seed = seed
        self.rng = scenario.dice("world")
        self.network = Network(
            scenario.dice("network"),
            trace,
            scale=scenario.scale,
            narrow=scenario.has("narrow"),
            calm=scenario.reduction.calm,
        )
        self.records: list[ExchangeRecord] = []
        self.defects: list[str] = []
        self.flavour = self.rng.choice(list(Flavour))
        self.config = scenario.config()
        numbers = [0]
        own_s = self.config.routes["r"].timeouts.client_write_idle_s
        self.write_idle_s = own_s if isinstance(own_s, float) else self.config.timeouts.client_write_idle_s
        self.services = [Service(self.network, f"service{i}", scenario, numbers) for i in range(scenario.services)]
        self.auth = AuthService(self.network, "auth", scenario, numbers)
        self.shadow = Service(self.network, "shadow", scenario, numbers)
        self.front = ListeningSocket(self.network, "proxy")
        self.clients = [self._client(number) for number in scenario.clients]
        self.left_over: list[str] = []
        self.met: set[tuple[str, str, str]] = set()  # a client's phase, its attempt's state, what arrived meanwhile
        self.shuts_down_early = scenario.has("shut down") or scenario.has("shut down in haste")
        self.shut_down_took: dict[str, float] = {}  # by which worker, seconds
        self._workers: list[Worker] = []
        self._names = MovingName(self.network, scenario.services, scenario.dice("names"))
        self._links: dict[int, SimulatedLink] = {}  # by worker
        self._control: SimulatedControl | None = None
        if scenario.has("control process"):
            errors = NotedErrors(level="error")
            errors.noted = self.defects
            self._control = SimulatedControl(
                self.network, self.config, scenario.dice("control"), errors, self._names.lookup
            )
        self._buckets = Buckets(sets=64) if scenario.has("basic auth") or scenario.has("rate limit") else None
        self._notes_states = notes_states
        self._upstream_of: dict[ClientConnection, Stream] = {}  # while it is leased

    def run(self) -> None:
        """Let it happen, from the first connection to the worker's end."""
        everybody = [*self.services, self.auth, self.shadow]
        loop = SimulatedLoop(self.network, self.flavour, {9000 + i: s.listening for i, s in enumerate(everybody)})
        for i, service in enumerate(self.services):
            loop.by_address |= {address_of(i): service.listening, path_of(i): service.listening}
        random.seed(self.seed)  # what draws by chance within the proxy
        with simulated_kernel():
            asyncio.set_event_loop(loop)
            try:
                loop.run_until_complete(self._main(loop))
            finally:
                asyncio.set_event_loop(None)
                loop.close()
                if self._buckets is not None:
                    self._buckets.close()

    async def _main(self, loop: SimulatedLoop) -> None:
        rng, scenario = self.rng, self.scenario
        loop.set_exception_handler(lambda _, context: self.defects.append(repr(context)))
        if self._notes_states:
            self.network.on_event = self._note_state
        worker = await self._new_worker()
        living = loop.create_task(self._control.live()) if self._control is not None else None
        for client in self.clients:
            self.network.at(client.comes_at, client.begin)
        if scenario.has("outages"):
            for service in self.services:
                service.plan_outage()
        moment = rng.choice((0.0, 0.01, 0.3, 2.0, 5.0)) * rng.random()
        waits_for_idle = rng.random() < 0.3
        ending: list[asyncio.Task[None]] = []
        if self.shuts_down_early:
            await asyncio.sleep(moment)
        elif scenario.has("reload"):
            await asyncio.sleep(moment)
            self.network.say("another worker begins, the first one retires")
            newer = await self._new_worker()
            worker.retire()
            ending.append(loop.create_task(self._ends(worker, "the worker that retires")))
            worker = newer
            await self._quiet(waits_for_idle=waits_for_idle)
        else:
            await self._quiet(waits_for_idle=waits_for_idle)
        self.network.say("shut down")
        worker.shut_down()
        await self._ends(worker, "the worker")
        if ending:
            await asyncio.wait(ending, timeout=scenario.patience_s)
        if self._control is not None and living is not None:
            await self._control.close()
            await asyncio.wait([living], timeout=scenario.patience_s)
        until = loop.time() + self.scenario.patience_s
        while list(self._still_there(loop)) and loop.time() < until:  # noqa: ASYNC110  # no event tells of that
            await asyncio.sleep(_LOOK_S)
        self.left_over += self._still_there(loop)

    async def _new_worker(self) -> Worker:
        server = cast("Any", ServerSocket(self.front))
        control, link = self._control, None
        if control is not None:
            link = self._links[len(self._workers)] = control.new_link()
        worker = Worker(
            self.config, [server], "onehop-simulated", sinks=[Sink(ended=self.records.append)], link=cast("Any", link),
            kept=control.kept if control is not None else None, lookup=self._names.lookup, buckets=self._buckets,
        )  # fmt: skip
        cast("NotedErrors", worker.errors).noted = self.defects
        worker.deadlines.streams = InOrder()
        worker.deadlines.most_splices = 3 if self.scenario.has("splices") else 0
        worker.deadlines.spliced_from_bytes = 512 // self.scenario.scale
        settings = ListenerSettings(
            "public",
            proxy_peers=networks(["192.0.2.0/24"]) if self.scenario.has("PROXY header") else (),
            contexts=cast("Any", _Contexts()) if self.scenario.has("TLS to clients") else None,
        )
        worker._listening._by_bound[server.getsockname()] = settings
        self._workers.append(worker)
        await worker.start()
        if control is not None and link is not None:
            control.join(link)
        return worker

    async def _ends(self, worker: Worker, who: str) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        await worker.run_until_shut_down()
        self.shut_down_took[who] = loop.time() - began
        if self._control is not None:
            self._control.leave(self._links[self._workers.index(worker)])

    async def _quiet(self, *, waits_for_idle: bool) -> None:
        """Wait until nobody is served any more: by the time that every deadline has passed, that is a law."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self.scenario.patience_s
        while loop.time() < until:
            await asyncio.sleep(_LOOK_S)
            if any(worker.clients for worker in self._workers) or not all(client.is_over for client in self.clients):
                continue
            if not waits_for_idle or not any(worker.deadlines.streams for worker in self._workers):
                return
        for worker in self._workers:
            self.left_over += [
                f"still served after {self.scenario.patience_s:g} s: {client}" for client in worker.clients
            ]

    def _note_state(self, endpoint: Endpoint, event: str) -> None:
        """In which state of an exchange this was met, on its client's connection or on its upstream's."""
        for worker in self._workers:
            for client in worker.clients:
                lease = getattr(client.exchange, "lease", None)
                if lease is not None and not lease.ended:
                    self._upstream_of[client] = lease.connection.stream
                elif client.phase is not Phase.TUNNEL:  # whose exchange is no longer told of anything
                    self._upstream_of.pop(client, None)
                upstream = self._upstream_of.get(client)
                for side, stream in (("client", client.stream), ("upstream", upstream)):
                    if stream is not None and cast("Any", stream.transport).endpoint is endpoint:
                        state = getattr(client.exchange, "_state", None)
                        self.met.add(
                            (client.phase.name, state.name if state is not None else "", f"{event} from {side}")
                        )

    def _client(self, number: int) -> Client:
        scenario = self.scenario
        rng = scenario.dice(f"client{number}")
        comes_at = rng.random() * scenario.spread_s
        count = rng.choice(scenario.asks)
        asks = [choose_ask(rng, 100 * number + index, scenario, is_last=index == count - 1) for index in range(count)]
        asks = [ask for ask in asks if ask.number not in scenario.reduction.asks]
        leaves = "" if rng.random() < 0.65 else rng.choice(("fin", "close", "reset", "stops reading"))
        return Client(number, self.network, self.front, asks, rng, comes_at, leaves, pipelines=rng.random() < 0.4,
            speaks_tls=scenario.has("TLS to clients"), proxy_header=scenario.has("PROXY header"))  # fmt: skip

    def _still_there(self, loop: SimulatedLoop) -> list[str]:
        """What ought to be gone once all workers have ended."""
        left = [f"has not come, or not ended: {client.name}" for client in self.clients if not client.is_over]
        left += [f"transport: {transport.endpoint}" for transport in loop.transports]
        for worker in self._workers:
            left += [f"client: {client}" for client in worker.clients]
            left += [f"stream: {stream!r}" for stream in worker.deadlines.streams]
            left += [f"idle connections: {len(worker.pool)}"] if len(worker.pool) else []
        tasks = asyncio.all_tasks(loop) - {asyncio.current_task(loop)}
        return left + [f"task: {task}" for task in tasks]
