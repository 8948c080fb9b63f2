"""A client that ends its side before its response is complete: it is gone, unless it asked, ended, and reads."""

import asyncio
import socket

import pytest

from tests.harness.loops import on_both_loops
from tests.harness.running_proxy import RunningProxy, running_proxy
from tests.harness.scripted import OK, PATIENCE_S, Peer, ScriptedUpstream, answering, client, raw_client

GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
LAST = b"GET /last HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
HANDSHAKE = b"GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
BEGINNINGS = {
    "thinking": b"",
    "silent stream": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    "silent body": b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
    "until close": b"HTTP/1.1 200 OK\r\n\r\nhello",
}


class Beginning:
    """A service that begins a response, and notes when it is left alone."""

    def __init__(self, beginning: bytes) -> None:
        self._beginning = beginning
        self.asked = asyncio.Event()
        self.left = asyncio.Event()
        self.requests = 0

    async def script(self, peer: Peer) -> None:
        await peer.head()
        self.requests += 1
        await peer.send(self._beginning)
        self.asked.set()
        await peer.rest()
        self.left.set()

    async def is_left(self) -> None:
        async with asyncio.timeout(PATIENCE_S):
            await self.left.wait()


async def record_is(proxy: RunningProxy, status: int, error: str) -> None:
    await proxy.records.wait_for(1)
    record = proxy.records[0]
    assert (record.status, record.error) == (status, error)


@pytest.mark.parametrize("beginning", BEGINNINGS.values(), ids=BEGINNINGS.keys())
@on_both_loops
async def test_a_client_that_leaves_by_fin_ends_the_upstreams_work(beginning: bytes) -> None:
    service = Beginning(beginning)
    upstream = ScriptedUpstream(service.script)
    async with upstream.serving(), running_proxy(upstream.port) as proxy:
        async with client(proxy.port) as peer:
            await peer.send(GET)
            await service.asked.wait()
            if beginning:
                await peer.head()
            peer.half_close()
            await service.is_left()
            assert not (await peer.rest()).endswith(b"0\r\n\r\n")
        await record_is(proxy, 200 if beginning else 499, "client_gone")


@on_both_loops
async def test_a_client_that_leaves_while_it_is_waited_for_to_read_is_noticed() -> None:
    left = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
        with pytest.raises(ConnectionError):
            while True:
                await peer.send(b"x" * 65_536)
        left.set()

    upstream = ScriptedUpstream(script)
    async with (
        upstream.serving(),
        running_proxy(upstream.port) as proxy,
        raw_client(proxy.port, 4096) as raw,
    ):
        raw.send(GET)
        await asyncio.get_running_loop().sock_recv(raw, 100)
        raw.shutdown(socket.SHUT_WR)
        async with asyncio.timeout(PATIENCE_S):
            await left.wait()
        raw.close()
        await record_is(proxy, 200, "client_gone")


@pytest.mark.parametrize("reset", [False, True])
@on_both_loops
async def test_a_client_that_leaves_behind_a_pile_of_requests_is_noticed(reset: bool) -> None:
    service = Beginning(b"")
    upstream = ScriptedUpstream(service.script)
    async with upstream.serving(), running_proxy(upstream.port) as proxy:
        async with client(proxy.port) as peer:
            await peer.send(GET)
            await service.asked.wait()
            await peer.send(b"GET /never HTTP/1.1\r\nHost: h\r\n\r\n" * 4000)  # more than is read ahead
            if reset:
                peer.reset()
            else:
                peer.half_close()
            await service.is_left()
        await record_is(proxy, 499, "client_gone")
        assert (len(proxy.records), service.requests) == (1, 1)  # none of the others was begun


@on_both_loops
async def test_requests_that_came_whole_before_the_end_are_answered() -> None:
    upstream = ScriptedUpstream(answering(OK, OK, OK))
    async with upstream.serving(), running_proxy(upstream.port) as proxy, client(proxy.port) as peer:
        await peer.send(GET + b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc" + LAST)
        peer.half_close()
        assert (await peer.rest()).count(b"\r\n\r\nok") == 3
        assert [record.error for record in proxy.records] == [""] * 3


@on_both_loops
async def test_an_answer_before_an_abandoned_request_is_delivered() -> None:
    service = Beginning(b"")
    size = 500_000

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size)
        await service.script(peer)

    upstream = ScriptedUpstream(script)
    async with (
        upstream.serving(),
        running_proxy(upstream.port) as proxy,
        raw_client(proxy.port, 4096) as raw,
    ):
        loop = asyncio.get_running_loop()
        raw.send(GET + LAST)
        raw.shutdown(socket.SHUT_WR)
        await service.is_left()
        count = 0
        async with asyncio.timeout(PATIENCE_S):
            while data := await loop.sock_recv(raw, 4096):
                count += len(data)
        assert count > size
        await proxy.records.wait_for(2)
        assert [record.error for record in proxy.records] == ["", "client_gone"]


