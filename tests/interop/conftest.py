"""A running `onehop demo`."""

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.harness.processes import onehop


@pytest_asyncio.fixture
async def demo_port() -> AsyncIterator[int]:
    """The port of `onehop demo`."""
    async with onehop("demo", "--listen", "127.0.0.1:0") as proxy:
        yield proxy.port
