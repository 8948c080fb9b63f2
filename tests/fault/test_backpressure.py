"""Who reads nothing or slowly: onehop waits and holds little, and others are served."""

import asyncio
import random
import socket

import pytest

from proxy.transport import pacing
from proxy.transport.stream import Reading, Stream
from tests.fault.bounds import (
    BLOCK,
    CHUNKED_OK,
    HELD_BYTES,
    IN_FLIGHT_BYTES,
    REQUEST,
    by_target,
    endlessly,
    held_bytes,
    is_served,
    pushed_before_blocking,
)
from tests.harness.running_proxy import RunningProxy, running_proxy
from tests.harness.scripted import (
    OK,
    PATIENCE_S,
    Peer,
    ScriptedUpstream,
    client,
    raw_client,
)

# -- nobody reads ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("head", [CHUNKED_OK, b"HTTP/1.1 200 OK\r\n\r\n"], ids=["chunked", "until close"])
async def test_a_response_without_end_waits_for_a_client_that_does_not_read(head: bytes) -> None:
    pushed: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def odd(peer: Peer, _: bytes) -> None:
        await peer.send(head)
        # A duplicate, so that uvloop's transport lets us write to it.
        raw = socket.fromfd(peer._writer.get_extra_info("socket").fileno(), socket.AF_INET, socket.SOCK_STREAM)
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
        raw.close()
        pushed.set_result(sent)

    upstream = ScriptedUpstream(by_target(odd))
    async with upstream.serving(), running_proxy(upstream.port) as proxy, raw_client(proxy.port) as raw:
        raw.send(REQUEST)
        async with asyncio.timeout(PATIENCE_S):
            assert await pushed < IN_FLIGHT_BYTES
        assert held_bytes(proxy) <= HELD_BYTES
        await is_served(proxy)


async def test_a_body_without_end_waits_for_an_upstream_that_does_not_read() -> None:
    held = asyncio.Event()

    async def odd(peer: Peer, _: bytes) -> None:
        peer.pause_reading()
        await held.wait()

    upstream = ScriptedUpstream(by_target(odd))
    async with upstream.serving(), running_proxy(upstream.port) as proxy, raw_client(proxy.port) as raw:
        raw.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000000000\r\n\r\n")
        taken = await pushed_before_blocking(raw, BLOCK, IN_FLIGHT_BYTES)
        assert taken > len(BLOCK)
        assert held_bytes(proxy) <= HELD_BYTES
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
        peer.pause_reading()
        await held.wait()

    upstream = ScriptedUpstream(by_target(odd))
    async with (
        upstream.serving(),
        running_proxy(upstream.port, timeouts={"request_body_idle_s": 0.3, "linger_total_s": 0.3}) as proxy,
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


async def test_a_connection_holds_no_more_than_it_may() -> None:
    async def odd(peer: Peer, _: bytes) -> None:
        await peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
        await endlessly(peer, BLOCK)

    upstream = ScriptedUpstream(by_target(odd))
    async with (
        upstream.serving(),
        running_proxy(upstream.port, limits={"connection_buffer_bytes": 32_768}) as proxy,
        raw_client(proxy.port) as raw,
    ):
        raw.send(REQUEST)
        [source] = await until_it_stands_still(proxy)
        assert 0 < held_bytes(proxy) <= 32_768
        assert source.transport.get_protocol() is not source  # it reads small pieces
        passed = b""
        async with asyncio.timeout(PATIENCE_S):
            while b"\r\n4000\r\n" not in passed:  # a chunk of half the limit
                passed = passed[-8:] + await asyncio.get_running_loop().sock_recv(raw, 1 << 20)


@pytest.mark.interpreted
async def test_of_many_a_connection_holds_one_small_piece_from_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pacing, "MANY_STREAMS", 0)
    all_read: list[int] = []
    received = Stream.data_received

    def noting(stream: Stream, data: bytes) -> None:
        all_read.append(len(data))
        received(stream, data)

    monkeypatch.setattr(Stream, "data_received", noting)

    async def odd(peer: Peer, _: bytes) -> None:
        await peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
        await endlessly(peer, BLOCK)

    upstream = ScriptedUpstream(by_target(odd))
    async with upstream.serving(), running_proxy(upstream.port) as proxy, raw_client(proxy.port) as raw:
        raw.send(REQUEST)
        await until_it_stands_still(proxy)
        assert 0 < held_bytes(proxy) <= HELD_BYTES // 2
        assert max(all_read) <= HELD_BYTES // 2


@pytest.mark.interpreted
@pytest.mark.parametrize(("many", "small"), [(0, True), (256, False)])
async def test_one_of_many_clients_is_read_in_small_pieces_from_its_first_byte(
    many: int, small: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pacing, "MANY_STREAMS", many)
    body = random.Random(11).randbytes(300_000)
    heard: list[bytes] = []

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(OK)
        await peer.head()
        heard.append(await peer.exactly(len(body)))
        await peer.send(OK)

    upstream = ScriptedUpstream(script)
    async with upstream.serving(), running_proxy(upstream.port) as proxy, client(proxy.port) as peer:
        await peer.send(REQUEST)
        assert (await peer.response())[1] == b"ok"
        [asking] = [s for s in proxy.worker.deadlines.streams if isinstance(s, Stream) and s.owner is not None]
        assert (asking.transport.get_protocol() is not asking) is small
        await peer.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        assert (await peer.response())[1] == b"ok"
        assert heard == [body]


async def test_what_was_slow_flows_again_and_nothing_is_lost() -> None:
    size = 12_000_000
    body = random.Random(7).randbytes(size)

    async def odd(peer: Peer, _: bytes) -> None:
        response = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + body
        await peer.send(response)
        await peer.head()
        await peer.send(response)
        await peer.rest()

    upstream = ScriptedUpstream(by_target(odd))
    async with upstream.serving(), running_proxy(upstream.port) as proxy, client(proxy.port) as peer:
        await peer.send(REQUEST)
        peer.pause_reading()
        [source] = await until_it_stands_still(proxy)
        peer.resume_reading()
        assert (await peer.response())[1] == body
        await peer.send(REQUEST)
        assert (await peer.response())[1] == body
        assert source.transport.get_protocol() is source
        assert len(proxy.worker.pool) == 1


NOT_READ = (Reading.PAUSED, Reading.HANDED_OVER)


async def until_it_stands_still(proxy: RunningProxy) -> list[Stream]:
    """Wait until the proxy reads no more of a response; the upstream streams on which it does not."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            held = [
                stream
                for stream in proxy.worker.deadlines.streams
                if isinstance(stream, Stream) and stream.owner is None and stream._reading in NOT_READ
            ]
            await asyncio.sleep(0.3)  # only time shows that nothing more is taken
            if held and held[0]._reading in NOT_READ:
                return held


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
