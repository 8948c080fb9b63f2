"""How much onehop takes of what has no end or no reader, and whether others are served meanwhile."""

import asyncio
import itertools
import socket
from collections.abc import Awaitable, Callable

from proxy.transport.stream import Stream
from tests.harness.running_proxy import RunningProxy
from tests.harness.scripted import (
    OK,
    PATIENCE_S,
    Peer,
    Script,
    client,
)

REQUEST = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
CHUNKED_POST = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
CHUNKED_OK = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
BLOCK = b"x" * 65_536

#: What may be on its way when nobody reads at the far end. Nearly all of it is the kernel's, on four sockets: 9 MB on
#: Linux, and 28 were seen beside a load, since a receive buffer may grow to 32 (net.ipv4.tcp_rmem). What onehop itself holds of it is no more than `HELD_BYTES`: `limits.connection_buffer_bytes`.
IN_FLIGHT_BYTES = 64 * 1024 * 1024
HELD_BYTES = 131_072


def held_bytes(proxy: RunningProxy) -> int:
    """What onehop has read and not yet passed to the kernel, on all its connections."""
    return sum(
        stream._unread_bytes + stream.transport.get_write_buffer_size()
        for stream in proxy.worker.deadlines.streams
        if isinstance(stream, Stream)
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


def by_target(odd: Callable[[Peer, bytes], Awaitable[object]]) -> Script:
    """A script that serves `/other` plainly, and anything else by `odd`."""

    async def script(peer: Peer) -> None:
        while True:
            try:
                head = await peer.head()
            except (asyncio.IncompleteReadError, ConnectionError):
                return
            if b" /other " not in head:
                await odd(peer, head)
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
