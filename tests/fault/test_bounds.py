"""What has no end, and many at once: how much of it onehop takes before it says no, and that others are served."""

import asyncio
import contextlib
import socket
import tracemalloc

import pytest

from tests.fault.bounds import (
    CHUNKED_OK,
    CHUNKED_POST,
    REQUEST,
    by_target,
    endlessly,
    is_served,
)
from tests.harness.running_proxy import running_proxy
from tests.harness.scripted import (
    OK,
    PATIENCE_S,
    Peer,
    ScriptedUpstream,
    answering,
    client,
    fields_of,
)

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
        running_proxy(upstream.port, reader=reader, timeouts={"linger_total_s": 0.3}) as proxy,
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
            assert received.count(b"HTTP/1.1 1") <= 128
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


@pytest.mark.interpreted  # where lines of Python have no frames, nothing is told of the memory that they take
async def test_a_request_that_waits_keeps_its_fields_and_what_was_sent_of_them_and_no_more() -> None:
    count, cookie = 20, b"c" * 20_000
    arrived = 0
    all_arrived = asyncio.Event()

    async def silent(peer: Peer) -> None:
        nonlocal arrived
        await peer.head()
        arrived += 1
        if arrived == count:
            all_arrived.set()
        await peer.rest()

    upstream = ScriptedUpstream(silent)
    async with upstream.serving(), running_proxy(upstream.port) as proxy, contextlib.AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(client(proxy.port)) for _ in range(count)]
        tracemalloc.start()
        try:
            for peer in clients:
                await peer.send(REQUEST[:-2] + b"Cookie: " + cookie + b"\r\n\r\n")
            async with asyncio.timeout(PATIENCE_S):
                await all_arrived.wait()
            kept = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, "*/proxy/*")])
        finally:
            tracemalloc.stop()
        assert sum(each.size for each in kept.statistics("filename")) < 2.5 * count * len(cookie)
