"""Trying addresses whose ejection is over."""

import asyncio
from typing import Any

from proxy.transport.stream import Stream
from proxy.upstream.health.returning import Returning
from proxy.upstream.origin import Origin
from tests.harness.scripted import PATIENCE_S

ORIGIN = Origin("192.0.2.1", 80)


async def test_a_defect_in_trying_an_address_is_reported_and_counts_as_a_failure() -> None:
    loop, told, tried = asyncio.get_running_loop(), list[dict[str, Any]](), asyncio.Queue[str | None]()

    async def connect(_: Origin) -> Stream:
        raise ZeroDivisionError

    usual = loop.get_exception_handler()
    loop.set_exception_handler(lambda _, context: told.append(context))
    try:
        returning = Returning(loop, connect, lambda _, cause: tried.put_nowait(cause))
        for _ in range(2):
            returning.start([ORIGIN])
            async with asyncio.timeout(PATIENCE_S):
                assert await tried.get() == "a defect of this proxy: its error log says more"
    finally:
        loop.set_exception_handler(usual)
    assert [type(context["exception"]) for context in told] == [ZeroDivisionError] * 2
