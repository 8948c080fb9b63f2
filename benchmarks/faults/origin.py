"""A service that can be made to misbehave: `python -m benchmarks.faults.origin HOST PORT ARRIVALS`.

`GET /mode/NAME`, asked of it directly, makes it answer "503", "reset" the connection of each request, be "slow" (three
seconds), or be "well" again. The number of each POST is appended to the file ARRIVALS: what arrives twice shows.
SIGTERM: finishes what it has, and ends.
"""

import asyncio
import contextlib
import os
import signal
import socket
import struct
import sys
from typing import Final

from benchmarks.stress.origin import SMALL

_SLOW_S: Final = 3.0
_CLOSE_WITH_RST: Final = struct.pack("ii", 1, 0)


class Origin:
    """One instance of the service."""

    def __init__(self, arrivals: str) -> None:
        self._mode = "well"
        self._arrivals = os.open(arrivals, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self._idle: set[asyncio.StreamWriter] = set()
        self._busy = 0
        self._stopping = False

    async def serve(self, host: str, port: int) -> None:
        """Serve until SIGTERM."""
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        server = await asyncio.start_server(self._connected, host, port, backlog=4096)
        await stop.wait()
        self._stopping = True
        server.close()
        for writer in list(self._idle):
            writer.close()
        while self._busy:  # noqa: ASYNC110  # at its end, a service may as well look
            await asyncio.sleep(0.01)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while not self._stopping:
                self._idle.add(writer)
                head = await reader.readuntil(b"\r\n\r\n")
                self._idle.discard(writer)
                self._busy += 1
                try:
                    await self._exchange(head, reader, writer)
                finally:
                    self._busy -= 1
        self._idle.discard(writer)
        writer.close()

    async def _exchange(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        method, target, _ = head.split(b" ", 2)
        if target.startswith(b"/mode/"):
            self._mode = target[6:].decode("ascii")
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line)
        await reader.readexactly(int(fields.get(b"content-length", b"0")))
        if method == b"POST":
            os.write(self._arrivals, fields[b"x-number"] + b"\n")
        if target.startswith(b"/mode/") or self._mode == "well":
            self._answer(writer, b"200 OK")
        elif self._mode == "503":
            self._answer(writer, b"503 Service Unavailable")
        elif self._mode == "slow":
            await asyncio.sleep(_SLOW_S)
            self._answer(writer, b"200 OK")
        else:
            raw = writer.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _CLOSE_WITH_RST)
            writer.transport.abort()
            raise ConnectionResetError

    def _answer(self, writer: asyncio.StreamWriter, status: bytes) -> None:
        closing = b"Connection: close\r\n" if self._stopping else b""
        writer.write(b"HTTP/1.1 %b\r\nContent-Length: %d\r\n%b\r\n%b" % (status, len(SMALL), closing, SMALL))


if __name__ == "__main__":
    import uvloop

    uvloop.run(Origin(sys.argv[3]).serve(sys.argv[1], int(sys.argv[2])))
