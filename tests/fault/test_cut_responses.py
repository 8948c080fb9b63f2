"""A response that is cut: what came of it is delivered, however slowly the client takes it; the end is not clean."""

import asyncio
import socket

import pytest

from tests.harness.loops import on_both_loops
from tests.harness.running_proxy import RunningProxy, running_proxy
from tests.harness.scripted import PATIENCE_S, Peer, ScriptedUpstream, raw_client

GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
SIZE = 4 * 1024 * 1024
CHUNKED = b"Transfer-Encoding: chunked\r\n"
FRAMINGS = {  # the request, how the service delimits its response, and whether only the end delimits it for the client
    "length": (GET, b"Content-Length: %d\r\n" % (2 * SIZE), False),
    "chunked": (GET, CHUNKED, False),
    "until close": (b"GET / HTTP/1.0\r\n\r\n", CHUNKED, True),
}


async def taken_slowly(raw: socket.socket, pause_s: float = 0.001) -> tuple[bytes, bool]:
    """Everything that comes, read in small pieces; and whether the end is a reset."""
    loop, received = asyncio.get_running_loop(), bytearray()
    async with asyncio.timeout(PATIENCE_S * 3):
        try:
            while data := await loop.sock_recv(raw, 32_768):
                received += data
                await asyncio.sleep(pause_s)
        except ConnectionResetError:
            return bytes(received), True
    return bytes(received), False


async def record(proxy: RunningProxy, number: int) -> tuple[int, str, int]:
    await proxy.records.wait_for(number)
    found = proxy.records[number - 1]
    return found.status, found.error, found.response_bytes


@pytest.mark.parametrize(("request_bytes", "framing", "only_the_end_delimits"), FRAMINGS.values(), ids=FRAMINGS.keys())
@on_both_loops
async def test_a_slow_client_gets_all_that_came(
    request_bytes: bytes, framing: bytes, only_the_end_delimits: bool
) -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        body = b"%x\r\n%b\r\n" % (SIZE, b"x" * SIZE) if framing == CHUNKED else b"x" * SIZE
        await peer.send(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n" + body)
        await peer.close()

    upstream = ScriptedUpstream(script)
    async with (
        upstream.serving(),
        running_proxy(upstream.port, timeouts={"client_write_idle_s": 5.0}) as proxy,
        raw_client(proxy.port, 4096) as raw,
    ):
        raw.send(request_bytes)
        received, reset = await taken_slowly(raw)
        assert received.count(b"x") == SIZE
        assert not received.endswith(b"0\r\n\r\n")
        assert reset == only_the_end_delimits
        status, error, _ = await record(proxy, 1)
        assert (status, error) == (200, "response_body_cut")


@on_both_loops
async def test_a_failure_does_not_destroy_the_response_before_it() -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % SIZE + b"x" * SIZE)
        await peer.head()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")

    upstream = ScriptedUpstream(script)
    async with upstream.serving(), running_proxy(upstream.port) as proxy, raw_client(proxy.port, 4096) as raw:
        raw.send(GET + GET)
        received, _ = await taken_slowly(raw)
        assert received.count(b"x") == SIZE
        assert received.endswith(b"\r\n\r\nhalf")
        assert await record(proxy, 2) == (200, "response_body_cut", 4)


@on_both_loops
async def test_the_log_counts_what_the_client_has_taken() -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (SIZE * 2) + b"x" * SIZE)
        await peer.rest()

    upstream = ScriptedUpstream(script)
    async with (
        upstream.serving(),
        running_proxy(upstream.port, timeouts={"client_write_idle_s": 0.5}) as proxy,
        raw_client(proxy.port, 4096) as raw,
    ):
        raw.send(GET)
        status, error, taken = await record(proxy, 1)
        assert (status, error) == (200, "client_write_timeout")
        assert taken < 100_000  # of a receive buffer of some kilobytes
