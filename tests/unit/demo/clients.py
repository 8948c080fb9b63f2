"""A client of the demo service, byte for byte. Every wait is for an event, under one time-out."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

PATIENCE_S: Final = 10.0


class Client:
    """One connection to the service."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, request: bytes) -> None:
        self.writer.write(request)
        await self.writer.drain()

    async def head(self) -> bytes:
        async with asyncio.timeout(PATIENCE_S):
            return await self.reader.readuntil(b"\r\n\r\n")

    async def exactly(self, size: int) -> bytes:
        async with asyncio.timeout(PATIENCE_S):
            return await self.reader.readexactly(size)

    async def rest(self) -> bytes:
        async with asyncio.timeout(PATIENCE_S):
            return await self.reader.read()

    async def answer(self) -> tuple[bytes, bytes]:
        """A head, and the body its Content-Length delimits."""
        head = await self.head()
        return head, await self.exactly(int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0]))


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[Client]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**20)
    try:
        yield Client(reader, writer)
    finally:
        writer.close()


def get(target: str, *lines: str, method: str = "GET") -> bytes:
    return "\r\n".join([f"{method} {target} HTTP/1.1", "Host: demo", *lines, "", ""]).encode()


async def fetch(port: int, request: bytes) -> tuple[bytes, bytes]:
    """Head and body of the only answer, on a connection that the client wants closed after it."""
    async with connected(port) as client:
        await client.send(request.replace(b"\r\nHost:", b"\r\nConnection: close\r\nHost:", 1))
        head, _, body = (await client.rest()).partition(b"\r\n\r\n")
        return head, body
