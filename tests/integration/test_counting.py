"""What a worker counts of its exchanges, in the memory that another process reads."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from proxy.telemetry import series
from proxy.telemetry.counters import Ledger
from proxy.telemetry.series import DIRECTIONS, STRIPPED, Kind, Names
from tests.harness.running_proxy import RunningProxy, running_proxy
from tests.harness.scripted import OK, PATIENCE_S, Peer, Script, ScriptedUpstream, answering, client

GET = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
UPGRADE = b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\n" + UPGRADE + b"\r\n"


class Counted:
    """A worker and what it has counted."""

    def __init__(self, ledger: Ledger, proxy: RunningProxy, origin: str) -> None:
        self.ledger, self.proxy, self.origin = ledger, proxy, ("default", origin)

    def requests(self, route: str, method: bytes, status: int) -> int:
        return self.ledger.counted().of(Kind.ROUTE, (route,))[series.request_place(method, status)]

    def all_requests(self) -> int:
        return sum(seat.ended() for seat in self.ledger.seats.values())

    def durations(self, route: str = "default") -> int:
        return sum(self.ledger.counted().of(Kind.ROUTE, (route,))[series.BUCKETS_START : series.BUCKETS_END])

    def attempts(self, status: int, *, reused: bool) -> int:
        return self.ledger.counted().of(Kind.ORIGIN, self.origin)[series.attempt_place(status, reused=reused)]

    def instance(self, place: int) -> int:
        return self.ledger.counted().of(Kind.INSTANCE)[place]

    def stripped(self) -> dict[tuple[str, str], int]:
        counts = {
            (direction, reason): self.instance(series.stripped_place(place, number))
            for place, direction in enumerate(DIRECTIONS)
            for number, reason in enumerate(STRIPPED)
        }
        return {labels: count for labels, count in counts.items() if count}

    def gauge(self, place: int) -> float:
        gauges = self.ledger.seats[0].gauges()
        assert gauges is not None
        return gauges[place]

    def connections(self) -> tuple[float, float]:
        gauges = self.ledger.seats[0].gauges(Kind.ORIGIN, self.origin)
        assert gauges is not None
        return gauges[series.IDLE], gauges[series.ACTIVE]


@asynccontextmanager
async def counting(*scripts: Script, others: tuple[int, ...] = ()) -> AsyncIterator[Counted]:
    upstream = ScriptedUpstream(*scripts)
    async with upstream.serving():
        ports = [*others, upstream.port]
        ledger = Ledger()
        ledger.extend(Names(["default"], [("default", f"127.0.0.1:{port}") for port in ports]))
        async with running_proxy(*ports, counts=ledger.seat(0)) as proxy:
            yield Counted(ledger, proxy, f"127.0.0.1:{upstream.port}")


async def becomes(condition: Callable[[], bool]) -> None:
    """Wait for what memory will show: nobody tells when it changes."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            if condition():
                return
            await asyncio.sleep(0.01)


async def exchange(counted: Counted, *requests: bytes) -> None:
    async with client(counted.proxy.port) as peer:
        for request in requests:
            await peer.send(request)
            await peer.response()
    await counted.proxy.records.wait_for(len(requests))


async def test_requests_are_counted_by_route_method_and_status_with_their_bytes_and_times() -> None:
    post = b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"
    brew = b"BREW /a HTTP/1.1\r\nHost: h\r\n\r\n"
    odd = b"HTTP/1.1 299 Fine\r\nContent-Length: 2\r\n\r\nok"
    async with counting(answering(OK, OK, OK, odd)) as counted:
        await exchange(counted, GET, post, brew, GET)
        assert counted.requests("default", b"GET", 200) == 1
        assert counted.requests("default", b"POST", 200) == 1
        assert counted.requests("default", b"OTHER", 200) == 1
        assert counted.requests("default", b"GET", 298) == 1, "of the class 2xx"
        assert counted.all_requests() == counted.durations() == 4
        assert 0 < counted.ledger.seconds("default") < 4 * PATIENCE_S
        assert (counted.instance(series.REQUEST_BYTES), counted.instance(series.RESPONSE_BYTES)) == (5, 8)
        assert (counted.attempts(200, reused=False), counted.attempts(200, reused=True)) == (1, 2)
        assert counted.attempts(299, reused=True) == 1
        assert counted.instance(series.OPENED) == 1


async def test_what_was_refused_or_has_no_route_is_counted_without_a_route_and_with_its_error() -> None:
    async with counting(answering(OK)) as counted:
        await exchange(counted, b"GET /a HTTP/1.1\r\nHost: h\r\nX : 1\r\n\r\n")
        assert counted.requests("", b"GET", 400) == 1
        assert counted.durations("") == 0, "how long it took to arrive is not the service's time"
        assert counted.instance(series.error_place("bad_request")) == 1
        assert counted.attempts(200, reused=False) == 0


async def test_a_failed_attempt_and_the_retry_are_counted_each() -> None:
    async def answers_once(peer: Peer) -> None:
        await peer.head()
        await peer.send(OK)
        await peer.head()  # and closes

    async with counting(answers_once, answering(OK)) as counted:
        await exchange(counted, GET, GET)
        assert (counted.attempts(200, reused=False), counted.attempts(0, reused=True)) == (2, 1)
        assert counted.ledger.counted().of(Kind.UPSTREAM, ("default",))[series.retry_place("closed_idle")] == 1
        assert counted.requests("default", b"GET", 200) == counted.instance(series.OPENED) == 2


