"""The end of a worker, and of a transfer that is given up: nothing that is whole is cut, nothing that is cut looks whole."""

import asyncio
import contextlib
import socket

import pytest

from proxy.policy.settings import Timeouts
from tests.harness.running_proxy import RunningProxy, running_proxy
from tests.harness.scripted import OK, PATIENCE_S, Peer, Script, ScriptedUpstream, answering, client, raw_client

SIZE = 8_000_000  # more than the kernel takes while nobody reads
TO_1_0 = b"GET / HTTP/1.0\r\nHost: h\r\n\r\n"
BUFFER_BYTES = 4096  # of a client whose kernel takes little
CLOSING = b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
KEEPING = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"


async def large(peer: Peer) -> None:
    await peer.head()
    await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % SIZE + b"x" * SIZE)
    await peer.rest()


async def large_until_close(peer: Peer) -> None:
    await peer.head()
    await peer.send(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * SIZE)
    await peer.close()


async def until_end(raw: socket.socket) -> int:
    """Read to a clean end; how many bytes came. Raises ConnectionResetError at any other."""
    loop, count = asyncio.get_running_loop(), 0
    async with asyncio.timeout(PATIENCE_S):
        while data := await loop.sock_recv(raw, 65_536):
            count += len(data)
    return count


async def begin_drain(proxy: RunningProxy) -> asyncio.Task[None]:
    proxy.worker.shut_down()
    return asyncio.create_task(proxy.worker.run_until_shut_down())


@pytest.mark.parametrize(("script", "request_bytes"), [(large, CLOSING), (large_until_close, TO_1_0)])
async def test_what_is_still_queued_for_a_client_is_sent_before_the_worker_ends(
    script: Script, request_bytes: bytes
) -> None:
    upstream = ScriptedUpstream(script)
    async with (
        upstream.serving(),
        running_proxy(upstream.port, timeouts={"drain_s": 10.0}) as proxy,
        raw_client(proxy.port, BUFFER_BYTES) as raw,
    ):
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(raw, request_bytes)
        count = len(await loop.sock_recv(raw, 65_536))
        while not proxy.records:  # read slowly, until what is left lies in queues
            count += len(await loop.sock_recv(raw, 4096))
        ended = await begin_drain(proxy)
        count += await until_end(raw)
        assert count > SIZE
        await ended


async def test_a_transfer_that_outlasts_the_shutdown_does_not_end_cleanly() -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 200 OK\r\n\r\npart")
        await peer.rest()

    upstream = ScriptedUpstream(script)
    async with (
        upstream.serving(),
        running_proxy(upstream.port, timeouts={"drain_s": 0.3}) as proxy,
        raw_client(proxy.port, BUFFER_BYTES) as raw,
    ):
        await asyncio.get_running_loop().sock_sendall(raw, TO_1_0)
        await asyncio.get_running_loop().sock_recv(raw, 4096)
        ended = await begin_drain(proxy)
        async with asyncio.timeout(Timeouts().drain_s * 0.8):
            with pytest.raises(ConnectionResetError):
                await until_end(raw)
            await ended
        assert proxy.records[0].error == "cancelled"


async def test_of_a_transfer_that_is_cut_no_more_is_logged_than_the_client_has_taken() -> None:
    upstream = ScriptedUpstream(large)
    async with (
        upstream.serving(),
        running_proxy(upstream.port, timeouts={"drain_s": 0.2}) as proxy,
        raw_client(proxy.port, BUFFER_BYTES) as raw,
    ):
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(raw, KEEPING)
        count = len(await loop.sock_recv(raw, 1000))
        await (await begin_drain(proxy))
        with contextlib.suppress(ConnectionResetError):
            while data := await loop.sock_recv(raw, 65_536):
                count += len(data)
        (record,) = proxy.records
        assert record.error == "cancelled"
        assert 0 < record.response_bytes <= count


