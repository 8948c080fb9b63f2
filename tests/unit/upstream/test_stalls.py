"""Which of the requests that wait at a silent origin are hurried, and how often."""

from typing import cast

import pytest

from proxy.upstream.connection import UpstreamConnection
from proxy.upstream.origin import Origin
from proxy.upstream.stalls import Stalls
from tests.unit.upstream.waiting import Connection

A, B = Origin("a", 80), Origin("b", 80)


def waiting(stalls: Stalls, origin: Origin, now: float) -> Connection:
    """One whose request waits from now on."""
    connection = Connection(origin)
    stalls.opened(cast(UpstreamConnection, connection))
    stalls.look(now)
    return connection


@pytest.mark.parametrize(("waited_s", "expected"), [(0.25, False), (0.44, False), (0.45, True), (0.5, True)])
def test_those_that_have_waited_for_two_sweeps_are_hurried_once(waited_s: float, expected: bool) -> None:
    stalls = Stalls()
    at_a, at_b = waiting(stalls, A, 0.0), waiting(stalls, B, 0.0)
    for _ in range(3):
        stalls.hurry({A}, waited_s)
    assert at_a.hurried == [waited_s] * expected
    assert at_b.hurried == []


def test_none_is_hurried_that_has_waited_since_before_an_answer() -> None:
    stalls = Stalls()
    first, second = waiting(stalls, A, 0.0), waiting(stalls, A, 0.25)
    second.response_began = True
    stalls.look(0.5)
    stalls.hurry({A}, 0.75)
    assert (first.hurried, second.hurried) == ([], [])


def test_the_next_request_of_a_connection_has_its_own_time() -> None:
    stalls = Stalls()
    connection = waiting(stalls, A, 0.0)
    stalls.hurry({A}, 0.5)
    connection.exchanges += 1
    stalls.look(0.75)
    stalls.hurry({A}, 1.0)
    assert connection.hurried == [0.5]
    stalls.hurry({A}, 1.25)
    assert connection.hurried == [0.5, 1.25]


STALLED = [
    # waiting at A, answers of B since   most    A is silent
    (3,              6,                   3,     True),
    (3,              5,                   3,     False),  # twice as many answers as may wait: all may be slow
    (2,              6,                   3,     False),
    (20,             10,                  3,     True),  # half as many answers as wait
    (20,             9,                   3,     False),
    (9,              6,                   3,     True),
]  # fmt: skip


@pytest.mark.parametrize(("waits", "answered", "most", "expected"), STALLED)
def test_an_origin_is_silent_where_others_have_answered_enough(
    waits: int, answered: int, most: int, expected: bool
) -> None:
    stalls = Stalls()
    at_b = waiting(stalls, B, 0.0)
    for _ in range(waits):
        stalls.opened(cast(UpstreamConnection, Connection(A)))
    stalls.look(0.0)
    at_b.exchanges += answered
    stalls.look(0.25)
    assert stalls.stalled({A, B}, most, 0.25) == ({A} if expected else set())
