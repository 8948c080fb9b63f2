"""Bytes that all our clients write and read."""

import asyncio
from typing import Final, cast

_HEAD_END: Final = b"\r\n\r\n"
_SHARED: Final = memoryview(bytearray(262_144))  # a read is looked at before the next one: one buffer serves all
_KEPT: Final = 32  # at least, of a body's beginning

FIELDS: Final = (
    b"Host: bench.example\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
    b"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\nAccept-Language: en-US,en;q=0.5\r\n"
    b"Accept-Encoding: gzip, deflate, br\r\nCache-Control: no-cache\r\nReferer: http://bench.example/page/%d\r\n"
    b"Cookie: session=s%d; theme=dark\r\n"
)


def get(path: bytes, number: int) -> bytes:
    """A GET with 8 fields, like no other."""
    return b"GET %b/%d?q=%d HTTP/1.1\r\n%b\r\n" % (path, number, number, FIELDS % (number, number))


def length_of(head: bytes) -> int | None:
    """Content-Length of an answer's head."""
    lower = head.lower()
    at = lower.find(b"\r\ncontent-length:")
    return int(lower[at + 17 :].partition(b"\r\n")[0]) if at >= 0 else None


class Answer:
    """One answer as it was counted: its status (0: the connection broke), its length, how its body began."""

    def __init__(self, status: int, length: int, beginning: bytes) -> None:
        self.status = status
        self.length = length
        self.beginning = beginning


class Client(asyncio.BufferedProtocol):
    """One keep-alive connection: a request, its answer, the next. Bodies are counted, not kept."""

    def __init__(self) -> None:
        self._head = b""
        self._beginning = b""
        self._left = 0
        self._length = 0
        self._status = 0
        self._waiting: asyncio.Future[Answer] | None = None
        self.transport: asyncio.Transport
        self.lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def get_buffer(self, sizehint: int) -> memoryview:
        return _SHARED

    def buffer_updated(self, nbytes: int) -> None:
        if self._left:
            self._left -= nbytes
            if len(self._beginning) < _KEPT:
                self._beginning += _SHARED[: min(nbytes, _KEPT)]
        else:
            self._head += _SHARED[:nbytes]
            end = self._head.find(_HEAD_END)
            if end < 0:
                return
            head, body, self._head = self._head[: end + 2], self._head[end + 4 :], b""
            self._status = int(head[9:12])
            self._length = length_of(head) or 0
            self._left = self._length - len(body)
            self._beginning = body[:_KEPT]
        if self._left <= 0 and self._waiting is not None and not self._waiting.done():
            # Surplus shows as a wrong length.
            answer = Answer(self._status, self._length - self._left, self._beginning)
            self._left = 0
            self._waiting.set_result(answer)

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(Answer(0, 0, b""))

    async def exchange(self, *parts: bytes) -> Answer:
        """Send a request, return its answer."""
        if self.lost:
            return Answer(0, 0, b"")
        self._waiting = asyncio.get_running_loop().create_future()
        for part in parts:
            self.transport.write(part)
        return await self._waiting


async def connect(port: int) -> Client:
    """A connection to the proxy."""
    _, client = await asyncio.get_running_loop().create_connection(Client, "127.0.0.1", port)
    return client