async def test_an_answer_that_the_kernel_has_when_the_time_is_over_still_arrives() -> None:
    size = 100_000  # more than this client's kernel takes, less than ours

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size)
        await peer.rest()

    upstream = ScriptedUpstream(script)
    async with (
        upstream.serving(),
        running_proxy(upstream.port, timeouts={"drain_s": 0.0, "linger_s": 30.0}) as proxy,
        raw_client(proxy.port, BUFFER_BYTES) as raw,
    ):
        await asyncio.get_running_loop().sock_sendall(raw, CLOSING)
        await proxy.records.wait_for(1)
        await (await begin_drain(proxy))
        assert await until_end(raw) > size


async def test_a_client_that_read_too_slowly_does_not_get_a_clean_end() -> None:
    upstream = ScriptedUpstream(large_until_close)
    async with (
        upstream.serving(),
        running_proxy(upstream.port, timeouts={"client_write_idle_s": 0.3}) as proxy,
        raw_client(proxy.port, BUFFER_BYTES) as raw,
    ):
        await asyncio.get_running_loop().sock_sendall(raw, TO_1_0)
        await proxy.records.wait_for(1)
        assert proxy.records[0].error == "client_write_timeout"
        with pytest.raises(ConnectionResetError):
            await until_end(raw)


async def test_the_last_words_of_a_tunnel_reach_a_client_that_still_talks() -> None:
    size = 1_000_000
    handshake = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(handshake + b"x" * size)
        await peer.close()

    upstream = ScriptedUpstream(script)
    async with upstream.serving(), running_proxy(upstream.port) as proxy, raw_client(proxy.port, BUFFER_BYTES) as raw:
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(raw, b"GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        count = len(await loop.sock_recv(raw, 4096))
        for _ in range(5):
            await loop.sock_sendall(raw, b"still here")
            await asyncio.sleep(0.05)  # no event tells that the upstream's side has broken
        assert count + await until_end(raw) > size


@pytest.mark.parametrize("request_bytes", [CLOSING, TO_1_0])
async def test_a_stray_line_end_does_not_destroy_the_answer_to_a_client_that_closes(request_bytes: bytes) -> None:
    size = 1_000_000  # less than the kernel takes: all of it is sent before the client reads it
    upstream = ScriptedUpstream(answering(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size))
    async with upstream.serving(), running_proxy(upstream.port) as proxy, raw_client(proxy.port, BUFFER_BYTES) as raw:
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(raw, request_bytes)
        await proxy.records.wait_for(1)
        await asyncio.sleep(0.05)  # no event tells that the proxy has closed its side
        await loop.sock_sendall(raw, b"\r\n")
        assert await until_end(raw) > size


async def test_a_connection_that_was_busy_as_the_shutdown_began_is_closed_after_its_answer() -> None:
    go_on = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(OK[:-1])
        await go_on.wait()
        await peer.send(OK[-1:])
        await peer.rest()

    upstream = ScriptedUpstream(script)
    async with (
        upstream.serving(),
        running_proxy(upstream.port, timeouts={"drain_s": 60.0}) as proxy,
        client(proxy.port) as peer,
    ):
        await peer.send(KEEPING)
        assert b"connection" not in (await peer.head()).lower()
        ended = await begin_drain(proxy)
        await asyncio.sleep(0.3)  # the shutdown has looked for idle clients, and found none
        go_on.set()
        assert await peer.rest() == b"ok"
        await peer.close()
        async with asyncio.timeout(PATIENCE_S):
            await ended


async def test_a_request_on_its_way_does_not_cost_an_answer_its_end_at_shutdown() -> None:
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
        raw.send(KEEPING)
        await asked.wait()
        proxy.worker.shut_down()
        go.set()
        await proxy.records.wait_for(1)
        raw.send(KEEPING)  # nobody has told this client yet, and most of the answer is still on its way
        received = bytearray()
        async with asyncio.timeout(PATIENCE_S):
            while data := await loop.sock_recv(raw, 65_536):
                received += data
        assert b"\r\nConnection: close\r\n" in received
        assert received.endswith(b"\r\n\r\n" + body)
