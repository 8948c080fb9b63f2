"""Waits for what no event tells of."""

import asyncio
from collections.abc import Callable

from tests.harness.scripted import PATIENCE_S


async def until(holds: Callable[[], bool]) -> None:
    """Wait for what other processes, threads, timers or the kernel bring about. Raises TimeoutError where they do not."""
    async with asyncio.timeout(PATIENCE_S):
        while not holds():  # noqa: ASYNC110  no event tells
            await asyncio.sleep(0.01)
