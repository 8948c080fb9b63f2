"""Bridges that carry plain connections over TLS, or to a Unix socket: so that every case runs over those, too.

What ends one side ends the other in the same way: an end is clean where TLS says so by close_notify, else it is a reset.
Shares no code with the proxy under test.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from tests.harness.scripted import reset

Carry = Callable[
    [asyncio.StreamReader, asyncio.StreamWriter, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]
]


@asynccontextmanager
async def to_tls(port: int, context: ssl.SSLContext) -> AsyncIterator[int]:
    """A port whose connections are carried on to `port`, which speaks TLS."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner = await asyncio.open_connection("127.0.0.1", port)
        await _Tls(context).carry(reader, writer, *inner)

    async with _serving(lambda on: asyncio.start_server(on, "127.0.0.1", 0, backlog=256), connected) as server:
        yield server.sockets[0].getsockname()[1]


@asynccontextmanager
async def from_unix(path: str, port: int) -> AsyncIterator[None]:
    """A Unix socket whose connections are carried on to `port`."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port)
        await _both(_pump(reader, inner_writer), _pump(inner_reader, writer), writer, inner_writer)

    async with _serving(lambda on: asyncio.start_unix_server(on, path, backlog=256), connected):
        yield


@asynccontextmanager
async def _serving(
    start: Callable[..., Awaitable[asyncio.Server]], connected: Callable[..., Awaitable[None]]
) -> AsyncIterator[asyncio.Server]:
    tasks: set[asyncio.Task[None]] = set()

    async def on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            with suppress(OSError, asyncio.CancelledError):
                await connected(reader, writer)
        finally:
            tasks.discard(task)
            writer.close()

    server = await start(on)
    try:
        yield server
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


async def _both(
    up: Awaitable[None], down: Awaitable[None], outer: asyncio.StreamWriter, inner: asyncio.StreamWriter
) -> None:
    try:
        await asyncio.gather(up, down)
    except ConnectionError:  # one side was broken: so is the other
        for writer in (outer, inner):
            reset(writer.transport)
    finally:
        inner.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()
    writer.write_eof()


class _Tls:
    """One connection's TLS, as a client that half-closes and takes a bare FIN for a cut."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname="a.example")

    async def carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter,
        inner: asyncio.StreamReader, to_inner: asyncio.StreamWriter,
    ) -> None:  # fmt: skip
        while True:
            try:
                self._tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                to_inner.write(self._outgoing.read())
                if not (data := await inner.read(65_536)):
                    raise ConnectionResetError from None
                self._incoming.write(data)
        to_inner.write(self._outgoing.read())
        await _both(self._send(reader, to_inner), self._receive(inner, writer), writer, to_inner)

    async def _send(self, reader: asyncio.StreamReader, to_inner: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            self._tls.write(data)
            to_inner.write(self._outgoing.read())
            await to_inner.drain()
        with suppress(ssl.SSLError):
            self._tls.unwrap()
        to_inner.write(self._outgoing.read())
        to_inner.write_eof()

    async def _receive(self, inner: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                data = self._tls.read(65_536)
            except ssl.SSLZeroReturnError:
                data = b""
            except ssl.SSLWantReadError:
                if not (data := await inner.read(65_536)):
                    raise ConnectionResetError from None
                self._incoming.write(data)
                continue
            if not data:
                break
            writer.write(data)
            await writer.drain()
        writer.write_eof()
