"""The purpose-made service behind the proxies, for what nginx does not do as an upstream.

`/chunked/N` answers in N chunks, `/bytes/N` with N bytes, `/upload` says how many bytes arrived, `/events` is an event stream that all its
listeners share, `/echo` a WebSocket. `python -m benchmarks.load.service PORT`. Trusts what it reads: it is no server.
"""

import asyncio
import base64
import hashlib
import re
import sys
import time
from functools import cache
from typing import Final, cast

CHUNK: Final = 300
EVENTS_PER_S: Final = 20
EVENT_DATA: Final = b"x" * 61  # in each event, behind the time at which that was sent
UPLOAD_DIGITS: Final = 16  # the answer to an upload begins with its size, in so many digits
FRAME_DATA: Final = 120  # under 126: the length fits the short form
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_KEY: Final = re.compile(rb"\r\nsec-websocket-key: *([^\r]+)", re.IGNORECASE)
_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 §1.3


@cache
def _chunked(chunks: int) -> bytes:
    one = b"%x\r\n%b\r\n" % (CHUNK, b"x" * CHUNK)
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + chunks * one + b"0\r\n\r\n"


@cache
def _counted(length: int) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % length + b"x" * length


def event(number: int) -> bytes:
    """One event of the stream, with the time: nanoseconds, as the clients' clock has them."""
    return b"id: %08d\ndata: %019d%b\n\n" % (number, time.monotonic_ns(), EVENT_DATA)


class Broadcast:
    """The event stream: one event for all listeners, some times a second."""

    def __init__(self) -> None:
        self.listeners: set[asyncio.Transport] = set()
        self._number = 0

    async def run(self) -> None:
        """Never ends."""
        loop = asyncio.get_running_loop()
        next_at = loop.time()
        while True:
            next_at += 1 / EVENTS_PER_S
            await asyncio.sleep(next_at - loop.time())
            self._number += 1
            text = event(self._number)
            chunk = b"%x\r\n%b\r\n" % (len(text), text)
            for listener in self.listeners:
                listener.write(chunk)


class Connection(asyncio.Protocol):
    """One connection of a proxy."""

    def __init__(self, broadcast: Broadcast) -> None:
        self._broadcast = broadcast
        self._unread = b""
        self._length = 0
        self._left = 0
        self._is_websocket = False
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._broadcast.listeners.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        if self._left:
            self._take_body(len(data))
        elif self._is_websocket:
            self._echo(data)
        else:
            self._unread += data
            if b"\r\n\r\n" in self._unread:
                head, _, body = self._unread.partition(b"\r\n\r\n")
                self._unread = b""
                self._answer(head, body)

    def _answer(self, head: bytes, body: bytes) -> None:
        path = head[head.index(b" ") + 1 : head.index(b" HTTP/")].partition(b"?")[0]
        if path.startswith(b"/chunked/"):
            self._transport.write(_chunked(int(path[9:].partition(b"/")[0])))
        elif path.startswith(b"/bytes/"):
            self._transport.write(_counted(int(path[7:].partition(b"/")[0])))
        elif path.startswith(b"/upload"):
            length = _LENGTH.search(head)
            self._left = self._length = int(length[1]) if length is not None else 0
            self._take_body(len(body))
        elif path.startswith(b"/events"):
            # nginx would hold events back without the last field.
            self._transport.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n"
                b"Transfer-Encoding: chunked\r\nX-Accel-Buffering: no\r\n\r\n"
            )
            self._broadcast.listeners.add(self._transport)
        elif path.startswith(b"/echo") and (key := _KEY.search(head)) is not None:
            self._is_websocket = True
            accept = base64.b64encode(hashlib.sha1(key[1] + _GUID, usedforsecurity=False).digest())
            self._transport.write(
                b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                b"Sec-WebSocket-Accept: %b\r\n\r\n" % accept
            )
        else:
            self._transport.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")

    def _take_body(self, arrived: int) -> None:
        self._left -= arrived
        if self._left <= 0:
            got = self._length - self._left
            text = b"%0*d" % (UPLOAD_DIGITS, got) + b"x" * (128 - UPLOAD_DIGITS)
            self._left = 0
            self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 128\r\n\r\n" + text)

    def _echo(self, data: bytes) -> None:
        self._unread += data
        size = 6 + FRAME_DATA
        while len(self._unread) >= size:
            frame, self._unread = self._unread[:size], self._unread[size:]
            if frame[0] != 0x82 or frame[1] != 0x80 | FRAME_DATA:
                self._transport.close()  # a close frame, or not what our client sends
                return
            self._transport.write(bytes((0x82, FRAME_DATA)) + masked(frame[6:], frame[2:6]))


def masked(data: bytes, key: bytes) -> bytes:
    """WebSocket payload, masked or unmasked. Its length is a multiple of four."""
    pad = int.from_bytes(key * (len(data) // 4))
    return (int.from_bytes(data) ^ pad).to_bytes(len(data))


async def _serve(port: int) -> None:
    broadcast = Broadcast()
    loop = asyncio.get_running_loop()
    await loop.create_server(lambda: Connection(broadcast), "127.0.0.1", port, backlog=4096)
    await broadcast.run()


def main() -> None:
    """Serve until killed."""
    import uvloop

    uvloop.run(_serve(int(sys.argv[1])))


if __name__ == "__main__":
    main()
