"""Requests that do not wait for the answer before them."""

import asyncio
import re

from tests.fault.bounds import (
    BLOCK,
    HELD_BYTES,
    IN_FLIGHT_BYTES,
    REQUEST,
    by_target,
    held_bytes,
    is_served,
    pushed_before_blocking,
)
from tests.harness.running_proxy import running_proxy
from tests.harness.scripted import (
    Peer,
    ScriptedUpstream,
    client,
    raw_client,
)


async def test_ten_thousand_pipelined_requests_are_answered_in_order() -> None:
    count = 10_000
    upstream = await asyncio.get_running_loop().create_server(_Echo, "127.0.0.1", 0)
    async with upstream, running_proxy(upstream.sockets[0].getsockname()[1]) as proxy, client(proxy.port) as peer:
        attempts = asyncio.create_task(
            peer.send(b"".join(b"GET /%d HTTP/1.1\r\nHost: h\r\n\r\n" % number for number in range(count)))
        )
        received = bytearray()
        while b"\r\n\r\n/500" not in received[-70_000:]:
            received += await peer.some()
        async with client(proxy.port) as other:
            await other.send(b"GET /other HTTP/1.1\r\nHost: h\r\n\r\n")
            assert (await other.response())[1] == b"/other"
        assert len(proxy.records) < count
        await attempts
        peer.half_close()
        received += await peer.rest()
        numbers = re.findall(rb"\r\n\r\n/([0-9]+)(?=HTTP/1.1 200|\Z)", received)
        assert numbers == [b"%d" % number for number in range(count)]


class _Echo(asyncio.Protocol):
    """A service that answers each request, which comes in one piece, with its target."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        target = data.split(b" ", 2)[1]
        self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(target), target))  # type: ignore[attr-defined]


async def test_pipelined_requests_wait_where_the_answer_does() -> None:
    held = asyncio.Event()

    async def odd(peer: Peer, _: bytes) -> None:
        await held.wait()

    upstream = ScriptedUpstream(by_target(odd))
    async with upstream.serving(), running_proxy(upstream.port) as proxy, raw_client(proxy.port) as raw:
        taken = await pushed_before_blocking(raw, REQUEST * 2_000, IN_FLIGHT_BYTES)
        assert taken > len(REQUEST) * 2
        # Requests that are unread, and on the other side what was written before anything told that nobody takes it.
        assert len(BLOCK) <= held_bytes(proxy) < 2 * HELD_BYTES
        await is_served(proxy)
        assert upstream.connections <= 2
        held.set()
