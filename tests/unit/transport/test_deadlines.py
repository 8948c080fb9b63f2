"""The one timer that looks at all deadlines."""

import asyncio
from typing import Any

from proxy.transport.deadlines import Deadlines
from tests.harness.scripted import PATIENCE_S


class Overdue:
    """A stream on which something is overdue."""

    next_deadline = 0.0

    def __init__(self, swept: asyncio.Event, defect: Exception | None) -> None:
        self._swept = swept
        self._defect = defect

    def expire(self, now: float) -> None:
        self._swept.set()
        if self._defect is not None:
            raise self._defect

    def cut(self) -> None:
        pass


async def test_a_defect_met_by_one_stream_ends_the_deadlines_of_no_other() -> None:
    loop, told = asyncio.get_running_loop(), list[dict[str, Any]]()
    deadlines, swept = Deadlines(loop, interval_s=0.001), [asyncio.Event() for _ in range(3)]
    deadlines.streams |= {Overdue(event, ZeroDivisionError()) for event in swept[:2]}
    deadlines.on_sweep.append(lambda _: swept[2].set())
    usual = loop.get_exception_handler()
    loop.set_exception_handler(lambda _, context: told.append(context))
    deadlines.start()
    try:
        async with asyncio.timeout(PATIENCE_S):
            for event in swept:
                await event.wait()
    finally:
        deadlines.stop()
        loop.set_exception_handler(usual)
    assert {type(context["exception"]) for context in told} == {ZeroDivisionError}
