"""h11 over a pair of asyncio streams: events in, bytes out, each wait with a deadline.

Knows no endpoint. Holds no body: what is read is passed on, and writing waits until the peer reads.
"""

import asyncio
from typing import Final

import h11

IDLE_S: Final = 60.0  # onehop keeps idle upstream connections for less, so it is the one that closes
READ_BYTES: Final = 262_144
_HEAD_BYTES: Final = 65_536  # above what proxies let through: h11's own 16 KiB would hide what they do


class Wire:
    """One TCP connection that speaks HTTP/1.1 in the server's role.

    Raises OSError (TimeoutError is one) when the peer is gone or silent, and h11.RemoteProtocolError for its
    mistakes.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.http = h11.Connection(h11.SERVER, max_incomplete_event_size=_HEAD_BYTES)
        self.peer_port: int = writer.get_extra_info("peername")[1]
        self._reader = reader
        self._writer = writer

    async def read(self) -> bytes:
        """At least one byte, or `b""` once the peer has sent everything."""
        async with asyncio.timeout(IDLE_S):
            return await self._reader.read(READ_BYTES)

    async def write(self, content: bytes) -> None:
        """Write, and wait until the buffer has drained."""
        if self._writer.is_closing():
            raise ConnectionResetError("the client is gone")  # uvloop would raise RuntimeError here
        self._writer.write(content)
        async with asyncio.timeout(IDLE_S):
            await self._writer.drain()

    async def next_event(self) -> h11.Event:
        """The next part of what the client sends."""
        while True:
            event = self.http.next_event()
            if isinstance(event, h11.Event):
                return event
            # PAUSED cannot come: nobody asks for events between a request's end and the next cycle.
            self.http.receive_data(await self.read())

    async def next_request(self) -> h11.Request | None:
        """The next request's head. None if the client has no more."""
        async with asyncio.timeout(IDLE_S):  # over the whole head: a byte a minute must not hold a connection
            event = await self.next_event()
        return event if isinstance(event, h11.Request) else None

    async def linger(self) -> None:
        """Half-close, and read until the client closes.

        Closed with unread bytes, the connection would be reset, and a reset can destroy the answer.
        """
        if not self._writer.is_closing():
            self._writer.write_eof()
        async with asyncio.timeout(IDLE_S):
            while await self._reader.read(READ_BYTES):
                pass
