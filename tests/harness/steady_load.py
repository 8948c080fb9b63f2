"""A steady load of which every answer is checked: keep-alive, new connections, uploads, slow downloads, WebSockets.

Failures are counted, not raised, so that a test can say which of them may be. A client that finds its idle connection
closed opens another, as clients do; one that has sent its request and gets no answer has failed.
"""

import asyncio
import itertools
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final, NamedTuple

from tests.harness.scripted import PATIENCE_S, fields_of

_SWITCH: Final = b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
#: The example of RFC 6455 §1.3: HAProxy checks both.
_KEY: Final = b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
_ACCEPT: Final = b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
_SLOW_PARTS: Final = 10
_PART: Final = b"x" * 20_000
_PART_S: Final = 0.05  # between two: so a download lasts half a second, about as long as a reload


class Failure(NamedTuple):
    """What went wrong, when, and on which connection."""

    kind: str
    why: str
    local_port: int
    at: float


class CheckedService:
    """The service behind: it answers what the clients can check, and counts how often it was asked for each request."""

    def __init__(self) -> None:
        self.port = 0
        self.asked: Counter[bytes] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def serving(self) -> "AsyncIterator[CheckedService]":
        """Serve on a port of its own."""
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0, backlog=1024)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await server.wait_closed()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
                while await self._answer(reader, writer):
                    pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        fields = fields_of(head)
        path, number = head.split(b" ")[1], fields["x-number"][0].encode()
        self.asked[number] += 1
        begin = b"HTTP/1.1 200 OK\r\nX-Number: " + number + b"\r\n"
        if path == b"/tunnel":
            writer.write(
                b"HTTP/1.1 101 Switching Protocols\r\n" + _SWITCH + _ACCEPT + b"X-Number: " + number + b"\r\n\r\n"
            )
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
            return False
        if path == b"/slow":
            writer.write(begin + b"Content-Length: %d\r\n\r\n" % (_SLOW_PARTS * len(_PART)))
            for _ in range(_SLOW_PARTS):
                writer.write(_PART)
                await writer.drain()
                await asyncio.sleep(_PART_S)
            return True
        body = b"ok"
        if "content-length" in fields:
            body = b"%d" % len(await reader.readexactly(int(fields["content-length"][0])))
        writer.write(begin + b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        return True


class _Reader(asyncio.StreamReader):
    """What came before a reset is read first: whoever was answered by a worker that was then killed has lost nothing."""

    def set_exception(self, exc: BaseException) -> None:
        """The connection broke: asyncio's own would raise this at once, over an answer that is there."""
        self.feed_eof()


async def connect(port: int) -> "_Connection":
    """A connection to a loopback port."""
    loop = asyncio.get_running_loop()
    reader = _Reader(loop=loop)
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    transport, _ = await loop.create_connection(lambda: protocol, "127.0.0.1", port)
    return _Connection(reader, asyncio.StreamWriter(transport, protocol, reader, loop))


class _Connection:
    """A client's connection, which notices an end before it asks."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.local_port: int = writer.get_extra_info("sockname")[1]

    @property
    def is_closed(self) -> bool:
        """Whether the other side has ended it: a request would be sent in vain."""
        if self.reader.at_eof() or self.writer.is_closing():
            return True
        raw: socket.socket = self.writer.get_extra_info("socket")
        try:
            with socket.socket(fileno=socket.dup(raw.fileno())) as copy:
                return not copy.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except ConnectionError:
            return True

    def close(self) -> None:
        """Close it."""
        self.writer.close()


class SteadyLoad:
    """Clients that go on until they are told to stop, on any of several addresses."""

    def __init__(self, service: CheckedService, ports: Sequence[int]) -> None:
        self.service = service
        self.done: Counter[str] = Counter()
        self.slowest_s = 0.0
        self.failures: list[Failure] = []
        self._ports = itertools.cycle(ports)
        self._numbers = itertools.count(1)
        self._stopping = asyncio.Event()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Load, from here to `stop` or the end of the context; leaving waits for what is under way."""
        kinds = [self._keep_alive] * 4 + [self._new_connections] * 2 + [self._uploads] * 2
        tasks = [asyncio.create_task(kind()) for kind in [*kinds, *[self._downloads] * 3, *[self._tunnels] * 3]]
        try:
            yield
        finally:
            self.stop()
            async with asyncio.timeout(PATIENCE_S):
                await asyncio.gather(*tasks)

    def stop(self) -> None:
        """Begin nothing more; what is under way is finished."""
        self._stopping.set()

    def check(self, may_have_failed: Callable[[Failure], bool] = lambda _: False) -> None:
        """Assert that nothing failed but what may have, that nothing was done twice, and that all kinds were done."""
        failures = [failure for failure in self.failures if not may_have_failed(failure)]
        assert not failures, f"{len(failures)} of {self.done.total()} failed: {failures[:5]}"
        twice = [number for number, count in self.service.asked.items() if count > 1]
        assert not twice, f"done twice: {twice[:5]}"
        assert set(self.done) == {"keep-alive", "new", "upload", "slow", "tunnel"}, self.done

    # -- kinds of clients ------------------------------------------------------------------------------------------

    async def _keep_alive(self) -> None:
        connection: _Connection | None = None
        while not self._stopping.is_set():
            if connection is None or connection.is_closed:
                if connection is not None:
                    connection.close()
                connection = await self._connected("keep-alive")
            if connection is not None and not await self._exchange("keep-alive", connection, self._small):
                connection.close()
                connection = None
            await asyncio.sleep(0.002)
        if connection is not None:
            connection.close()

    async def _new_connections(self) -> None:
        while not self._stopping.is_set():
            await self._once("new", self._small)
            await asyncio.sleep(0.005)

    async def _uploads(self) -> None:
        while not self._stopping.is_set():
            await self._once("upload", self._upload)

    async def _downloads(self) -> None:
        while not self._stopping.is_set():
            await self._once("slow", self._slow)

    async def _tunnels(self) -> None:
        while not self._stopping.is_set():
            await self._once("tunnel", self._tunnel)

    async def _once(self, kind: str, exchange: "_Exchange") -> None:
        connection = await self._connected(kind)
        if connection is not None:
            await self._exchange(kind, connection, exchange)
            connection.close()

    # -- one exchange ----------------------------------------------------------------------------------------------

    async def _connected(self, kind: str) -> _Connection | None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await connect(next(self._ports))
        except (OSError, TimeoutError) as exc:
            self.failures.append(Failure(kind, f"cannot connect: {exc!r}", 0, time.monotonic()))
            return None

    async def _exchange(self, kind: str, connection: _Connection, exchange: "_Exchange") -> bool:
        """Whether the connection may be used again."""
        number, began = b"%d" % next(self._numbers), time.monotonic()
        try:
            async with asyncio.timeout(PATIENCE_S):
                goes_on = await exchange(connection, number)
        except (OSError, TimeoutError, asyncio.IncompleteReadError, AssertionError) as exc:
            self.failures.append(Failure(kind, f"{number.decode()}: {exc!r}", connection.local_port, time.monotonic()))
            return False
        self.done[kind] += 1
        if kind in ("keep-alive", "new"):
            self.slowest_s = max(self.slowest_s, time.monotonic() - began)
        return goes_on

    async def _small(self, connection: _Connection, number: bytes) -> bool:
        connection.writer.write(b"GET / HTTP/1.1\r\nHost: h\r\nX-Number: %b\r\n\r\n" % number)
        return await self._answered(connection, number, b"ok")

    async def _upload(self, connection: _Connection, number: bytes) -> bool:
        head = b"POST / HTTP/1.1\r\nHost: h\r\nX-Number: %b\r\nContent-Length: %d\r\n\r\n"
        connection.writer.write(head % (number, 5 * len(_PART)))
        for _ in range(5):
            connection.writer.write(_PART)
            await connection.writer.drain()
            await asyncio.sleep(_PART_S)
        return await self._answered(connection, number, b"%d" % (5 * len(_PART)))

    async def _slow(self, connection: _Connection, number: bytes) -> bool:
        connection.writer.write(b"GET /slow HTTP/1.1\r\nHost: h\r\nX-Number: %b\r\n\r\n" % number)
        return await self._answered(connection, number, _SLOW_PARTS * _PART)

    async def _tunnel(self, connection: _Connection, number: bytes) -> bool:
        connection.writer.write(b"GET /tunnel HTTP/1.1\r\nHost: h\r\nX-Number: %b\r\n%b\r\n" % (number, _SWITCH + _KEY))
        head = await connection.reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 "), head
        for turn in range(20):
            if self._stopping.is_set():
                break
            said = b"%b-%d" % (number, turn)
            connection.writer.write(said)
            assert await connection.reader.readexactly(len(said)) == said
            await asyncio.sleep(_PART_S / 2)
        return False

    async def _answered(self, connection: _Connection, number: bytes, body: bytes) -> bool:
        head = await connection.reader.readuntil(b"\r\n\r\n")
        fields = fields_of(head)
        assert head.startswith(b"HTTP/1.1 200 "), head
        assert fields["x-number"] == [number.decode()], "the answer to another request"
        assert await connection.reader.readexactly(int(fields["content-length"][0])) == body
        return "close" not in fields.get("connection", [""])[0].lower()


_Exchange = Callable[[_Connection, bytes], Awaitable[bool]]
