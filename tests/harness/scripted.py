"""Peers as scripts on real sockets: what a client or an upstream says, byte for byte, and what it must hear.

Nothing here sleeps: every wait is for an event, under one time-out.
"""

import asyncio
import os
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import cast

from tests.harness.strict import CHUNK_LINE

#: Every wait of the tests, in seconds. Slow machines raise it with one factor.
PATIENCE_S = 10.0 * float(os.environ.get("TEST_PATIENCE", "1"))


class Peer:
    """One end of a TCP connection, in the hands of a test."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, data: bytes) -> None:
        """Send bytes, and wait until the kernel has taken them."""
        self._writer.write(data)
        async with asyncio.timeout(PATIENCE_S):
            await self._writer.drain()

    async def send_bytewise(self, data: bytes) -> None:
        """Send one byte per segment: TCP_NODELAY is on, and each is handed to the kernel alone."""
        for position in range(len(data)):
            await self.send(data[position : position + 1])
            await asyncio.sleep(0)

    async def head(self) -> bytes:
        """One head, blank line included."""
        async with asyncio.timeout(PATIENCE_S):
            return await self._reader.readuntil(b"\r\n\r\n")

    async def exactly(self, count: int) -> bytes:
        """Exactly `count` bytes."""
        async with asyncio.timeout(PATIENCE_S):
            return await self._reader.readexactly(count)

    async def some(self) -> bytes:
        """At least one byte, or `b""` at the end."""
        async with asyncio.timeout(PATIENCE_S):
            return await self._reader.read(65536)

    async def rest(self) -> bytes:
        """Everything until the other side closes. A reset counts as an end."""
        received = bytearray()
        async with asyncio.timeout(PATIENCE_S):
            try:
                while data := await self._reader.read(65536):
                    received += data
            except ConnectionError:
                pass
        return bytes(received)

    async def response(self, method: str = "GET") -> tuple[bytes, bytes]:
        """One response: its head, and its body decoded from length, chunks or close."""
        head = await self.head()
        status = int(head.split(b" ", 2)[1])
        fields = fields_of(head)
        if method == "HEAD" or status < 200 or status in (204, 304):
            return head, b""
        if fields.get("transfer-encoding") == ["chunked"]:
            return head, (await self.chunked())[0]
        if "content-length" in fields:
            return head, await self.exactly(int(fields["content-length"][0]))
        return head, await self.rest()

    async def chunked(self) -> tuple[bytes, bytes]:
        """One chunked body, decoded, and its trailer section as received."""
        body = bytearray()
        async with asyncio.timeout(PATIENCE_S):
            while size := await self._chunk_size():
                body += await self._reader.readexactly(size)
                assert await self._reader.readexactly(2) == b"\r\n"
            trailers = bytearray()
            while (line := await self._reader.readuntil(b"\r\n")) != b"\r\n":
                trailers += line
        return bytes(body), bytes(trailers)

    async def _chunk_size(self) -> int:
        line = (await self._reader.readuntil(b"\r\n"))[:-2]
        found = CHUNK_LINE.fullmatch(line)
        assert found is not None, f"chunk size {line!r}"
        return int(found[1], 16)

    async def ended(self) -> bool:
        """Wait until the other side has ended; fails if it sends anything more."""
        return await self.rest() == b""

    def pause_reading(self) -> None:
        """Leave what arrives to the kernel, whose buffers are bounded."""
        cast("asyncio.Transport", self._writer.transport).pause_reading()

    def resume_reading(self) -> None:
        """Read on."""
        cast("asyncio.Transport", self._writer.transport).resume_reading()

    def half_close(self) -> None:
        """End our side; the other may go on sending."""
        self._writer.write_eof()

    def reset(self) -> None:
        """Break the connection: the other side sees RST."""
        reset(self._writer.transport)

    def tls(self) -> ssl.SSLObject:
        """The connection as OpenSSL sees it."""
        return cast("ssl.SSLObject", self._writer.get_extra_info("ssl_object"))

    def abort(self) -> None:
        """Close at once, without a word of TLS."""
        self._writer.transport.abort()

    def fileno(self) -> int:
        """The descriptor of our end: for what must be sent at once."""
        descriptor: int = self._writer.get_extra_info("socket").fileno()
        return descriptor

    @property
    def local_port(self) -> int:
        """Our port of the connection."""
        port: int = self._writer.get_extra_info("sockname")[1]
        return port

    async def close(self) -> None:
        """Close properly."""
        self._writer.close()
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._writer.wait_closed()
        except ConnectionError:
            pass


def reset(transport: asyncio.WriteTransport) -> None:
    """Break a connection: the other side sees RST."""
    raw = transport.get_extra_info("socket")
    if raw is not None:  # else it has ended already: uvloop has no socket for it then
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


def fields_of(head: bytes) -> dict[str, list[str]]:
    """The field lines of a head: lower-case name to its values in order."""
    found: dict[str, list[str]] = {}
    for line in head.split(b"\r\n")[1:]:
        if line:
            name, _, value = line.decode("latin-1").partition(":")
            found.setdefault(name.lower(), []).append(value.strip())
    return found


@asynccontextmanager
async def client(port: int) -> AsyncIterator[Peer]:
    """A client connected to `port`."""
    peer = Peer(*await asyncio.open_connection("127.0.0.1", port))
    try:
        yield peer
    finally:
        await peer.close()


@asynccontextmanager
async def raw_client(port: int, buffer_bytes: int = 65_536) -> AsyncIterator[socket.socket]:
    """A client on a bare socket with small buffers: it reads only when told to."""
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer_bytes)
    raw.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", port))
        yield raw
    finally:
        raw.close()


Script = Callable[[Peer], Awaitable[None]]


class ScriptedUpstream:
    """A service that plays one script per connection, in order of arrival; the last one serves all further ones."""

    def __init__(self, *scripts: Script) -> None:
        self._scripts = list(scripts)
        self._failures: list[BaseException] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self.connections = 0
        self.port = 0

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        script = self._scripts[min(self.connections, len(self._scripts) - 1)]
        self.connections += 1
        peer = Peer(reader, writer)
        try:
            await script(peer)
        except asyncio.CancelledError:
            pass  # the test is over, and this connection was still open: that is no failure
        except ConnectionError:
            pass  # the proxy gave up this connection within a send: what the client then sees is for the test to judge
        except Exception as exc:
            self._failures.append(exc)
        finally:
            self._tasks.discard(task)
            writer.close()

    @asynccontextmanager
    async def serving(self, tls: ssl.SSLContext | None = None, path: str = "") -> "AsyncIterator[ScriptedUpstream]":
        """Serve, on a Unix socket at `path` if one is given; leaving ends what still runs, and raises what failed in a
        script."""
        if path:
            server = await asyncio.start_unix_server(self._connected, path, backlog=1024)
        else:
            server = await asyncio.start_server(self._connected, "127.0.0.1", 0, backlog=1024, ssl=tls)
            self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await server.wait_closed()
        if self._failures:
            raise ExceptionGroup(
                "the upstream's script failed", [e for e in self._failures if isinstance(e, Exception)]
            )


def answering(*responses: bytes, requests: list[bytes] | None = None) -> Script:
    """A script that answers each request head (and counted or chunked body) with the next response, until the other
    side closes. What was received is appended to `requests`."""

    async def script(peer: Peer) -> None:
        for response in responses:
            try:
                head = await peer.head()
            except asyncio.IncompleteReadError as exc:
                assert exc.partial == b"", "the connection ended within a request"
                return
            fields = fields_of(head)
            body = b""
            if "content-length" in fields:
                body = await peer.exactly(int(fields["content-length"][0]))
            elif "transfer-encoding" in fields:
                body = (await peer.chunked())[0]
            if requests is not None:
                requests.append(head + body)
            await peer.send(response)
        await peer.rest()

    return script


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
