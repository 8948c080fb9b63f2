"""In turn, and what a failure or a change of the candidates does to the turns."""

from collections import Counter

import pytest

from proxy.upstream.balancing.round_robin import RoundRobin
from proxy.upstream.origin import Origin
from tests.unit.upstream.requests import REQUEST

A, B, C = Origin("a", 80), Origin("b", 81), Origin("c", 82)

TURNS = [
    # candidates   chosen, one a request
    ([A],          [A, A, A]),
    ([A, B],       [A, B, A, B]),
    ([A, B, C],    [A, B, C, A]),
    ([A, A, B],    [A, A, B, A]),  # listed twice, served twice as often
]  # fmt: skip


@pytest.mark.parametrize(("candidates", "expected"), TURNS)
def test_each_request_goes_to_the_next_origin(candidates: list[Origin], expected: list[Origin]) -> None:
    balancing = RoundRobin()
    assert [balancing.choose(candidates, REQUEST) for _ in expected] == expected


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_ten_thousand_requests_are_shared_evenly(count: int) -> None:
    candidates = [Origin("a", port) for port in range(1, count + 1)]
    balancing = RoundRobin()
    shares = Counter(balancing.choose(candidates, REQUEST) for _ in range(10_000))
    assert set(shares) == set(candidates)
    assert max(shares.values()) - min(shares.values()) <= 1


AFTER_FAILURES = [
    # candidates   tried     chosen instead
    ([A, B],       [A],      B),
    ([A, B],       [B],      A),
    ([A, B, C],    [A],      B),
    ([A, B, C],    [C],      A),
    ([A, B, C],    [A, B],   C),
    ([A, B, C],    [C, A],   B),
    ([A, A, B],    [A],      B),  # the second A is the same origin
    ([B, C],       [A],      B),  # A is no candidate any more: whose turn it is
]  # fmt: skip


@pytest.mark.parametrize(("candidates", "tried", "expected"), AFTER_FAILURES)
def test_after_a_failure_the_next_one_behind_is_tried(
    candidates: list[Origin], tried: list[Origin], expected: Origin
) -> None:
    assert RoundRobin().choose(candidates, REQUEST, tried) == expected


def test_a_dead_origin_of_two_is_first_for_every_second_request_only() -> None:
    balancing = RoundRobin()
    first = []
    for _ in range(6):
        first.append(balancing.choose([A, B], REQUEST))
        if first[-1] == A:
            assert balancing.choose([A, B], REQUEST, [A]) == B
    assert first == [A, B, A, B, A, B]


def test_candidates_may_come_and_go() -> None:
    balancing = RoundRobin()
    assert [balancing.choose(c, REQUEST) for c in ([A, B, C], [A, B, C], [A, B], [A], [A, B, C])] == [A, B, A, A, B]
