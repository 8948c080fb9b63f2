"""A load whose clients count what they get, to compare it with what an instance has counted."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.harness.scripted import client
from tests.harness.waiting import until

GET = b"GET /a HTTP/1.1\r\nHost: h\r\nConnection: keep-alive\r\n\r\n"


class Load:
    """Clients that ask one request after another, and count what they get."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.answered = 0
        self.cut = 0  # requests whose connection ended before their answer
        self.waiting: set[int] = set()  # for an answer: their local ports
        self._stopping = False

    @asynccontextmanager
    async def running(self, clients: int) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(self._ask()) for _ in range(clients)]
        try:
            yield
        finally:
            self._stopping = True
            await asyncio.gather(*tasks)

    async def more(self, number: int) -> None:
        """Wait until so many more have been answered."""
        wanted = self.answered + number
        await until(lambda: self.answered >= wanted)

    async def _ask(self) -> None:
        while not self._stopping:
            async with client(self._port) as peer:
                stays_open, port = True, peer.local_port
                while stays_open and not self._stopping:
                    try:
                        self.waiting.add(port)
                        await peer.send(GET)
                        head, body = await peer.response()
                    except (OSError, asyncio.IncompleteReadError):
                        self.cut += 1
                        break
                    finally:
                        self.waiting.discard(port)
                    assert (head.startswith(b"HTTP/1.1 200 "), body) == (True, b"ok"), head
                    self.answered += 1
                    stays_open = b"connection: close" not in head.lower()
