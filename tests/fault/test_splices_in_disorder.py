"""Large bodies that are moved within the kernel, while a peer or the loop does what seldom happens."""

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

import pytest

from proxy.transport import sockets, splicing
from tests.fault.splices import (
    BODY,
    GET,
    LARGEST_READ,
    POST,
    RESPONSE,
    SIZE,
    Watched,
    proxying,
    reset,
    reset_while_written_to,
)
from tests.harness.loops import on_both_loops
from tests.harness.running_proxy import running_proxy
from tests.harness.scripted import OK, PATIENCE_S, Peer, ScriptedUpstream, answering, client, raw_client
from tests.harness.waiting import until

LONG_BODY: Final = BODY + BODY
LONG_RESPONSE: Final = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (4 * SIZE) + LONG_BODY


@on_both_loops
async def test_urgent_data_within_an_upload_do_not_stop_it(watched: Watched) -> None:
    """Where they stand, the kernel moves nothing, and says for ever that there is something to read."""
    loop = asyncio.get_running_loop()
    requests: list[bytes] = []
    upstream = ScriptedUpstream(answering(OK, requests=requests))
    async with proxying(upstream) as proxy, raw_client(proxy.port) as raw:
        await loop.sock_sendall(raw, POST[:4_000_000])
        raw.send(b"!", socket.MSG_OOB)
        async with asyncio.timeout(PATIENCE_S):
            await loop.sock_sendall(raw, POST[4_000_000:])
            assert (await loop.sock_recv(raw, 65_536)).endswith(b"ok")
        assert watched.moved > 1_000_000
        assert requests[0].endswith(b"\r\n\r\n" + BODY)


@on_both_loops
async def test_all_that_came_before_a_reset_reaches_a_fast_client(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More of it is unread than is moved in one turn of the loop, and uvloop tells of the reset once only."""
    monkeypatch.setattr(splicing, "_TURN_BYTES", 65_536)
    async with service() as (listening, accepted), running_proxy(listening) as proxy, client(proxy.port) as peer:
        await peer.send(GET)
        raw = await accepted()
        sending = asyncio.create_task(asyncio.get_running_loop().sock_sendall(raw, LONG_RESPONSE[:SIZE]))
        received = await peer.exactly(SIZE - LARGEST_READ)
        await sending
        sent = SIZE
        with contextlib.suppress(BlockingIOError):
            while sent < len(LONG_RESPONSE):
                sent += raw.send(LONG_RESPONSE[sent : sent + 500_000])
        sent -= sockets.untaken_bytes(raw)
        reset(raw)
        received += await peer.rest()
        assert len(received) >= sent
        body = received.partition(b"\r\n\r\n")[2]
        assert body == LONG_BODY[: len(body)]
        await proxy.records.wait_for(1)
        assert proxy.records[0].error == "response_body_cut"
        assert watched.moved > len(body) - LARGEST_READ


@on_both_loops
async def test_what_a_broken_connection_has_left_reaches_a_slow_client_in_order(watched: Watched) -> None:
    """The reset is met in writing an upload, while the response is moved in the other direction."""
    loop = asyncio.get_running_loop()
    async with service() as (listening, accepted), running_proxy(listening) as proxy, raw_client(proxy.port) as peer:
        uploading = asyncio.create_task(loop.sock_sendall(peer, POST))
        raw = await accepted()
        responding = asyncio.create_task(loop.sock_sendall(raw, LONG_RESPONSE))
        moved = 0
        while moved != watched.moved or proxy.worker.deadlines.splices < 2:
            moved = watched.moved
            await asyncio.sleep(0.1)  # only time shows that both directions stand still
        responding.cancel()
        await asyncio.gather(responding, return_exceptions=True)
        await reset_while_written_to(watched, raw)
        received = bytearray()
        async with asyncio.timeout(PATIENCE_S):
            while data := await loop.sock_recv(peer, 65_536):
                received += data
                if len(received) < 6_000_000:
                    await asyncio.sleep(0.001)  # so that the proxy has to wait for it
        body = received.partition(b"\r\n\r\n")[2]
        assert body == LONG_BODY[: len(body)]
        await proxy.records.wait_for(1)
        record = proxy.records[0]
        assert (record.error, record.response_bytes) == ("response_body_cut", len(body))
        uploading.cancel()
        await asyncio.gather(uploading, return_exceptions=True)


@asynccontextmanager
async def service() -> AsyncIterator[tuple[int, Callable[[], Awaitable[socket.socket]]]]:
    """A service on bare sockets: its port, and what waits for a connection and reads from it once."""
    loop = asyncio.get_running_loop()

    async def accepted() -> socket.socket:
        async with asyncio.timeout(PATIENCE_S):
            raw, _ = await loop.sock_accept(listening)
            raw.setblocking(False)
            open_sockets.callback(raw.close)
            await loop.sock_recv(raw, 65_536)
        return raw

    with contextlib.ExitStack() as open_sockets:
        listening = open_sockets.enter_context(socket.create_server(("127.0.0.1", 0)))
        listening.setblocking(False)
        yield listening.getsockname()[1], accepted


@on_both_loops
async def test_what_came_in_time_while_the_loop_was_held_up_counts(watched: Watched) -> None:
    """libuv runs timers before it looks at sockets: the sweep of deadlines comes before what has come."""
    loop = asyncio.get_running_loop()
    stop, stopping = socket.socketpair()

    async def script(peer: Peer) -> None:
        def hold_up() -> None:
            loop.remove_reader(stop)
            os.write(peer.fileno(), RESPONSE[2_000_000:2_100_000])
            time.sleep(1.0)

        await peer.head()
        await peer.send(RESPONSE[:2_000_000])
        await until(lambda: watched.moved >= 1_800_000)
        loop.add_reader(stop, hold_up)
        stopping.send(b"!")
        await asyncio.sleep(0.1)
        await peer.send(RESPONSE[2_100_000:])
        await peer.rest()

    with stop, stopping:
        async with (
            proxying(ScriptedUpstream(script), timeouts={"response_body_idle_s": 0.5}) as proxy,
            client(proxy.port) as peer,
        ):
            await peer.send(GET)
            assert (await peer.response())[1] == BODY


@on_both_loops
async def test_a_client_that_stands_still_gets_no_more_time_than_its_request_has(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where all that waits for it fits into the kernel's queue in the end."""
    splice = os.splice
    monkeypatch.setattr(os, "splice", lambda source, sink, count: splice(source, sink, min(count, 40_000)))
    timeouts = {"request_total_s": 0.5, "client_write_idle_s": 10 * PATIENCE_S}
    async with proxying(ScriptedUpstream(answering(RESPONSE)), timeouts=timeouts) as proxy, client(proxy.port) as peer:
        await peer.send(GET)
        peer.pause_reading()
        await watched.until_blocked()
        await proxy.records.wait_for(1)
        assert proxy.records[0].error == "request_total_timeout"
