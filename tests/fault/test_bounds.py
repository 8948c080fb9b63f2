"""What has no end, or no speed: how much of it onehop takes before it says no or waits, and that others are served."""

import asyncio
import itertools
import re
import socket
from collections.abc import Callable

import pytest

from tests.harness.running_proxy import RunningProxy, running_proxy
from tests.harness.scripted import OK, PATIENCE_S, Peer, ScriptedUpstream, answering, client, fields_of, raw_client

REQUEST = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
CHUNKED_POST = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
CHUNKED_OK = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
BLOCK = b"x" * 65_536

#: What may be on its way when nobody reads at the far end. Nearly all of it is the kernel's, on four sockets: 9 MB on
#: Linux. What onehop itself holds of it is a part of `HELD_BYTES`.
IN_FLIGHT_BYTES = 32 * 1024 * 1024
HELD_BYTES = 1024 * 1024


def held_bytes(proxy: RunningProxy) -> int:
    """What onehop has read and not yet passed to the kernel, on all its connections."""
    return sum(
        stream._unread_bytes + stream.transport.get_write_buffer_size() for stream in proxy.worker.deadlines.streams
    )


async def pushed_before_blocking(raw: socket.socket, block: bytes, limit: int, *, quiet_s: float = 0.4) -> int:
    """Write until the other side takes nothing for a while; how much it took. Fails beyond `limit`."""
    loop = asyncio.get_running_loop()
    taken = 0
    last = loop.time()
    while loop.time() - last < quiet_s:
        try:
            taken += raw.send(block)
            last = loop.time()
        except BlockingIOError:
            await asyncio.sleep(0.01)  # only time shows that nothing more is taken
        else:
            await asyncio.sleep(0)
        assert taken <= limit, f"{taken} bytes, and it still takes more"
    return taken