@on_both_loops
async def test_an_upload_whose_end_has_come_before_it_could_be_passed_on_is_not_cut_short() -> None:
    size = 12_000_000  # more than fits into the queues towards the service, and less than fits into all
    received: list[int] = []

    async def script(peer: Peer) -> None:
        await peer.head()
        peer._writer.transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.sleep(1.2)  # longer than a client that has ended its side is waited for
        peer._writer.transport.resume_reading()  # type: ignore[attr-defined]
        await peer.exactly(size)
        received.append(size)
        await peer.send(OK)
        await peer.rest()

    upstream = ScriptedUpstream(script)
    async with upstream.serving(), running_proxy(upstream.port) as proxy, client(proxy.port) as peer:
        await peer.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size)
        peer.half_close()
        assert (await peer.rest()).endswith(b"\r\n\r\nok")
    assert received == [size]


@on_both_loops
async def test_with_client_half_close_the_answer_still_comes() -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        await asyncio.sleep(1.2)  # longer than such a client would be waited for
        await peer.send(OK)
        await peer.rest()

    upstream = ScriptedUpstream(script)
    async with (
        upstream.serving(),
        running_proxy(upstream.port, client_half_close=True) as proxy,
        client(proxy.port) as peer,
    ):
        await peer.send(GET)
        peer.half_close()
        assert (await peer.rest()).endswith(b"\r\n\r\nok")
        assert proxy.records[0].error == ""


@pytest.mark.parametrize("half_close", [False, True])
@on_both_loops
async def test_a_half_closed_tunnel_goes_on(half_close: bool) -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(SWITCH)
        assert await peer.rest() == b"question"
        await asyncio.sleep(1.2)
        await peer.send(b"answer")

    upstream = ScriptedUpstream(script)
    async with (
        upstream.serving(),
        running_proxy(upstream.port, client_half_close=half_close) as proxy,
        client(proxy.port) as peer,
    ):
        await peer.send(HANDSHAKE)
        assert b" 101 " in await peer.head()
        await peer.send(b"question")
        peer.half_close()
        assert await peer.rest() == b"answer"


@on_both_loops
async def test_a_client_that_leaves_is_no_reason_to_send_its_request_again() -> None:
    service = Beginning(b"")

    async def once_then_think(peer: Peer) -> None:
        await peer.head()
        await peer.send(OK)
        await service.script(peer)

    upstream = ScriptedUpstream(once_then_think)
    async with upstream.serving(), running_proxy(upstream.port) as proxy, client(proxy.port) as peer:
        await peer.send(GET)
        await peer.response()
        await peer.send(GET)  # on a connection that is used again: a failure there would be tried anew
        await service.asked.wait()
        peer.half_close()
        await service.is_left()
        assert await peer.rest() == b""
        assert upstream.connections == 1


@on_both_loops
async def test_a_client_that_has_ended_its_side_and_still_reads_gets_a_large_answer_whole() -> None:
    size = 24_000_000
    upstream = ScriptedUpstream(answering(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size))
    async with upstream.serving(), running_proxy(upstream.port) as proxy, raw_client(proxy.port) as raw:
        loop = asyncio.get_running_loop()
        raw.send(GET)
        raw.shutdown(socket.SHUT_WR)
        begun, received = loop.time(), 0
        async with asyncio.timeout(PATIENCE_S * 2):
            while data := await loop.sock_recv(raw, 65_536):
                received += len(data)
                # Slower than the grace would allow for the whole: a third of it in each.
                await asyncio.sleep(max(0.0, begun + received / (size / 1.5) - loop.time()))
        assert received > size
        assert loop.time() - begun > 1
        await record_is(proxy, 200, "")
