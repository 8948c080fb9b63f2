"""A lane: one running proxy and the scripted upstream behind it. Cases run on a lane one after another."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from time import monotonic

from tests.conformance.client import play_case
from tests.conformance.judge import judge
from tests.conformance.play import Record
from tests.conformance.steps import Case
from tests.conformance.upstream import Upstream

#: uvloop's clock shows whole milliseconds: what begins now may be dated before now. A case ends with a longer wait.
_CLOCKS_S = 0.005
PATIENCE_S = 3.0 * float(os.environ.get("TEST_PATIENCE", "1"))


@dataclass
class Result:
    """What became of a case."""

    case: Case
    faults: list[str]
    record: Record | None = None
    port: int = 0  # of the proxy that it ran over, one case after another
    began: float = 0.0  # monotonic time


#: Makes a proxy with a setting in front of 127.0.0.1:port; entering gives its own port.
Launch = Callable[[int, str], AbstractAsyncContextManager[int]]


@asynccontextmanager
async def _lane(launch: Launch, setting: str, upstream_port: int = 0) -> AsyncIterator[tuple[int, Upstream]]:
    upstream = Upstream()
    await upstream.start(upstream_port)
    try:
        async with launch(upstream.port, setting) as port:
            yield port, upstream
    finally:
        await upstream.stop()


async def run_cases(
    cases: Iterable[Case],
    launch: Launch,
    *,
    promised: bool,
    lanes: int = 1,
    patience_s: float = PATIENCE_S,
    upstream_port: int = 0,
    told: Callable[[Result], None] = lambda _: None,
) -> dict[str, Result]:
    """Run cases over a proxy, on as many lanes at once as is said. The results, by the cases' ids."""
    results: dict[str, Result] = {}
    by_setting: dict[str, list[Case]] = {}
    for case in cases:
        by_setting.setdefault(case.setting, []).append(case)
    async with AsyncExitStack() as stack:

        async def run_lane(port: int, upstream: Upstream, waiting: list[Case]) -> None:
            while waiting:
                case = waiting.pop()
                began = monotonic() - _CLOCKS_S
                record = await play_case(case, port, upstream, patience_s)
                results[case.id] = Result(case, judge(case, record, promised=promised), record, port, began)
                told(results[case.id])

        runs = []
        for setting, of_setting in by_setting.items():
            waiting = of_setting[::-1]
            for _ in range(min(lanes if setting == "plain" else 1, len(waiting))):
                port, upstream = await stack.enter_async_context(_lane(launch, setting, upstream_port))
                runs.append(run_lane(port, upstream, waiting))
        await asyncio.gather(*runs)
    return results
