"""How many interim responses are too many: a table over time."""

import pytest

from proxy.errors import BadResponse
from proxy.exchange.interim import InterimRate
from proxy.http1.limits import MessageLimits
from proxy.http1.message import ResponseHead
from tests.harness.notation import response

LIMITS = MessageLimits(interim_responses=3, interim_bytes=40)
PLAIN = response("HTTP/1.1 102 Processing|")
TEN_BYTES = response("HTTP/1.1 103 Early Hints|Link: <abc>|")  # 4 + 5 = 9
BIG = response(f"HTTP/1.1 103 Early Hints|X: {'a' * 40}|")


@pytest.mark.parametrize(
    ("heads", "accepted"),
    [
        ([(PLAIN, 0.0)] * 3, True),
        ([(PLAIN, 0.0)] * 4, False),
        ([(PLAIN, 0.3 * count) for count in range(12)], False),  # more than three in a second
        ([(PLAIN, 0.4 * count) for count in range(10_000)], True),  # for as long as the service works
        ([(TEN_BYTES, 0.0)] * 3, True),
        ([(BIG, 0.0)], False),
        ([(TEN_BYTES, 0.0), (TEN_BYTES, 0.1), (BIG, 1.0)], False),
    ],
)
def test_the_rate_is_bounded_and_not_the_count(heads: list[tuple[ResponseHead, float]], accepted: bool) -> None:
    rate = InterimRate(LIMITS, 0.0)
    if accepted:
        for head, now in heads:
            rate.add(head, now)
        return
    with pytest.raises(BadResponse):
        for head, now in heads:
            rate.add(head, now)
