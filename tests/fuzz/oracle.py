"""The oracle: any bytes from a client, any bytes from an upstream, and a second strict reader to judge what comes of it.

From a client: either it is refused and the connection closed, or the strict reader finds in its bytes exactly the
requests that arrive upstream: method, target, end-to-end fields, body; nothing hop-by-hop, nothing nominated.
From an upstream: either the client gets a 502 or 504, or a transfer that is visibly cut, or exactly the response that
the strict reader finds in those bytes; and the next request is served.

A case is made by its seed alone. Lanes (a proxy and an upstream each) run cases side by side, each one at a time, so
that what arrives upstream belongs to the case under way.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from typing import Any

from tests.fuzz.cases import Case
from tests.fuzz.lanes import Lane
from tests.fuzz.laws import Find


async def run_cases(cases: Iterator[Case], *, lanes: int = 8, progress: Callable[[], None] | None = None) -> int:
    """Run cases until there are no more; returns how many. Raises Find, or what the proxy's end asserts."""
    loop = asyncio.get_running_loop()
    trouble: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: trouble.append(context))
    count = 0

    async def work(lane: Lane) -> None:
        nonlocal count
        for case in cases:
            await lane.run(case)
            count += 1
            if progress is not None:
                progress()
            if trouble:
                raise Find(f"the loop reports {trouble}\n{case}")

    try:
        async with AsyncExitStack() as stack:
            opened = [Lane() for _ in range(lanes)]
            for number, lane in enumerate(opened):
                await lane.open(stack, ("auto", "h11")[number % 2])
            await _all_or_first_failure([work(lane) for lane in opened])
            await asyncio.sleep(0.6)  # what lingers on one lane would look like a leak on the next
            if (finds := [find for lane in opened for find in lane.finds]) or trouble:
                raise Find(f"late: {finds} {trouble}")
    finally:
        loop.set_exception_handler(None)
    return count


async def _all_or_first_failure(work: list[Awaitable[None]]) -> None:
    tasks = [asyncio.ensure_future(item) for item in work]
    done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    for task in done:
        task.result()
