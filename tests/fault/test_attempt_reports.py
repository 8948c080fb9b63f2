"""What a service is told about each attempt at its origins: once, with the status or the failure."""

import asyncio
from typing import Any

import pytest

from proxy.errors import ClientGone, ConnectFailed, ProxyError, ResponseTimeout, UpstreamClosed
from proxy.upstream.health.base import EVERY_STATUS
from proxy.upstream.origin import Origin
from tests.harness.running_proxy import RunningProxy, running_proxy
from tests.harness.scripted import OK, Peer, ScriptedUpstream, answering, client

GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
CLOSED_PORT = 1


class Reports:
    """Stands where health checks stand, and keeps what it is told."""

    def __init__(self, proxy: RunningProxy) -> None:
        self.ended: list[tuple[int, int, type[ProxyError] | None]] = []
        service = proxy.worker.services["default"]
        service.health, service.reported_statuses = self, EVERY_STATUS

    def trial_began(self, _: Origin) -> None: ...

    def knows(self, _: Origin) -> bool:
        return True

    def attempt_ended(self, origin: Origin, status: int, error: ProxyError | None) -> None:
        self.ended.append((origin.port, status, type(error) if error is not None else None))


def saying(data: bytes) -> Any:
    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(data)

    return script


async def silent(peer: Peer) -> None:
    await peer.rest()


ONE_ATTEMPT = [
    # the upstream does                                         status   error
    (answering(OK),                                             200,     None),
    (answering(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"), 503,     None),
    (saying(b""),                                               0,       UpstreamClosed),
    (saying(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"),  200,     UpstreamClosed),
    (silent,                                                    0,       ResponseTimeout),
]  # fmt: skip


@pytest.mark.parametrize(("script", "status", "error"), ONE_ATTEMPT)
async def test_an_attempt_is_reported_once(script: Any, status: int, error: type[ProxyError] | None) -> None:
    upstream = ScriptedUpstream(script)
    async with upstream.serving(), running_proxy(upstream.port, timeouts={"response_head_s": 0.2}) as proxy:
        reports = Reports(proxy)
        async with client(proxy.port) as peer:
            await peer.send(GET)
            await proxy.records.wait_for(1)
        assert reports.ended == [(upstream.port, status, error)]


async def test_a_refused_attempt_and_the_one_that_took_its_place() -> None:
    upstream = ScriptedUpstream(answering(OK))
    async with upstream.serving(), running_proxy(CLOSED_PORT, upstream.port) as proxy, client(proxy.port) as peer:
        reports = Reports(proxy)
        await peer.send(GET)
        await peer.response()
        assert reports.ended == [(CLOSED_PORT, 0, ConnectFailed), (upstream.port, 200, None)]
        assert proxy.records[0].attempts == 2


async def test_where_all_refuse_each_is_reported_and_the_client_reads_502() -> None:
    async with running_proxy(CLOSED_PORT, 2) as proxy, client(proxy.port) as peer:
        reports = Reports(proxy)
        await peer.send(GET)
        head, _ = await peer.response()
        assert head.startswith(b"HTTP/1.1 502 ")
        assert reports.ended == [(CLOSED_PORT, 0, ConnectFailed), (2, 0, ConnectFailed)]


async def test_a_reused_connection_that_had_been_closed_is_no_failure_of_its_origin() -> None:
    async def closes_on_the_second_request(peer: Peer) -> None:
        await peer.head()
        await peer.send(OK)
        await peer.head()
        peer.reset()

    upstream = ScriptedUpstream(closes_on_the_second_request, answering(OK))
    async with upstream.serving(), running_proxy(upstream.port) as proxy, client(proxy.port) as peer:
        reports = Reports(proxy)
        for _ in range(2):
            await peer.send(GET)
            assert (await peer.response())[0].startswith(b"HTTP/1.1 200 ")
        assert reports.ended == [(upstream.port, 200, None), (upstream.port, 200, None)]  # of the same attempt


async def test_a_client_that_leaves_is_told_as_such() -> None:
    asked = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.head()
        asked.set()
        await peer.rest()

    upstream = ScriptedUpstream(script)
    async with upstream.serving(), running_proxy(upstream.port) as proxy:
        reports = Reports(proxy)
        async with client(proxy.port) as peer:
            await peer.send(GET)
            await asked.wait()
            peer.reset()
        await proxy.records.wait_for(1)
        assert reports.ended == [(upstream.port, 0, ClientGone)]
