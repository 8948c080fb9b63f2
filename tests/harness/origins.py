"""An origin that answers whatever comes, counts it, and can be ill: for tests of health, where many requests are made."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import Enum

from tests.harness.scripted import client, reset


class Mood(Enum):
    """What an origin does with a request."""

    ANSWERS = "answers"
    BREAKS = "breaks the connection"
    SILENT = "says nothing"
    WAITS = "answers once it may go on"


class LiveOrigin:
    """Serves on one address until `stop`, and again after `start`. `heads` are the requests as they came."""

    def __init__(self, address: str = "127.0.0.1", port: int = 0) -> None:
        self.address = address
        self.port = port
        self.mood = Mood.ANSWERS
        self.status = 200
        self.status_of: dict[str, int] = {}  # by path, where another
        self.requests: Counter[str] = Counter()  # by path
        self.heads: list[str] = []
        self.connections = 0
        self.go_on = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def open_connections(self) -> int:
        """How many there are now."""
        return len(self._writers)

    @property
    def url(self) -> str:
        """As an upstream's configuration names it."""
        return f"http://{self.address}:{self.port}"

    async def start(self) -> None:
        """Serve, on the same port as before."""
        self._server = await asyncio.start_server(self._serve, self.address, self.port, backlog=1024)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Serve no more: open connections break, new ones are refused."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self._writers):
            writer.transport.abort()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        self.connections += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                method, path, _ = head.split(" ", 2)
                self.heads.append(head)
                self.requests[path] += 1
                if self.mood is Mood.BREAKS:
                    reset(writer.transport)
                    return
                if self.mood is Mood.SILENT:
                    await reader.read()
                    return
                if self.mood is Mood.WAITS:
                    await self.go_on.wait()
                body = b"" if method == "HEAD" else self.address.encode()
                status = self.status_of.get(path, self.status)
                writer.write(b"HTTP/1.1 %d OK\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body))
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the proxy has closed the connection, or the test is over
        finally:
            self._tasks.discard(task)
            self._writers.discard(writer)
            writer.close()


@asynccontextmanager
async def live_origins(*origins: LiveOrigin) -> AsyncIterator[None]:
    """All of them serve; leaving stops them."""
    for origin in origins:
        await origin.start()
    try:
        yield
    finally:
        for origin in origins:
            await origin.stop()


async def ask(port: int, times: int = 1, path: str = "/") -> list[int]:
    """The statuses of so many requests, one after the other on one connection."""
    statuses = []
    async with client(port) as peer:
        for _ in range(times):
            await peer.send(f"GET {path} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
            head, _ = await peer.response()
            statuses.append(int(head.split()[1]))
    return statuses
