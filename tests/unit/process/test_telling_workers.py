"""What control tells workers of addresses reaches them, however much it is, and once."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from proxy.errors import ConnectFailed
from proxy.process.link import MOST_BYTES, Hub, Link, pair
from proxy.telemetry.error_log import ErrorLog
from proxy.transport.stream import Stream
from proxy.upstream.health import messages
from proxy.upstream.health.endpoint import State
from proxy.upstream.health.in_control import ControlHealth, Watched
from proxy.upstream.health.kept import Kept
from proxy.upstream.health.messages import Failed, Known
from proxy.upstream.health.settings import EjectionSettings
from proxy.upstream.health.state import Endpoints
from proxy.upstream.origin import Candidate, Origin
from tests.harness.waiting import until

MANY: Final = 1000  # upstreams: more messages than a socket takes at once


async def nobody_accepts(_: Origin) -> Stream:
    raise ConnectFailed


async def no_lookup(_: str) -> list[str]:
    raise AssertionError("all origins are addresses")


class Told:
    """A worker's link, and what came over it."""

    def __init__(self, hub: Hub) -> None:
        self.link = Link(asyncio.get_running_loop())
        self.known: dict[str, Known] = {}
        self.times: Counter[str] = Counter()
        self.link.on_message = self.receive
        self._end, of_control = pair()
        hub.connect(0, of_control)

    def join(self) -> None:
        """Begin to read."""
        self.link.connect(self._end)

    def receive(self, data: bytes) -> None:
        message = messages.decode(data)
        if isinstance(message, Known):
            self.known[message.upstream] = message
            self.times[message.upstream] += 1


@asynccontextmanager
async def control(origins: int = 2, upstreams: int = MANY) -> AsyncIterator[tuple[ControlHealth, Hub]]:
    loop = asyncio.get_running_loop()
    hub = Hub(loop)
    candidates = [Candidate(Origin(f"10.{number >> 8}.{number & 255}.1", 80)) for number in range(origins)]
    watched = {f"upstream{number}": Watched(Endpoints(candidates, EjectionSettings())) for number in range(upstreams)}
    health = ControlHealth(
        loop, watched, hub, ErrorLog(level="error"), connect=nobody_accepts, lookup=no_lookup, kept=Kept()
    )
    hub.on_joined, hub.on_writable, hub.on_left, hub.on_message = (
        health.joined,
        health.tell,
        health.left,
        health.receive,
    )
    health.start()
    try:
        yield health, hub
    finally:
        await health.close()
        hub.close()


async def test_a_worker_is_told_of_a_thousand_upstreams_once_each() -> None:
    async with control() as (_, hub):
        worker = Told(hub)
        worker.join()
        await until(lambda: len(worker.known) == MANY)
        assert set(worker.times.values()) == {1}
        worker.link.close()


async def test_what_changes_while_a_worker_reads_nothing_is_told_as_it_is_then() -> None:
    async with control() as (health, hub):
        worker = Told(hub)
        changed = [f"upstream{number}" for number in (0, MANY - 1)]
        for name in changed:
            for _ in range(3):
                health.receive(0, messages.encode(Failed(name, 0, "", "refused")))
        worker.join()
        await until(lambda: all(name in worker.known for name in health.upstreams))
        await until(lambda: all(worker.known[name].endpoints[0].state is State.EJECTED for name in changed))
        assert worker.times[changed[1]] == 1, "it had not been told before"
        worker.link.close()


async def test_an_upstream_that_is_too_large_for_a_message_costs_the_others_nothing() -> None:
    async with control(upstreams=3) as (health, hub):
        causes = health.upstreams["upstream0"].endpoints
        for _, known in causes.items():
            known.cause = "x" * MOST_BYTES
        worker = Told(hub)
        worker.join()
        await until(lambda: set(worker.known) == {"upstream1", "upstream2"})
        worker.link.close()


async def test_two_hundred_and_fifty_six_addresses_of_eight_names_fit_into_one_message() -> None:
    async with control(origins=2048, upstreams=1) as (_, hub):
        worker = Told(hub)
        worker.join()
        await until(lambda: len(worker.known) == 1)
        worker.link.close()
