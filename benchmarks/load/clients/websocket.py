"""WebSocket echo: each client sends a message and waits until it comes back, byte for byte."""

import asyncio
import os
from typing import Final, cast

from benchmarks.load.clients.script import Cue
from benchmarks.load.clients.wire import FIELDS
from benchmarks.load.samples import Load
from benchmarks.load.service import FRAME_DATA, masked

_CLIENTS: Final = 32


class Echo(asyncio.Protocol):
    """One WebSocket. `requests` counts the messages that came back right."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._unread = b""
        self._sent = b""
        self.opened: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.requests = 0
        self.bad = 0
        self.running = False
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(
            b"GET /echo/%d HTTP/1.1\r\n%bConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            % (self._number, FIELDS % (self._number, self._number))
        )

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.opened.done():
            self.opened.set_result(False)
        if self.running:
            self.bad += 1

    def data_received(self, data: bytes) -> None:
        self._unread += data
        if not self.opened.done():
            head, end, rest = self._unread.partition(b"\r\n\r\n")
            if end:
                self._unread = rest
                self.opened.set_result(head[9:12] == b"101" and b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head)
            return
        if len(self._unread) < 2 + FRAME_DATA:
            return
        if self._unread != bytes((0x82, FRAME_DATA)) + self._sent:
            self.bad += 1
            self._transport.abort()
            return
        self.requests += 1
        self._unread = b""
        if self.running:
            self.send()

    def send(self) -> None:
        """Send the next message: like no other."""
        self._number += _CLIENTS
        self._sent = b"%0*d" % (FRAME_DATA, self._number)
        key = os.urandom(4)
        self._transport.write(bytes((0x82, 0x80 | FRAME_DATA)) + key + masked(self._sent, key))


async def echo(port: int, cue: Cue) -> Load:
    """Open all, then send in turn."""
    loop = asyncio.get_running_loop()
    clients: list[Echo] = []
    for number in range(_CLIENTS):
        _, client = await loop.create_connection(lambda n=number: Echo(n), "127.0.0.1", port)  # type: ignore[misc]
        clients.append(client)
    opened = await asyncio.wait_for(asyncio.gather(*(client.opened for client in clients)), 10)
    bad = opened.count(False)
    await cue.ready()
    begun = loop.time()
    for client in clients:
        client.running = True
        client.send()
    await asyncio.sleep(cue.seconds)
    duration = loop.time() - begun
    for client in clients:
        client.running = False
    return Load(sum(c.requests for c in clients), duration, bad + sum(c.bad for c in clients))