async def is_served(proxy: RunningProxy) -> None:
    """Another client gets its answer, and promptly."""
    async with asyncio.timeout(PATIENCE_S / 5), client(proxy.port) as peer:
        await peer.send(b"GET /other HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        head, body = await peer.response()
        assert (head.split()[1], body) == (b"200", b"ok")


def by_target(odd: Callable[[Peer, bytes], object]) -> Callable[[Peer], object]:
    """A script that serves `/other` plainly, and anything else by `odd`."""

    async def script(peer: Peer) -> None:
        while True:
            try:
                head = await peer.head()
            except (asyncio.IncompleteReadError, ConnectionError):
                return
            if b" /other " not in head:
                await odd(peer, head)  # type: ignore[misc]
                return
            await peer.send(OK)

    return script


async def endlessly(peer: Peer, block: bytes) -> int:
    """Send a block again and again until the other side closes; how much was sent."""
    sent = 0
    try:
        for sent in itertools.count(len(block), len(block)):
            await peer.send(block)
            await asyncio.sleep(0)
            assert sent < IN_FLIGHT_BYTES, "it takes it all"
    except ConnectionError:
        pass
    return sent


# -- nobody reads ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("head", [CHUNKED_OK, b"HTTP/1.1 200 OK\r\n\r\n"], ids=["chunked", "until close"])
async def test_a_response_without_end_waits_for_a_client_that_does_not_read(head: bytes) -> None:
    pushed: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def odd(peer: Peer, _: bytes) -> None:
        await peer.send(head)
        raw = peer._writer.get_extra_info("socket")._sock
        block = b"10000\r\n" + BLOCK + b"\r\n" if b"chunked" in head else BLOCK
        sent = 0
        loop = asyncio.get_running_loop()
        last = loop.time()
        rest = b""
        while loop.time() - last < 0.4:
            rest = rest or block
            try:
                taken = raw.send(rest)
            except BlockingIOError:
                await asyncio.sleep(0.01)
            else:
                sent, rest, last = sent + taken, rest[taken:], loop.time()
                await asyncio.sleep(0)
                if sent > IN_FLIGHT_BYTES:
                    break
        pushed.set_result(sent)

    upstream = ScriptedUpstream(by_target(odd))
    async with upstream.serving(), running_proxy(upstream.port) as proxy, raw_client(proxy.port) as raw:
        raw.send(REQUEST)
        async with asyncio.timeout(PATIENCE_S):
            assert await pushed < IN_FLIGHT_BYTES
        assert len(BLOCK) <= held_bytes(proxy) < HELD_BYTES
        await is_served(proxy)


async def test_a_body_without_end_waits_for_an_upstream_that_does_not_read() -> None:
    held = asyncio.Event()

    async def odd(peer: Peer, _: bytes) -> None:
        peer._writer.transport.pause_reading()
        await held.wait()

    upstream = ScriptedUpstream(by_target(odd))
    async with upstream.serving(), running_proxy(upstream.port) as proxy, raw_client(proxy.port) as raw:
        raw.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000000000\r\n\r\n")
        taken = await pushed_before_blocking(raw, BLOCK, IN_FLIGHT_BYTES)
        assert taken > len(BLOCK)
        assert len(BLOCK) <= held_bytes(proxy) < HELD_BYTES
        await is_served(proxy)
        held.set()


async def test_a_client_that_reads_nothing_for_too_long_is_let_go() -> None:
    async def odd(peer: Peer, _: bytes) -> None:
        await peer.send(CHUNKED_OK)
        await endlessly(peer, b"10000\r\n" + BLOCK + b"\r\n")

    upstream = ScriptedUpstream(by_target(odd))
    async with (
        upstream.serving(),
        running_proxy(upstream.port, timeouts={"client_write_idle_s": 0.3}) as proxy,
        raw_client(proxy.port) as raw,
    ):
        raw.send(REQUEST)
        await proxy.records.wait_for(1)
        assert proxy.records[0].error == "client_write_timeout"
        await is_served(proxy)


async def test_an_upstream_that_reads_nothing_for_too_long_is_a_504() -> None:
    held = asyncio.Event()

    async def odd(peer: Peer, _: bytes) -> None:
        peer._writer.transport.pause_reading()
        await held.wait()

    upstream = ScriptedUpstream(by_target(odd))
    async with (
        upstream.serving(),
        running_proxy(upstream.port, timeouts={"request_body_idle_s": 0.3}) as proxy,
        raw_client(proxy.port) as raw,
    ):
        raw.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000000000\r\n\r\n")
        async with asyncio.timeout(PATIENCE_S):
            with pytest.raises(ConnectionError):
                while True:
                    try:
                        raw.send(BLOCK)
                    except BlockingIOError:
                        await asyncio.sleep(0.01)
                    else:
                        await asyncio.sleep(0)
        await proxy.records.wait_for(1)
        assert (proxy.records[0].status, proxy.records[0].error) == (504, "upstream_write_timeout")
        await is_served(proxy)
        held.set()


# -- slow, but alive ---------------------------------------------------------------------------------------------


async def test_slow_peers_on_all_four_sides_lose_nothing_and_hold_up_nobody() -> None:
    size = 2_000_000

    async def odd(peer: Peer, head: bytes) -> None:
        if b"POST" in head:
            left = size
            while left:  # a slow reader
                left -= len(await peer.exactly(min(left, 50_000)))
                await asyncio.sleep(0.005)
            await peer.send(OK)
            return
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n")
        for _ in range(200):  # a slow writer
            await peer.send(b"x")
            await asyncio.sleep(0.002)

    async def slow_reader() -> None:
        async with client(proxy.port) as peer:
            await peer.send(b"GET /big HTTP/1.1\r\nHost: h\r\n\r\n")
            assert len((await peer.response())[1]) == 200

    async def slow_writer() -> None:
        async with client(proxy.port) as peer:
            request = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % size
            for position in range(len(request)):
                await peer.send(request[position : position + 1])
                await asyncio.sleep(0.002)
            for _ in range(size // 20_000):
                await peer.send(b"x" * 20_000)
                await asyncio.sleep(0.001)
            assert (await peer.response())[1] == b"ok"

    upstream = ScriptedUpstream(by_target(odd))
    async with upstream.serving(), running_proxy(upstream.port) as proxy:
        slow = [asyncio.create_task(work()) for work in (slow_reader, slow_writer, slow_reader, slow_writer)]
        await is_served(proxy)
        assert not all(task.done() for task in slow)
        await asyncio.gather(*slow)
        await is_served(proxy)


# -- pipelining --------------------------------------------------------------------------------------------------


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
        assert len(BLOCK) <= held_bytes(proxy) < HELD_BYTES
        await is_served(proxy)
        assert upstream.connections <= 2
        held.set()


# -- without end -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "block", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: h\r\n", b"X-A: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: h\r\nX-A: ", b"a" * 1000, 431),
        (b"GET /", b"a" * 1000, 414),
        (CHUNKED_POST + b"0\r\n", b"X-T: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n", 431),
        (CHUNKED_POST + b"0\r\nX-T: ", b"a" * 1000, 431),
        (CHUNKED_POST + b"5;", b"a" * 1000, 400),
        (CHUNKED_POST + b"5;a=", b"a" * 100, 400),
        (CHUNKED_POST, b"0" * 100, 400),
    ],
    ids=["lines", "one line", "target", "trailers", "one trailer", "extension", "slow extension", "chunk size"],
)
async def test_what_a_client_never_ends_is_refused(start: bytes, block: bytes, status: int, reader: str) -> None:
    async def odd(peer: Peer, _: bytes) -> None:
        await peer.rest()

    upstream = ScriptedUpstream(by_target(odd))
    async with (
        upstream.serving(),
        running_proxy(upstream.port, reader=reader) as proxy,
        client(proxy.port) as peer,
    ):
        await peer.send(start)
        pushing = asyncio.create_task(endlessly(peer, block))
        head, _ = await peer.response()
        assert int(head.split()[1]) == status
        assert fields_of(head)["connection"] == ["close"]
        await pushing
        await is_served(proxy)


