"""The less loaded of two drawn by weight."""

import random
from collections import Counter

import pytest

from proxy.upstream.balancing.random_two import RandomTwo
from proxy.upstream.origin import Origin
from tests.unit.upstream.balancing.offers import A, B, C, offer, shares, weighted
from tests.unit.upstream.requests import REQUEST

WEIGHTS = [{"a": 1, "b": 1}, {"a": 3, "b": 1}, {"a": 1, "b": 2, "c": 7}, {"a": 0.1, "b": 1, "c": 1}, {"a": 5}]


@pytest.mark.parametrize("weights", WEIGHTS)
def test_ten_thousand_requests_that_end_before_the_next_are_shared_by_weight(weights: dict[str, float]) -> None:
    counts = shares(RandomTwo(random.Random(1).random), weighted(**weights))
    total = sum(weights.values())
    for host, weight in weights.items():
        expected = weight / total
        five_sigma = 5 * (10_000 * expected * (1 - expected)) ** 0.5
        assert abs(counts[host] - 10_000 * expected) <= five_sigma


def test_requests_under_way_stay_even_where_pure_chance_would_not() -> None:
    policy = RandomTwo(random.Random(2).random)
    candidates = offer(*(Origin("a", port) for port in range(1, 101)))
    for _ in range(10_000):
        policy.started(policy.choose(candidates, REQUEST))
    assert max(policy.under_way.values()) - 100 <= 5  # log log n; by pure chance it would be about 30
    assert min(policy.under_way.values()) > 80


def test_the_busier_of_two_is_never_chosen() -> None:
    policy = RandomTwo(random.Random(3).random)
    policy.started(A)
    assert {policy.choose(offer(A, B), REQUEST) for _ in range(200)} == {B}


@pytest.mark.parametrize("points", [(0.0, 0.0), (0.999999, 0.999999), (0.5, 0.5), (0.0, 0.999999), (0.999999, 0.0)])
def test_two_different_ones_are_drawn_at_the_edges_too(points: tuple[float, float]) -> None:
    policy = RandomTwo(iter(points).__next__)
    policy.started(A)
    policy.started(C)
    assert policy.choose(offer(A, B), REQUEST) == B or policy.choose(offer(B, C), REQUEST) == B


def test_candidates_may_come_and_go() -> None:
    policy = RandomTwo(random.Random(4).random)
    counts = Counter(policy.choose(c, REQUEST) for c in [offer(A, B), offer(B, C), offer(C)] * 1_000)
    assert counts[C] > 1_300
    assert set(counts) == {A, B, C}
