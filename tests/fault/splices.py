"""Watches what `os.splice` moves, and that no descriptor of a splice is left open."""

import asyncio
import contextlib
import os
import random
import socket
import struct
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.harness.running_proxy import RunningProxy, running_proxy
from tests.harness.scripted import PATIENCE_S, ScriptedUpstream
from tests.harness.waiting import until

GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
SIZE = 16_000_000  # more than the kernel takes for a receiver that does not read
BODY = random.Random(3).randbytes(SIZE)
RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % SIZE + BODY
POST = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % SIZE + BODY
LARGEST_READ = 1_000_000  # of a head and what comes with it, and of the end of a body

Splicing = Callable[[int, int, int], int]


class Watched:
    """Stands for `os.splice`: counts the bytes that it moves out of connections, and raises what a test wants."""

    def __init__(self, real: Splicing) -> None:
        self._real = real
        self.moved = 0
        self.blocked = asyncio.Event()  # a receiver took no more
        self.refusal: int | None = None  # errno
        self.refuses_from_pipe = False
        self.before: Callable[[bool], None] | None = None  # called before bytes are moved, and whether from a pipe

    def __call__(self, source: int, target: int, count: int) -> int:
        from_pipe = os.readlink(f"/proc/self/fd/{source}").startswith("pipe:")
        if self.refusal is not None and from_pipe is self.refuses_from_pipe:
            raise OSError(self.refusal, os.strerror(self.refusal))
        if self.before is not None:
            self.before(from_pipe)
        try:
            moved = self._real(source, target, count)
        except BlockingIOError:
            if from_pipe:
                self.blocked.set()
            raise
        self.moved += 0 if from_pipe else moved
        return moved

    async def until_blocked(self) -> None:
        async with asyncio.timeout(PATIENCE_S):
            await self.blocked.wait()


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Watched:
    found = Watched(os.splice)
    monkeypatch.setattr(os, "splice", found)
    return found


def reset(raw: socket.socket) -> None:
    """Reset a connection."""
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    raw.close()


async def reset_while_written_to(watched: Watched, raw: socket.socket) -> None:
    """Let `raw`, to which bytes are moved and which has read none, read until it is written to again, and reset it
    right before that."""
    watched.before = lambda from_pipe: reset(raw) if from_pipe else None
    async with asyncio.timeout(PATIENCE_S):
        while raw.fileno() >= 0:
            with contextlib.suppress(BlockingIOError):
                raw.recv(65_536)
            await asyncio.sleep(0)
    watched.before = None


@asynccontextmanager
async def proxying(upstream: ScriptedUpstream, **settings: Any) -> AsyncIterator[RunningProxy]:
    """A proxy in front of a service. Checks at its end that no descriptor of a splice is left open."""
    async with upstream.serving(), running_proxy(upstream.port, **settings) as proxy:
        before = extra_descriptors()
        assert proxy.worker.deadlines.most_splices > 0
        yield proxy
        await until(lambda: extra_descriptors() <= before)
        assert proxy.worker.deadlines.splices == 0


def extra_descriptors() -> int:
    """Pipes, and second descriptors of one socket."""
    targets: Counter[str] = Counter()
    for descriptor in os.listdir("/proc/self/fd"):
        try:
            targets[os.readlink(f"/proc/self/fd/{descriptor}")] += 1
        except FileNotFoundError:  # that of the list itself
            continue
    return sum(
        count if target.startswith("pipe:") else count - 1
        for target, count in targets.items()
        if target.startswith(("pipe:", "socket:"))
    )
