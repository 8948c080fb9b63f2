"""One event stream, many listeners. A request here is one event that reached one listener, complete and in turn."""

import asyncio
import re
import time
from typing import Final, cast

from benchmarks.load.clients.script import Cue
from benchmarks.load.clients.wire import get
from benchmarks.load.samples import Load
from benchmarks.load.service import EVENT_DATA, EVENTS_PER_S

_EVENT: Final = re.compile(rb"id: (\d{8})\ndata: (\d{19})" + EVENT_DATA + rb"\n\n")
_SIZE: Final = re.compile(rb"([0-9A-Fa-f]+)[^\r]*\r\n")


class Listener(asyncio.Protocol):
    """One client of the stream."""

    def __init__(self, number: int) -> None:
        self._request = get(b"/events", number)
        self._head = b""
        self._coded = b""  # chunks, as they arrived
        self._text = b""
        self._chunked = False
        self._last = 0
        self.seen = 0
        self.bad = 0
        self.lateness: list[int] = []  # of each event, in nanoseconds
        self.first_event: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._transport: asyncio.Transport
        self._is_open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._request)

    def connection_lost(self, exc: Exception | None) -> None:
        self.bad += 1
        if not self.first_event.done():
            self.first_event.set_result(None)

    def data_received(self, data: bytes) -> None:
        if not self._is_open:
            self._head += data
            head, blank_line, data = self._head.partition(b"\r\n\r\n")
            if not blank_line:
                return
            self._is_open = True
            self._chunked = b"\r\ntransfer-encoding: chunked" in head.lower()
            if head[9:12] != b"200":
                self.bad += 1
        self._text += self._decoded(data) if self._chunked else data
        end, now = 0, time.monotonic_ns()
        for event in _EVENT.finditer(self._text):
            if event.start() != end or (self._last and int(event[1]) != self._last + 1):
                self.bad += 1  # a gap, or anything else between two events
            self._last = int(event[1])
            self.seen += 1
            self.lateness.append(now - int(event[2]))
            end = event.end()
        self._text = self._text[end:]
        if self.seen and not self.first_event.done():
            self.first_event.set_result(None)

    def _decoded(self, data: bytes) -> bytes:
        self._coded += data
        pieces: list[bytes] = []
        position = 0
        while (size := _SIZE.match(self._coded, position)) is not None:
            end = size.end() + int(size[1], 16)
            if len(self._coded) < end + 2:
                break
            pieces.append(self._coded[size.end() : end])
            position = end + 2
        self._coded = self._coded[position:]
        return b"".join(pieces)


async def fan_out(port: int, cue: Cue, listeners: int) -> Load:
    """Listen with many, once all have heard something."""
    loop = asyncio.get_running_loop()
    clients: list[Listener] = []
    for number in range(listeners):
        _, client = await loop.create_connection(lambda n=number: Listener(n), "127.0.0.1", port)  # type: ignore[misc]
        clients.append(client)
    await asyncio.wait_for(asyncio.gather(*(client.first_event for client in clients)), 10)
    await cue.ready()
    begun = loop.time()
    before = sum(client.seen for client in clients)
    for client in clients:
        client.lateness.clear()
    await asyncio.sleep(cue.seconds)
    duration = loop.time() - begun
    seen = sum(client.seen for client in clients) - before
    # Whoever fell behind by more than two events did not keep up.
    missing = max(0, int((cue.seconds * EVENTS_PER_S - 2) * listeners) - seen)
    late = sorted(nanoseconds for client in clients for nanoseconds in client.lateness)
    p50, p99 = (late[int(len(late) * share)] / 1e9 for share in (0.5, 0.99)) if late else (None, None)
    return Load(seen, duration, sum(client.bad for client in clients) + missing, p50_s=p50, p99_s=p99)
