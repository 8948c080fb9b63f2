"""An origin that has fallen silent gets a request now and then, whatever becomes of each."""

from typing import cast

import pytest

from proxy.errors import ProxyError, ResponseTimeout, UpstreamClosed
from proxy.transport.deadlines import NEVER
from proxy.upstream.balancing.round_robin import RoundRobin
from proxy.upstream.connection import STALLED, UpstreamConnection
from proxy.upstream.health.ejection import Ejection
from proxy.upstream.health.settings import EjectionSettings
from proxy.upstream.health.state import Endpoints
from proxy.upstream.origin import Origin
from proxy.upstream.service import Service
from proxy.upstream.stalls import Stalls
from tests.unit.upstream.balancing.offers import A, B, offer
from tests.unit.upstream.requests import REQUEST
from tests.unit.upstream.waiting import Connection

SWEEP_S = 0.25


class Worker:
    """A service with two origins, of which A has fallen silent with three requests there."""

    def __init__(self) -> None:
        self.now = 0.0
        self.stalls = Stalls()
        self.service = Service("s", offer(A, B), RoundRobin())
        self.ejection = Ejection(
            self.service,
            Endpoints(offer(A, B), EjectionSettings()),
            statuses=(),
            clock=lambda: self.now,
            tell=lambda _: True,
            on_change=lambda *_: None,
        )
        self.service.health = self.ejection
        self.ejection.apply()
        self.at_a = [self.opened(A) for _ in range(3)]
        self.at_b = self.opened(B)
        while not self.ejection.stalled:
            self.lives(SWEEP_S)

    def opened(self, origin: Origin) -> Connection:
        connection = Connection(origin)
        self.stalls.opened(cast(UpstreamConnection, connection))
        return connection

    def lives(self, seconds: float) -> None:
        """B answers, and its next requests; sweeps pass."""
        until = self.now + seconds
        while self.now < until:
            self.now += SWEEP_S
            self.at_b.exchanges += 20
            self.stalls.look(self.now)
            self.ejection.look_for_stalls(self.stalls, self.now)

    def goes_to_a(self, requests: int = 20) -> int:
        """How many of these go to A."""
        return [self.service.choose(REQUEST) for _ in range(requests)].count(A)


def test_its_next_request_comes_two_seconds_after_the_last_though_that_is_still_being_sent() -> None:
    worker = Worker()
    assert worker.goes_to_a() == 1
    worker.opened(A).head_deadline = NEVER  # its body is on its way, for an hour
    got = []
    for _ in range(32):
        worker.lives(SWEEP_S)
        got.append(worker.goes_to_a())
    assert 3 <= sum(got) <= 4


def test_nor_does_one_that_is_still_connecting_make_room_for_the_next() -> None:
    worker = Worker()
    assert worker.goes_to_a() == 1
    for _ in range(6):
        worker.lives(SWEEP_S)
        assert worker.goes_to_a() == 0


ENDS = [
    # status  error                                      of one that had waited there before
    (0,       ResponseTimeout("silent", code=STALLED)),
    (0,       UpstreamClosed("it went away")),
    (0,       None),
    (200,     None),
]  # fmt: skip


@pytest.mark.parametrize(("status", "error"), ENDS)
def test_nor_does_one_that_has_waited_for_longer_and_ends_now(status: int, error: ProxyError | None) -> None:
    worker = Worker()
    assert worker.goes_to_a() == 1
    for _ in range(3):
        worker.service.finished(A, status, error)
        worker.ejection.apply()
        assert worker.goes_to_a() == 0
        worker.lives(SWEEP_S)


def test_one_that_answers_again_gets_its_share_at_once() -> None:
    worker = Worker()
    assert worker.goes_to_a() == 1
    worker.lives(SWEEP_S)
    worker.at_a[0].response_began = True
    worker.lives(SWEEP_S)
    assert not worker.ejection.stalled
    assert worker.goes_to_a() == 10