async def test_an_origin_that_refuses_connections_is_counted_with_the_reason_of_the_retry() -> None:
    with socket.socket() as bound:  # and not listening
        bound.bind(("127.0.0.1", 0))
        refusing = bound.getsockname()[1]
        async with counting(answering(OK), others=(refusing,)) as counted:
            await exchange(counted, GET)
        assert (
            counted.ledger.counted().of(Kind.ORIGIN, ("default", f"127.0.0.1:{refusing}"))[
                series.attempt_place(0, reused=False)
            ]
            == 1
        )
        assert counted.ledger.counted().of(Kind.UPSTREAM, ("default",))[series.retry_place("connect_failure")] == 1
        assert counted.attempts(200, reused=False) == 1


async def test_an_answer_that_was_cut_counts_its_status_and_its_error() -> None:
    async def cuts(peer: Peer) -> None:
        await peer.head()
        await peer.send(OK[:-1])

    async with counting(cuts) as counted:
        async with client(counted.proxy.port) as peer:
            await peer.send(GET)
            await peer.rest()
        await counted.proxy.records.wait_for(1)
        assert counted.requests("default", b"GET", 200) == counted.attempts(200, reused=False) == 1
        assert counted.instance(series.error_place("response_body_cut")) == 1


async def test_what_the_proxy_answers_for_a_service_is_no_status_of_the_service() -> None:
    async with counting(answering(b"nonsense\r\n")) as counted:
        await exchange(counted, GET)
        assert counted.requests("default", b"GET", 502) == counted.attempts(0, reused=False) == 1
        assert counted.attempts(502, reused=False) == 0


STRIPS = [
    # request fields                                                        response fields            counted
    (b"", b"", {}),
    (b"Connection: keep-alive\r\n", b"Connection: keep-alive\r\n",
     {("request", "hop_by_hop"): 1, ("response", "hop_by_hop"): 1}),
    (b"Connection: X-A, keep-alive\r\nX-A: 1\r\nX-A: 2\r\nTE: trailers\r\nX-Real-IP: 1\r\nForwarded: for=x\r\n", b"Keep-Alive: timeout=5\r\n",
     {("request", "hop_by_hop"): 2, ("request", "nominated"): 2, ("request", "untrusted"): 2, ("response", "hop_by_hop"): 1}),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "answered", "expected"), STRIPS)
async def test_stripped_lines_are_counted_by_direction_and_reason(
    fields: bytes, answered: bytes, expected: dict[tuple[str, str], int]
) -> None:
    async with counting(answering(OK.replace(b"\r\n", b"\r\n" + answered, 1))) as counted:
        await exchange(counted, GET.replace(b"\r\n\r\n", b"\r\n" + fields + b"\r\n"))
        assert counted.stripped() == expected


async def test_lines_that_interim_responses_and_trailers_lose_are_counted_too() -> None:
    early = b"HTTP/1.1 103 Early Hints\r\nConnection: X-A\r\nX-A: 1\r\nKeep-Alive: 1\r\nLink: a\r\n\r\n"
    final = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nUpgrade: a\r\nX-B: 1\r\nContent-Length: 1\r\n\r\n"
    )
    request = (
        b"POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nConnection: TE, X-C\r\nTE: trailers\r\n\r\n"
        b"0\r\nX-C: 1\r\nX-C: 2\r\nX-D: 3\r\nKeep-Alive: 4\r\nX-Forwarded-User: 5\r\n\r\n"
    )
    async with counting(answering(early + early + final)) as counted:
        async with client(counted.proxy.port) as peer:
            await peer.send(request)
            await peer.head()
            await peer.head()
            await peer.response()
        await counted.proxy.records.wait_for(1)
        assert counted.stripped() == {
            ("request", "hop_by_hop"): 2,  # Connection, and Keep-Alive in the trailers
            ("request", "nominated"): 3,  # TE, and X-C twice in the trailers
            ("request", "untrusted"): 1,
            ("response", "hop_by_hop"): 5,  # Connection and Keep-Alive of each 103, Upgrade in the trailers
            ("response", "nominated"): 2,
        }


async def test_a_tunnel_has_a_status_and_no_duration() -> None:
    async with counting(answering(SWITCHING)) as counted:
        async with client(counted.proxy.port) as peer:
            await peer.send(GET.replace(b"\r\n\r\n", b"\r\n" + UPGRADE + b"\r\n"))
            await peer.head()
            assert counted.ledger.seats[0].in_flight() == 1
        await counted.proxy.records.wait_for(1)
        assert counted.requests("default", b"GET", 101) == counted.attempts(101, reused=False) == 1
        assert counted.durations() == counted.ledger.seats[0].in_flight() == 0
        assert counted.stripped() == {
            ("request", "hop_by_hop"): 1, ("request", "nominated"): 1,
            ("response", "hop_by_hop"): 1, ("response", "nominated"): 1,
        }  # fmt: skip


async def test_gauges_show_who_is_connected_what_is_under_way_and_which_connections_are_open() -> None:
    arrived, go_on = asyncio.Event(), asyncio.Event()

    async def waits(peer: Peer) -> None:
        await peer.head()
        arrived.set()
        await go_on.wait()
        await peer.send(OK)
        await peer.rest()

    async with counting(waits) as counted:
        assert counted.gauge(series.PID) > 0
        async with client(counted.proxy.port) as peer:
            await peer.send(GET)
            await arrived.wait()
            assert (counted.gauge(series.CLIENTS), counted.ledger.seats[0].in_flight()) == (1.0, 1)
            assert counted.connections() == (0.0, 1.0)
            go_on.set()
            await peer.response()
            assert counted.ledger.seats[0].in_flight() == 0
            await becomes(lambda: counted.connections() == (1.0, 0.0))
            assert counted.gauge(series.BEAT) > 0
        await becomes(lambda: counted.gauge(series.CLIENTS) == 0)
