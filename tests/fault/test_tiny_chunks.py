"""Tens of thousands of tiny chunks in one read hold up nobody else."""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import process_time

import pytest

from tests.fault.bounds import CHUNKED_OK, REQUEST
from tests.harness.running_proxy import running_proxy
from tests.harness.scripted import OK, PATIENCE_S, Peer, ScriptedUpstream, client

COUNT = 43_000
TINY = b"1\r\na\r\n" * COUNT
LAST = b"0\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
#: CPU time of one turn of the loop, the test's own peers included; without a bound it took 30 to 220 ms.
MOST_CPU_S = 0.02


@asynccontextmanager
async def longest_turn() -> AsyncIterator[list[float]]:
    """Measures how long the loop was kept from everybody else, in CPU time: other processes do not count, nor does
    looking for cycles among all that a long run of tests has left in memory."""
    loop, longest, ended = asyncio.get_running_loop(), [0.0], False
    gc.collect()
    gc.disable()
    last = process_time()

    def turn() -> None:
        nonlocal last
        now = process_time()
        longest[0] = max(longest[0], now - last)
        last = now
        if not ended:
            loop.call_soon(turn)

    loop.call_soon(turn)
    try:
        yield longest
    finally:
        gc.enable()
        ended = True
        await asyncio.sleep(0)


def data_of(chunked: bytes) -> bytes:
    """The data of a chunked body that is whole, read as the RFC says, with as few steps as there are chunks."""
    data: list[bytes] = []
    rest = chunked
    while True:
        size, _, rest = rest.partition(b"\r\n")
        length = int(size, 16)
        if length == 0:
            assert rest == b"\r\n"
            return b"".join(data)
        data.append(rest[:length])
        assert rest[length : length + 2] == b"\r\n"
        rest = rest[length + 2 :]


async def test_an_upload_of_tiny_chunks_leaves_the_loop_to_others(reader: str) -> None:
    received: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def takes(peer: Peer) -> None:
        await peer.head()
        got = b""
        while not got.endswith(LAST):
            got += await peer.some()
        received.set_result(got)
        await peer.send(OK)
        await peer.rest()

    upstream = ScriptedUpstream(takes)
    async with upstream.serving(), running_proxy(upstream.port, reader=reader) as proxy, client(proxy.port) as peer:
        async with longest_turn() as longest, asyncio.timeout(PATIENCE_S):
            await peer.send(POST + TINY + LAST)
            await received
        assert (await peer.response())[1] == b"ok"
    assert data_of(received.result()) == b"a" * COUNT
    assert longest[0] < MOST_CPU_S


@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
async def test_a_response_of_tiny_chunks_leaves_the_loop_to_others(reader: str, version: bytes) -> None:
    async def answers(peer: Peer) -> None:
        await peer.head()
        await peer.send(CHUNKED_OK + TINY + LAST)
        await peer.rest()

    upstream = ScriptedUpstream(answers)
    async with (
        upstream.serving(),
        running_proxy(upstream.port, reader=reader) as proxy,
        client(proxy.port) as peer,
        longest_turn() as longest,
        asyncio.timeout(PATIENCE_S),
    ):
        await peer.send(REQUEST.replace(b"1.1", version))
        await peer.head()
        got = b""
        while not (got.endswith(LAST) if version == b"1.1" else len(got) == COUNT):
            got += await peer.some()
    assert (data_of(got) if version == b"1.1" else got) == b"a" * COUNT
    assert longest[0] < MOST_CPU_S
