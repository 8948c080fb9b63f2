"""Where the fewest requests are under way."""

from proxy.upstream.balancing.least_requests import LeastRequests
from proxy.upstream.origin import Candidate
from tests.unit.upstream.balancing.offers import A, B, C, offer, shares, weighted
from tests.unit.upstream.requests import REQUEST


def busy(policy: LeastRequests, candidates: tuple[Candidate, ...], requests: int) -> None:
    """So many requests begin, and do not end."""
    for _ in range(requests):
        policy.started(policy.choose(candidates, REQUEST))


def test_ten_thousand_requests_that_end_before_the_next_are_shared_by_weight() -> None:
    assert shares(LeastRequests(), weighted(a=3, b=1)) == {"a": 7_500, "b": 2_500}
    assert set(shares(LeastRequests(), weighted(a=1, b=1, c=1)).values()) == {3_333, 3_334}


def test_ten_thousand_requests_under_way_are_spread_by_weight() -> None:
    policy = LeastRequests()
    busy(policy, weighted(a=1, b=2, c=4), 7_000)
    assert sorted(policy.under_way.values()) == [1_000, 2_000, 4_000]


def test_one_that_is_slow_gets_no_more_than_it_has() -> None:
    policy = LeastRequests()
    candidates = offer(A, B)
    policy.started(A)  # and answers nothing
    for _ in range(1_000):
        origin = policy.choose(candidates, REQUEST)
        assert origin == B
        policy.started(origin)
        policy.ended(origin)


def test_a_newcomer_is_filled_up_to_the_others() -> None:
    policy = LeastRequests()
    busy(policy, offer(A, B), 20)
    busy(policy, offer(A, B, C), 10)
    assert policy.under_way == {A: 10, B: 10, C: 10}


def test_nothing_is_kept_of_origins_that_are_gone() -> None:
    policy = LeastRequests()
    for port in range(2_000):
        shares(policy, (Candidate(A._replace(port=port)), Candidate(B)), 2)
    assert policy.under_way == {}
    assert len(policy._due) < 100
