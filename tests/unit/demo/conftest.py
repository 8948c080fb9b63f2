"""The demo service on a port of its own."""

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest_asyncio

from proxy.demo.service import FieldNote, Observation, start_demo_service
from tests.harness.leftovers import nothing_is_left_over  # noqa: F401  # a fixture for every test here
from tests.unit.demo.clients import PATIENCE_S

SEEN = Observation(
    "GET /?<i> HTTP/1.1",
    [
        FieldNote("X-Hop", "<b>&", "stripped", "nominated by Connection (RFC 9110 §7.6.1)"),
        FieldNote("Cookie", "*** (9 bytes)", "kept", "end-to-end"),
        FieldNote("Authorization", "Basic c2VjcmV0", "kept", "end-to-end"),
        FieldNote("X-New", "1", "<odd>", "a verdict nobody knows"),
    ],
)


@pytest_asyncio.fixture
async def service() -> AsyncIterator[int]:
    before = asyncio.all_tasks()
    complaints: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: complaints.append(context))
    server = await start_demo_service(socket.create_server(("127.0.0.1", 0)), {"seen": SEEN}.get)
    yield server.sockets[0].getsockname()[1]
    server.close()
    async with asyncio.timeout(PATIENCE_S):
        while conversations := asyncio.all_tasks() - before - {asyncio.current_task()}:
            await asyncio.wait(conversations)  # every client has left: none may go on
    assert complaints == []