@pytest.mark.parametrize(
    ("start", "block", "cut"),
    [
        (b"", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", False),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n", False),
        (b"HTTP/1.1 200 OK\r\n", b"X-A: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n", False),
        (b"HTTP/1.1 200 ", b"a" * 1000, False),
        (CHUNKED_OK + b"5\r\nhello\r\n0\r\n", b"X-T: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n", True),
        (CHUNKED_OK + b"5\r\nhello\r\n0\r\nX-T: ", b"a" * 1000, True),
        (CHUNKED_OK + b"5\r\nhello\r\n5;", b"a" * 1000, True),
        (CHUNKED_OK + b"5\r\nhello\r\n", b"0" * 100, True),
    ],
    ids=["103", "100", "lines", "reason", "trailers", "one trailer", "extension", "chunk size"],
)
async def test_what_an_upstream_never_ends_is_a_502_or_cut(start: bytes, block: bytes, cut: bool, reader: str) -> None:
    async def odd(peer: Peer, _: bytes) -> None:
        await peer.send(start)
        await endlessly(peer, block)

    upstream = ScriptedUpstream(by_target(odd))
    async with (
        upstream.serving(),
        running_proxy(upstream.port, reader=reader) as proxy,
        client(proxy.port) as peer,
    ):
        await peer.send(REQUEST)
        peer.half_close()
        received = await peer.rest()
        if cut:
            assert not received.endswith(b"0\r\n\r\n")
            assert proxy.records[0].error
        else:
            assert received.count(b"HTTP/1.1 1") <= 32
            assert b"HTTP/1.1 502 Bad Gateway\r\n" in received
        await is_served(proxy)


# -- many --------------------------------------------------------------------------------------------------------


async def test_a_thousand_half_open_clients_hold_up_nobody() -> None:
    upstream = ScriptedUpstream(answering(*[OK] * 1_000))
    async with upstream.serving(), running_proxy(upstream.port) as proxy:
        idle: list[socket.socket] = []
        loop = asyncio.get_running_loop()
        try:
            for number in range(1_000):
                raw = socket.socket()
                idle.append(raw)
                raw.setblocking(False)
                await loop.sock_connect(raw, ("127.0.0.1", proxy.port))
                raw.send(REQUEST[: number % 20])
            for _ in range(20):
                await is_served(proxy)
            assert len(proxy.records) == 20
        finally:
            for raw in idle:
                raw.close()
        await proxy.records.wait_for(20 + 950)


async def test_a_request_on_its_way_does_not_cost_a_draining_answer_its_tail() -> None:
    asked, go = asyncio.Event(), asyncio.Event()
    body = b"x" * 1_000_000

    async def script(peer: Peer) -> None:
        await peer.head()
        asked.set()
        await go.wait()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        await peer.rest()

    upstream = ScriptedUpstream(script)
    loop = asyncio.get_running_loop()
    async with upstream.serving(), running_proxy(upstream.port) as proxy, raw_client(proxy.port) as raw:
        raw.send(REQUEST)
        await asked.wait()
        proxy.worker.shut_down()
        go.set()
        await proxy.records.wait_for(1)
        raw.send(REQUEST)  # nobody has told this client yet, and most of the answer is still on its way
        received = bytearray()
        async with asyncio.timeout(PATIENCE_S):
            while data := await loop.sock_recv(raw, 65_536):
                received += data
        assert b"\r\nConnection: close\r\n" in received
        assert received.endswith(b"\r\n\r\n" + body)
