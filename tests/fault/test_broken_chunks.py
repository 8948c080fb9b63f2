"""A response whose chunked coding breaks: what came before is delivered, and the end is not clean."""

import asyncio

import pytest

from tests.harness.running_proxy import running_proxy
from tests.harness.scripted import Peer, ScriptedUpstream, client

BEGUN = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n"


@pytest.mark.parametrize(
    ("broken", "delivered"),
    [
        (b"5\r\nhello\r\nnonsense\r\n", b"hello"),
        (b"5\r\nhello\r\n3\r\nyou\r\nzz\r\n", b"helloyou"),
        (b"5\r\nhello, too long\r\n", b"hello"),
        (b"5\r\nhello\r\n0\r\nBad Trailer: x\r\n\r\n", b"hello"),
        (b"nonsense\r\n", b""),
    ],
)
async def test_what_came_before_a_broken_chunk_is_delivered(broken: bytes, delivered: bytes, reader: str) -> None:
    go = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(BEGUN)
        await go.wait()
        await peer.send(broken)
        await peer.rest()

    upstream = ScriptedUpstream(script)
    async with upstream.serving(), running_proxy(upstream.port, reader=reader) as proxy, client(proxy.port) as peer:
        await peer.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        await peer.head()
        assert await peer.exactly(7) == b"2\r\nhi\r\n"
        go.set()
        assert await peer.rest() == (b"%x\r\n%b\r\n" % (len(delivered), delivered) if delivered else b"")
        await proxy.records.wait_for(1)
        record = proxy.records[0]
        assert (record.status, record.error, record.response_bytes) == (200, "bad_response", 2 + len(delivered))
