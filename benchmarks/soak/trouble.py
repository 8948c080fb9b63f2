"""What goes wrong: origins and workers that are killed, reloads, clients that leave half-way; and clients over TLS."""

import asyncio
import os
import random
import signal
import socket
import ssl
import struct
import time
from collections import Counter
from contextlib import suppress
from typing import Final

from tests.harness.processes import OnehopProcess
from tests.harness.steady_load import CheckedService

_RESET: Final = struct.pack("ii", 1, 0)
_ASK: Final = b"GET /%b HTTP/1.1\r\nHost: h\r\nX-Number: t%d\r\n\r\n"


class MortalService(CheckedService):
    """A service that dies with its connections, and comes back at the same port."""

    async def live(self) -> None:
        """Serve, from now on."""
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self.port, backlog=1024)
        self.port = self._server.sockets[0].getsockname()[1]

    async def die(self) -> None:
        """As a process that is killed."""
        self._server.close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Events:
    """What was done to the instance, and when."""

    def __init__(self) -> None:
        self.done: Counter[str] = Counter()
        self._at: list[float] = []

    def note(self, what: str) -> None:
        """It happens now."""
        self.done[what] += 1
        self._at.append(time.monotonic())

    def explains(self, at: float, within_s: float) -> bool:
        """Whether something happened shortly before `at`."""
        return any(0 <= at - event <= within_s for event in self._at)


async def kill_origins(services: list[MortalService], every_s: float, events: Events) -> None:
    """One after the other, for 2 seconds each."""
    while True:
        for service in services:
            await asyncio.sleep(every_s)
            events.note("an origin is killed")
            await service.die()
            await asyncio.sleep(2.0)
            await service.live()


async def trouble_workers(proxy: OnehopProcess, every_s: float, events: Events) -> None:
    """Reloads and killed workers, in turn."""
    while True:
        await asyncio.sleep(every_s)
        events.note("a reload")
        proxy.process.send_signal(signal.SIGHUP)
        await asyncio.sleep(every_s)
        workers = proxy.worker_pids()
        if workers:
            events.note("a worker is killed")
            with suppress(ProcessLookupError):
                os.kill(random.choice(workers), signal.SIGKILL)  # no secret


async def abort(port: int, done: Counter[str]) -> None:
    """Clients that leave at any moment, and in any way."""
    loop, rng = asyncio.get_running_loop(), random.Random(1)  # no secret
    number = 0
    while True:
        number += 1
        way = rng.choice(("in a head", "in a body", "in an answer", "at once"))
        with suppress(OSError), socket.socket() as raw:
            raw.setblocking(False)
            await loop.sock_connect(raw, ("127.0.0.1", port))
            if way == "in a head":
                await loop.sock_sendall(raw, b"GET / HTTP/1.1\r\nHo")
            elif way == "in a body":
                head = b"POST / HTTP/1.1\r\nHost: h\r\nX-Number: a%d\r\nContent-Length: 900000\r\n\r\n"
                await loop.sock_sendall(raw, head % number + b"x" * 30_000)
            elif way == "in an answer":
                await loop.sock_sendall(raw, _ASK % (b"slow", number))
            await asyncio.sleep(rng.choice((0.0, 0.01, 0.2)))
            if rng.random() < 0.5:
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        done[f"left {way}"] += 1
        await asyncio.sleep(0.01)


async def ask_over_tls(port: int, authority: str, done: Counter[str]) -> None:
    """Connections of up to five requests; some leave within TLS's handshake, some without close_notify."""
    context = ssl.create_default_context(cafile=authority)
    rng = random.Random(2)  # no secret
    number = 0
    while True:
        with suppress(OSError, asyncio.IncompleteReadError, TimeoutError):
            async with asyncio.timeout(10.0):
                if rng.random() < 0.1:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.write(b"\x16\x03\x01\x02\x00\x01")
                    await asyncio.sleep(0.05)
                    writer.transport.abort()
                    done["left in a TLS handshake"] += 1
                    continue
                reader, writer = await asyncio.open_connection(
                    "127.0.0.1", port, ssl=context, server_hostname="soak.example"
                )
                try:
                    for _ in range(rng.randrange(1, 6)):
                        number += 1
                        writer.write(_ASK % (b"", number))
                        head = await reader.readuntil(b"\r\n\r\n")
                        length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
                        await reader.readexactly(int(length))
                        done["over TLS" if head.startswith(b"HTTP/1.1 200") else "over TLS, not 200"] += 1
                    if rng.random() < 0.3:
                        writer.transport.abort()
                finally:
                    writer.close()
        await asyncio.sleep(0.02)
