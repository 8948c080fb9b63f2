"""The service behind the proxies: `python -m benchmarks.stress.origin PORT [HOST]`. SIGTERM: finishes what it has, closes, ends.

`/small` answers 128 bytes, `/slow/MS` after so many milliseconds, `/big/N` N bytes, `/interims/N` N times 102 before its
answer, `/unread` never reads a body, `/tunnel` switches protocols and sends everything back. A body is read whole before the answer, which says how often the request's
`X-Number` has arrived here: so a POST that was sent twice shows.
"""

import asyncio
import contextlib
import signal
import sys
from collections import Counter
from typing import Final

SMALL: Final = b"x" * 128
_PIECE: Final = b"x" * 65_536


class Origin:
    """One instance of the service."""

    def __init__(self) -> None:
        self._arrived: Counter[bytes] = Counter()
        self._idle: set[asyncio.StreamWriter] = set()
        self._stopping = False
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self, port: int, host: str) -> None:
        """Serve until SIGTERM."""
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        server = await asyncio.start_server(self._connected, host, port, backlog=4096, reuse_port=True)
        await stop.wait()
        self._stopping = True
        server.close()
        for writer in list(self._idle):
            writer.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(5):
                await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            while not self._stopping:
                self._idle.add(writer)
                head = await reader.readuntil(b"\r\n\r\n")
                self._idle.discard(writer)
                if not await self._exchange(head, reader, writer):
                    break
        self._tasks.discard(task)
        self._idle.discard(writer)
        writer.close()

    async def _exchange(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        path = head.split(b" ", 2)[1].decode("latin-1")
        fields = {
            name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in head.split(b"\r\n")[1:])
        }
        if path == "/tunnel":
            writer.write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
            while data := await reader.read(65_536):
                writer.write(data)
            return False
        if path.startswith("/unread"):
            await asyncio.sleep(3600)
        for _ in range(int(path[10:]) if path.startswith("/interims/") else 0):
            writer.write(b"HTTP/1.1 102 Processing\r\n\r\n")
        await _read_body(fields, reader)
        if path.startswith("/slow/"):
            await asyncio.sleep(int(path[6:]) / 1000)
        length = int(path[5:]) if path.startswith("/big/") else len(SMALL)
        number = fields.get(b"x-number", b"")
        self._arrived[number] += 1
        closing = b"Connection: close\r\n" if self._stopping else b""
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nX-Arrived: %d\r\n%b\r\n"
            % (length, self._arrived[number], closing)
        )
        if length == len(SMALL):
            writer.write(SMALL)
        else:
            for start in range(0, length, len(_PIECE)):
                writer.write(_PIECE[: length - start])
                await writer.drain()
        return not closing


async def _read_body(fields: dict[bytes, bytes], reader: asyncio.StreamReader) -> None:
    if b"content-length" in fields:
        left = int(fields[b"content-length"])
        while left:
            left -= len(await reader.readexactly(min(left, 65_536)))
    elif b"transfer-encoding" in fields:
        while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
            await reader.readexactly(size + 2)
        while await reader.readuntil(b"\r\n") != b"\r\n":
            pass


if __name__ == "__main__":
    import uvloop

    uvloop.run(Origin().serve(int(sys.argv[1]), sys.argv[2] if sys.argv[2:] else "127.0.0.1"))
