"""A request's attempts by themselves: on streams whose transports only note what they are told, without a socket."""

import asyncio
from typing import Any, cast

import pytest

from proxy.downstream.connection import ClientConnection
from proxy.errors import ClientGone, ConnectFailed, ProxyError, UpgradeRefused, UpstreamClosed
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


async def test_a_request_is_sent_and_its_response_returned() -> None:
    attempted = Attempted()
    await attempted.start()
    assert attempted.sent() == b"HEAD"
    attempted.streams[0].data_received(OK)
    assert attempted.status == 200
    assert (attempted.record.attempts, attempted.record.reused, attempted.record.origin) == (1, False, "a:80")
    attempted.attempts.end()
    attempted.attempts.end()
    assert attempted.told.ends == [(A, 200, None)], "once"


async def test_an_idle_connection_is_used_without_a_turn_of_the_loop() -> None:
    attempted = Attempted()
    attempted.idle(A)
    attempted._fiber.resume()
    assert attempted.sent() == b"HEAD"
    assert attempted.record.reused
    attempted.streams[0].data_received(OK)
    assert attempted.status == 200


async def test_a_body_that_has_arrived_goes_with_its_head() -> None:
    attempted = Attempted(POST, body=b"body")
    await attempted.start()
    assert attempted.sent() == b"HEADbody"
    assert attempted.attempts.request_sent
    attempted.streams[0].data_received(OK)
    assert attempted.status == 200


async def test_a_refused_request_goes_to_the_next_origin_whatever_its_method() -> None:
    attempted = Attempted(POST, body=b"body", refuse=1)
    await attempted.start()
    attempted.streams[0].data_received(OK)
    assert attempted.told.ends == [(A, 0, ConnectFailed)]
    assert (attempted.record.attempts, attempted.record.origin) == (2, "b:80")


async def test_where_all_refuse_the_last_failure_is_told_and_none_is_tried_twice() -> None:
    attempted = Attempted(refuse=9)
    await attempted.start()
    assert isinstance(attempted.result, ConnectFailed)
    assert attempted.told.ends == [(A, 0, ConnectFailed), (B, 0, ConnectFailed)]


async def test_a_connection_that_closed_while_it_was_idle_costs_no_attempt() -> None:
    attempted = Attempted(retries=RetrySettings(attempts=1))
    attempted.idle(A).eof_received()  # which nobody has noticed yet
    await attempted.start()
    assert len(attempted.streams) == 2
    attempted.streams[1].data_received(OK)
    assert attempted.status == 200
    attempted.attempts.end()
    assert attempted.told.ends == [(A, 200, None)]


async def test_only_once_though() -> None:
    attempted = Attempted(retries=RetrySettings(attempts=1))
    attempted.idle(A).eof_received()
    await attempted.start()
    attempted.streams[1].eof_received()
    assert isinstance(attempted.result, UpstreamClosed)
    assert attempted.told.ends == [(A, 0, UpstreamClosed)]


async def test_a_503_is_read_as_far_as_it_came_and_the_next_origin_asked() -> None:
    attempted = Attempted()
    await attempted.start()
    attempted.streams[0].data_received(b"HTTP/1.1 503 No\r\nContent-Length: 2\r\n\r\nno")
    await attempted.turn()
    assert (len(attempted.pool), attempted.sent(1)) == (1, b"HEAD")
    attempted.streams[1].data_received(b"HTTP/1.1 503 No\r\nContent-Length: 9\r\n\r\n")
    await attempted.turn()
    assert "abort" in transport_of(attempted.streams[1]).told
    attempted.streams[0].data_received(OK)  # the idle one again: attempts are three
    assert attempted.status == 200
    attempted.attempts.end()
    assert attempted.told.ends == [(A, 503, None), (B, 503, None), (A, 200, None)]


async def test_the_last_attempts_503_is_returned() -> None:
    attempted = Attempted(retries=RetrySettings(attempts=1, on=frozenset({"503"})))
    await attempted.start()
    attempted.streams[0].data_received(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n")
    assert attempted.status == 503


@pytest.mark.parametrize(
    ("notation", "body", "again"), [(GET, b"", True), (POST, b"body", False), (POST, b"bo", False)]
)
async def test_a_reset_is_followed_by_another_attempt_only_where_that_is_safe(
    notation: str, body: bytes, again: bool
) -> None:
    attempted = Attempted(notation, body=body)
    await attempted.start()
    attempted.streams[0].connection_lost(ConnectionResetError())
    await attempted.turn()
    assert len(attempted.streams) == (2 if again else 1)
    if not again:
        assert isinstance(attempted.result, UpstreamClosed)
        return
    attempted.streams[1].data_received(OK)
    assert attempted.status == 200


async def test_interim_responses_go_to_the_client_as_they_come() -> None:
    attempted = Attempted()
    await attempted.start()
    attempted.streams[0].data_received(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
    assert b"103 Early Hints" in transport_of(attempted.client.stream).written
    assert attempted.result is None
    attempted.streams[0].data_received(OK)
    assert attempted.status == 200


async def test_a_101_that_nobody_asked_for_is_refused() -> None:
    attempted = Attempted()
    await attempted.start()
    attempted.streams[0].data_received(b"HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
    assert isinstance(attempted.result, UpgradeRefused)
    assert "abort" in transport_of(attempted.streams[0]).told


async def test_who_is_abandoned_while_it_connects_leaves_nothing_behind() -> None:
    attempted = Attempted()
    attempted._fiber.resume()
    attempted.attempts.abandon(ClientGone("left"))
    assert isinstance(attempted.result, ClientGone)
    await attempted.turn()
    assert all("abort" in transport_of(stream).told for stream in attempted.streams)
    assert attempted.told.ends == [(A, 0, ClientGone)]


async def test_who_is_abandoned_while_it_waits_is_not_sent_again() -> None:
    attempted = Attempted()
    await attempted.start()
    attempted.attempts.abandon(ClientGone("left"))
    attempted.streams[0].connection_lost(None)
    await attempted.turn()
    assert isinstance(attempted.result, UpstreamClosed), "of which the exchange knows the cause"
    assert attempted.attempts.ended_by is not None
    assert len(attempted.streams) == 1


async def test_no_timer_outlives_a_request_that_expected_a_100() -> None:
    attempted = Attempted("POST / HTTP/1.1|Host: h|Content-Length: 4|Expect: 100-continue")
    await attempted.start()
    assert attempted.attempts._upload is not None
    timer = attempted.attempts._upload._patience
    assert timer is not None
    attempted.attempts.end()
    assert timer.cancelled()
