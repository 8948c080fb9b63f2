"""Addresses of one name: a port on several loopback addresses, of which some swallow every attempt to connect."""

import asyncio
import contextlib
import os
import resource
import select
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any

import pytest
import uvloop

from tests.harness.scripted import PATIENCE_S

LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture(params=LOOPS)
def run(request: pytest.FixtureRequest) -> Callable[[Coroutine[Any, Any, None]], None]:
    """Runs a coroutine on each of the event loops that onehop serves on."""

    def run_on(scenario: Coroutine[Any, Any, None]) -> None:
        with asyncio.Runner(loop_factory=LOOPS[request.param]) as runner:
            runner.run(scenario)

    return run_on


@contextlib.contextmanager
def black_hole(address: str, port: int = 0) -> Iterator[int]:
    """A port at which no attempt to connect gets an answer: its queue is full, so the kernel drops what arrives."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(socket.socket(family))
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((address, port))
        listening.listen(0)
        while True:
            filler = stack.enter_context(socket.socket(family))
            filler.setblocking(False)
            filler.connect_ex(listening.getsockname())
            if not select.select([], [filler], [], 0.1)[1]:
                break  # the queue is full
        yield listening.getsockname()[1]


class Listener:
    """Accepts on one address and says nothing; knows who came, and who is still there."""

    def __init__(self) -> None:
        self.port = 0
        self.connections: set[asyncio.Task[Any]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Hold a connection until the other side ends it."""
        task = asyncio.current_task()
        assert task is not None
        self.connections.add(task)
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    async def all_ended(self) -> None:
        """Wait until the other side has ended every connection that was accepted."""
        async with asyncio.timeout(PATIENCE_S):
            while any(not task.done() for task in self.connections):
                await asyncio.wait(self.connections)


@contextlib.asynccontextmanager
async def listening(address: str, port: int = 0) -> AsyncIterator[Listener]:
    """A listener on one address; leaving waits until its connections have ended."""
    listener = Listener()
    server = await asyncio.start_server(listener.serve, address, port)
    listener.port = server.sockets[0].getsockname()[1]
    try:
        yield listener
        await listener.all_ended()
    finally:
        server.close()


@contextlib.contextmanager
def no_descriptors_left() -> Iterator[None]:
    """Not one more can be opened until the block ends."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(number) for number in os.listdir("/proc/self/fd"))
    taken = [os.dup(0)]
    while taken[-1] < highest:
        taken.append(os.dup(0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(highest, *taken) + 1, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for number in taken:
            os.close(number)
