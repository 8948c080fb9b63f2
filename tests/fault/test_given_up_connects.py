"""An attempt to connect that is given up, at whatever moment, leaves nothing open and resumes nobody."""

import asyncio

import pytest

from proxy.transport import fiber
from proxy.transport.deadlines import Deadlines
from proxy.transport.fiber import Fiber
from proxy.transport.parking import PARKED
from proxy.upstream.connector import Connector
from proxy.upstream.origin import Origin
from proxy.upstream.resolver import Resolver
from tests.harness.loops import on_both_loops
from tests.harness.scripted import Peer, ScriptedUpstream
from tests.harness.waiting import until


async def silent(peer: Peer) -> None:
    await peer.rest()


@pytest.mark.parametrize("turns", range(12))
@on_both_loops
async def test_no_stream_is_left_over(turns: int) -> None:
    loop = asyncio.get_running_loop()
    deadlines = Deadlines(loop)
    connector = Connector(deadlines, Resolver(loop, timeout_s=10.0), connect_s=10.0)
    upstream = ScriptedUpstream(silent)
    async with upstream.serving():
        for _ in range(20):
            opening = loop.create_task(connector.connect(Origin("127.0.0.1", upstream.port)))
            for _ in range(turns):
                await asyncio.sleep(0)
            if not opening.cancel():
                opening.result().abort()
            await asyncio.wait([opening])
            if not opening.cancelled() and opening.exception() is None:
                opening.result().abort()
        await until(lambda: not deadlines.streams)  # the loop closes them in a later turn


async def test_a_fiber_interrupted_as_its_future_is_done_is_not_resumed_by_it() -> None:
    loop = asyncio.get_running_loop()
    future: asyncio.Future[None] = loop.create_future()
    resumed: list[str] = []

    async def run() -> None:
        try:
            await future
        except RuntimeError:
            waiting.append(fiber.running)
            await PARKED
            resumed.append("by whoever was to resume it")

    waiting: list[Fiber | None] = []
    running = Fiber(run())
    running.resume()
    future.set_result(None)
    running.interrupt(RuntimeError())
    for _ in range(3):
        await asyncio.sleep(0)
    assert not resumed
    assert not running.ended
    running.resume()
    assert resumed
    assert running.ended
