"""Health checks, apart from what they find."""

import asyncio
from typing import Any

from proxy.upstream.health.active import Checks
from proxy.upstream.origin import Origin
from tests.harness.scripted import PATIENCE_S


async def test_a_defect_met_by_a_check_is_reported_and_ends_nothing() -> None:
    loop, passed, told = asyncio.get_running_loop(), asyncio.Event(), list[dict[str, Any]]()
    asked = 0

    async def ask_once(_: Origin) -> str | None:
        nonlocal asked
        asked += 1
        if asked == 1:
            raise ZeroDivisionError
        return None

    usual = loop.get_exception_handler()
    loop.set_exception_handler(lambda _, context: told.append(context))
    checks = Checks(
        loop, ask_once, interval_s=0.01, on_result=lambda *_: passed.set(), at_once=asyncio.Semaphore(1)
    )  # fmt: skip
    checks.watch([Origin("192.0.2.1", 80)])
    try:
        await asyncio.wait_for(passed.wait(), PATIENCE_S)
    finally:
        await checks.close()
        loop.set_exception_handler(usual)
    assert [type(context["exception"]) for context in told] == [ZeroDivisionError]
