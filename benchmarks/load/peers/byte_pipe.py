"""Bytes from one connection to another, on uvloop, and no HTTP at all: no proxy that uses uvloop costs less.

`python -m benchmarks.load.peers.byte_pipe PORT UPSTREAM_PORT`. Each client gets a connection of its own. What a slow
receiver does not take is held without a bound: it is no proxy.
"""

import asyncio
import sys
from typing import cast

import uvloop


class Side(asyncio.Protocol):
    """One of two connections."""

    def __init__(self, upstream_port: int, other: "Side | None" = None) -> None:
        self._upstream_port = upstream_port
        self._other = other
        self._early: list[bytes] = []  # arrived before there was a connection to the service
        self._transport: asyncio.Transport
        self._connecting: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        if self._other is None:
            self._connecting = asyncio.get_running_loop().create_task(self._connect())
        else:
            self._other.join(self)

    def join(self, other: "Side") -> None:
        """Pass bytes on to `other` from now on, those that came early first."""
        self._other = other
        for data in self._early:
            other._transport.write(data)

    def close(self) -> None:
        """End this side."""
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        other = self._other
        if other is None:
            self._early.append(data)
        else:
            other._transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._other is not None:
            self._other.close()

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: Side(self._upstream_port, self), "127.0.0.1", self._upstream_port)


async def _serve(port: int, upstream_port: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Side(upstream_port), "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


def main() -> None:
    """Serve until killed."""
    uvloop.run(_serve(int(sys.argv[1]), int(sys.argv[2])))


if __name__ == "__main__":
    main()
