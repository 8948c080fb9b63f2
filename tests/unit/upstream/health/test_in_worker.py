"""Health in a worker: what it believes of what the control process says, and for how long."""

import asyncio
from typing import Any, cast

import pytest

from proxy.errors import ConnectFailed
from proxy.telemetry.error_log import ErrorLog
from proxy.transport.stream import Stream
from proxy.upstream.balancing.round_robin import RoundRobin
from proxy.upstream.health import messages
from proxy.upstream.health.endpoint import Endpoint, State
from proxy.upstream.health.in_worker import WorkerHealth
from proxy.upstream.health.messages import Beat, Known, Message, Missed
from proxy.upstream.health.settings import EjectionSettings, HealthCheckSettings
from proxy.upstream.health.state import Endpoints
from proxy.upstream.openings import Openings
from proxy.upstream.origin import Origin
from proxy.upstream.pool import Pool
from proxy.upstream.service import Service
from tests.unit.upstream.balancing.offers import A, B, offer


class Clock:
    """A loop of which only the time is asked."""

    now = 0.0

    def time(self) -> float:
        return self.now


class NoPool:
    def __init__(self) -> None:
        self.on_opened: list[object] = []

    def restore(self, _: Origin) -> None: ...

    def retire(self, _: Origin) -> None: ...


async def nobody_accepts(_: Origin) -> Stream:
    raise ConnectFailed


class Worker:
    """The health of a worker with one upstream, whose control process is the test."""

    def __init__(self, *origins: Origin) -> None:
        offered = offer(*(origins or (A, B)))
        self.clock, self.pool = Clock(), NoPool()
        self.told: list[Message] = []
        self.endpoints = Endpoints(offered, EjectionSettings(), HealthCheckSettings())
        self.health = WorkerHealth(
            cast(asyncio.AbstractEventLoop, self.clock),
            {"s": Service("s", offered, RoundRobin())},
            {"s": self.endpoints},
            {"s": []},
            cast(Pool, self.pool),
            nobody_accepts,
            Openings(),
            ErrorLog(level="error"),
            self.send,
        )

    def send(self, message: bytes) -> bool:
        self.told.append(messages.decode(message))
        return True

    def hears(self, message: Message) -> None:
        self.health.receive(messages.encode(message))

    def lives(self, seconds: float) -> None:
        """Its loop turns for so long, and nothing comes."""
        until = self.clock.now + seconds
        while self.clock.now < until:
            self.sleeps(0.25)

    def sleeps(self, seconds: float) -> None:
        """Its loop turns after so long."""
        self.clock.now += seconds
        self.health.sweep(self.clock.now)


DOWN: Any = Known("s", [Endpoint(place=0, state=State.DOWN), Endpoint(place=1)], 7)


def test_what_control_has_said_is_forgotten_a_minute_after_its_last_word() -> None:
    worker = Worker()
    worker.hears(DOWN)
    worker.lives(59.0)
    assert worker.endpoints[A].state is State.DOWN
    worker.lives(2.0)
    assert worker.endpoints[A].state is State.UP


def test_a_control_process_that_goes_on_after_a_minute_is_asked_to_say_everything_again() -> None:
    worker = Worker()
    worker.hears(DOWN)
    worker.lives(61.0)
    worker.hears(Beat(7))
    assert worker.told == [Missed()]
    worker.hears(DOWN)
    assert worker.endpoints[A].state is State.DOWN
    worker.hears(Beat(7))
    assert worker.told == [Missed()]


def test_an_instance_that_was_paused_forgets_nothing() -> None:
    worker = Worker()
    worker.hears(DOWN)
    worker.lives(2.0)
    worker.sleeps(3600.0)
    assert worker.endpoints[A].state is State.DOWN
    assert not worker.health.is_alone
    worker.lives(4.0)
    assert worker.health.is_alone


@pytest.mark.parametrize(
    ("hosts", "looks"),
    [(("10.0.0.1",), False), (("10.0.0.1", "10.0.0.2"), True), (("app",), True)],
    ids=["one", "two", "a name"],
)
async def test_silent_origins_are_looked_for_where_another_may_take_their_requests(
    hosts: tuple[str, ...], looks: bool
) -> None:
    worker = Worker(*(Origin(host, 80) for host in hosts))
    assert len(worker.pool.on_opened) == looks
