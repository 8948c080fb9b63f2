"""In turn, and what weights, a failure or a change of the candidates do to the turns."""

from collections import Counter

import pytest

from proxy.upstream.balancing.round_robin import RoundRobin
from proxy.upstream.origin import Candidate, Origin
from tests.unit.upstream.balancing.offers import A, B, C, offer, shares, weighted
from tests.unit.upstream.requests import REQUEST

TURNS = [
    # weights             chosen, one a request
    ({"a": 1},            "aaa"),
    ({"a": 1, "b": 1},    "abab"),
    ({"a": 5, "b": 5},    "abab"),
    ({"a": 1, "b": 1, "c": 1}, "abcabc"),
    ({"a": 3, "b": 1},    "aabaaaba"),
    ({"a": 5, "b": 1, "c": 1}, "aabacaaaabacaa"),  # the example of nginx's own commit
    ({"a": 0.5, "b": 1},  "babbab"),  # one that starts slowly
]  # fmt: skip


@pytest.mark.parametrize(("weights", "expected"), TURNS)
def test_each_request_goes_to_the_next_origin(weights: dict[str, float], expected: str) -> None:
    balancing = RoundRobin()
    candidates = weighted(**weights)
    assert "".join(balancing.choose(candidates, REQUEST).host for _ in expected) == expected


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_ten_thousand_requests_are_shared_evenly(count: int) -> None:
    candidates = offer(*(Origin("a", port) for port in range(1, count + 1)))
    balancing = RoundRobin()
    counts = Counter(balancing.choose(candidates, REQUEST) for _ in range(10_000))
    assert set(counts) == {candidate.origin for candidate in candidates}
    assert max(counts.values()) - min(counts.values()) <= 1


def test_ten_thousand_requests_are_shared_by_weight() -> None:
    counts = shares(RoundRobin(), weighted(a=3, b=2, c=4.5))
    for host, weight in (("a", 3), ("b", 2), ("c", 4.5)):
        assert abs(counts[host] - 10_000 * weight / 9.5) <= 1


AFTER_FAILURES = [
    # candidates   tried     chosen instead
    ([A, B],       [A],      B),
    ([A, B],       [B],      A),
    ([A, B, C],    [A],      B),
    ([A, B, C],    [A, B],   C),
    ([A, B, C],    [C, A],   B),
]  # fmt: skip


@pytest.mark.parametrize(("candidates", "tried", "expected"), AFTER_FAILURES)
def test_after_a_failure_another_one_is_tried(candidates: list[Origin], tried: list[Origin], expected: Origin) -> None:
    left = offer(*(origin for origin in candidates if origin not in tried))
    assert RoundRobin().choose(left, REQUEST, again=True) == expected


def test_a_dead_origin_of_two_is_first_for_every_second_request_only() -> None:
    balancing = RoundRobin()
    both, other = offer(A, B), offer(B)
    first = []
    for _ in range(6):
        first.append(balancing.choose(both, REQUEST))
        if first[-1] == A:
            assert balancing.choose(other, REQUEST, again=True) == B
    assert first == [A, B, A, B, A, B]


def test_the_share_of_a_dead_origin_is_shared_by_all_others() -> None:
    balancing = RoundRobin()
    all_three, others = offer(A, B, C), offer(B, C)
    served: Counter[Origin] = Counter()
    for _ in range(600):
        origin = balancing.choose(all_three, REQUEST)
        served[balancing.choose(others, REQUEST, again=True) if origin == A else origin] += 1
    assert served == {B: 300, C: 300}


def test_candidates_may_come_and_go() -> None:
    balancing = RoundRobin()
    every, two, one = offer(A, B, C), offer(A, B), offer(A)
    assert [balancing.choose(c, REQUEST) for c in (every, every, two, one, every, every)] == [A, B, A, A, A, B]


def test_whoever_stays_keeps_what_is_due_to_it() -> None:
    balancing = RoundRobin()
    served: Counter[Origin] = Counter()
    for turn in range(400):  # C is there every second time only
        candidates = weighted(a=3, b=1, c=1) if turn % 2 else weighted(a=3, b=1)
        served[balancing.choose(candidates, REQUEST)] += 1
    assert served[Origin("b", 80)] >= 80  # of 400 × 1/5 to 400 × 1/4


def test_a_weight_that_changes_takes_effect_at_once() -> None:
    balancing = RoundRobin()
    for weight in (0.1, 0.4, 1.0):
        counts = shares(balancing, (Candidate(A), Candidate(B, weight)), 1_000)
        assert abs(counts["b"] - 1_000 * weight / (1 + weight)) <= 2
