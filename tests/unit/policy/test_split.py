"""Shares of requests among upstreams."""

from collections import Counter

import pytest

from proxy.policy.split import Destination, Split, share
from proxy.telemetry.ids import RequestIds

WEIGHTS = [
    # weights        expected shares of 1
    ([90, 10],       [0.9, 0.1]),
    ([1, 1, 2],      [0.25, 0.25, 0.5]),
    ([0, 3],         [0.0, 1.0]),
    ([1],            [1.0]),
    ([999, 1],       [0.999, 0.001]),
]  # fmt: skip


@pytest.mark.parametrize(("weights", "shares"), WEIGHTS)
def test_each_upstream_gets_its_share_of_the_ids_of_an_instance(weights: list[int], shares: list[float]) -> None:
    split = Split((Destination(str(number)), weight) for number, weight in enumerate(weights))
    ids = RequestIds()
    chosen = Counter(split.choose(ids.next().encode()).upstream for _ in range(20_000))
    for number, expected in enumerate(shares):
        assert chosen[str(number)] / 20_000 == pytest.approx(expected, abs=0.02)


def test_the_same_id_has_the_same_upstream() -> None:
    split = Split([(Destination("a"), 1), (Destination("b"), 1)])
    for number in range(50):
        assert len({split.choose(b"id-%d" % number).upstream for _ in range(3)}) == 1


def test_another_salt_is_another_choice() -> None:
    pairs = Counter((share(b"x-%d" % n, 2), share(b"x-%d" % n, 2, salt=1)) for n in range(4000))
    assert min(pairs.values()) > 800
