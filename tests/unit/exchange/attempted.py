"""One request and its attempts, on streams whose transports only note what they are told, without a socket."""

import asyncio
from typing import Any, cast

from proxy.downstream.connection import ClientConnection
from proxy.errors import ConnectFailed, ProxyError
from proxy.exchange.attempts import Attempts
from proxy.exchange.context import WorkerContext
from proxy.exchange.upload import RequestBody
from proxy.http1.limits import MessageLimits
from proxy.http1.message import NO_BODY
from proxy.policy.forwarded import ClientIdentity
from proxy.policy.plan_settings import PlanSettings
from proxy.policy.plans import Forward
from proxy.policy.request_plan import plan
from proxy.policy.retry import RetrySettings
from proxy.policy.route import Route
from proxy.policy.routing import RoutingTable
from proxy.policy.settings import Limits, PoolSettings, Timeouts
from proxy.telemetry.events import Sink
from proxy.telemetry.record import ExchangeRecord
from proxy.transport.deadlines import Deadlines
from proxy.transport.fiber import Fiber
from proxy.transport.stream import Stream
from proxy.upstream.balancing.round_robin import RoundRobin
from proxy.upstream.connection import UpstreamConnection
from proxy.upstream.connector import Connector
from proxy.upstream.origin import Candidate, Origin
from proxy.upstream.pool import Pool
from proxy.upstream.service import Service
from tests.harness.notation import request
from tests.unit.transport.noting import noting_stream, transport_of

A, B = Origin("a", 80), Origin("b", 80)
GET, POST = "GET / HTTP/1.1|Host: h", "POST / HTTP/1.1|Host: h|Content-Length: 4"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
SETTINGS = PlanSettings(pseudonym=b"me", upgrades={b"websocket": b"websocket"})
EVERYTHING = RetrySettings(attempts=3, on=frozenset({"connect_failure", "reset", "response_timeout", "503"}))


class Told:
    """Stands where health checks stand."""

    def __init__(self) -> None:
        self.ends: list[tuple[Origin, int, type[ProxyError] | None]] = []

    def trial_began(self, _: Origin) -> None: ...

    def knows(self, _: Origin) -> bool:
        return True

    def attempt_ended(self, origin: Origin, status: int, error: ProxyError | None) -> None:
        self.ends.append((origin, status, type(error) if error is not None else None))


class Attempted:
    """One request on its way, and everything that it touches. `result` is what came of it, once something has."""

    def __init__(
        self, notation: str = GET, *, body: bytes = b"", retries: RetrySettings = EVERYTHING, refuse: int = 0
    ) -> None:
        loop = asyncio.get_running_loop()
        self.streams: list[Stream] = []
        self._refuse = refuse
        self.pool = Pool(
            PoolSettings(), MessageLimits(), Deadlines(loop), cast("Connector", self),
            idle_s=55.0, fast_path=True, most_connections=1000,
        )  # fmt: skip
        self.service = Service("s", [Candidate(A), Candidate(B)], RoundRobin(), retries)
        self.told = self.service.health = Told()
        self.service.reported_statuses = range(600)
        self.client = ClientConnection(
            noting_stream(),
            ClientIdentity(b"9.9.9.9"),
            "9.9.9.9",
            Timeouts(),
            Limits(),
            Deadlines(loop),
            fast_path=True,
        )
        unused: Any = None
        context = WorkerContext(
            loop=loop, pool=self.pool, routes=RoutingTable([Route("r", "s")]), services={}, timeouts=Timeouts(),
            limits=Limits(), replay_bytes=1000, settings=SETTINGS, trusted=(), next_request_id=unused,
            http_date=unused, events=Sink(), passwords=unused, report_defect=unused, warn_x_forwarded_dropped=unused,
        )  # fmt: skip
        head = request(notation)
        decided = plan(head, self.client.identity, context.routes, SETTINGS, b"id")
        assert isinstance(decided, Forward)
        self.forward = decided
        self.record = ExchangeRecord("9.9.9.9", 0.0)
        upload = None
        if decided.framing is not NO_BODY:
            if body:
                self.client.reader.receive(body)
            upload = RequestBody(self.client, decided.framing, Limits())
        self.attempts = Attempts(context, self.service, self.client, head, self.record, request_body=upload)
        self.result: Any = None
        self._fiber = Fiber(self._run())

    async def connect(self, _: Origin, __: float | None = None) -> Stream:
        """Stands where the connector stands."""
        if self._refuse:
            self._refuse -= 1
            raise ConnectFailed("refused")
        self.streams.append(noting_stream())
        return self.streams[-1]

    async def _run(self) -> None:
        try:
            self.result = await self.attempts.respond(b"HEAD", self.forward)
        except ProxyError as error:
            self.result = error
            self.attempts.end(error)

    async def start(self) -> None:
        """Go on until it waits for an upstream."""
        self._fiber.resume()
        await self.turn()

    async def turn(self) -> None:
        """Let connections be opened, and the loop call back."""
        for _ in range(4):
            await asyncio.sleep(0)

    def sent(self, number: int = -1) -> bytes:
        """What has been written to an upstream connection."""
        return transport_of(self.streams[number]).written

    @property
    def status(self) -> int:
        """Of the final response."""
        return int(self.result.status)

    def idle(self, origin: Origin) -> Stream:
        """Put an idle connection to an origin into the pool; its stream."""
        stream = noting_stream()
        connection = UpstreamConnection(origin, stream, MessageLimits(), 0.0, fast_path=True)
        self.pool._idle.put(origin, connection, 0.0, float("inf"))
        self.streams.append(stream)
        return stream
