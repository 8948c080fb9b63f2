"""How many interim responses are too many: a table over time. And what each of them is worth."""

import asyncio

import pytest

from proxy.errors import BadResponse
from proxy.exchange.interim import InterimRate
from proxy.http1.limits import MessageLimits
from proxy.http1.message import ResponseHead
from tests.harness.notation import response
from tests.unit.exchange.attempted import OK, POST, Attempted

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


@pytest.mark.parametrize("body", [b"", b"ping"])
async def test_each_interim_response_gives_the_next_one_the_whole_time_again(body: bytes) -> None:
    attempted = Attempted(POST, body=body)
    await attempted.start()
    if not body:
        attempted.client.stream.data_received(b"ping")
        await attempted.turn()
    assert attempted.sent().endswith(b"ping")
    lease = attempted.attempts.lease
    assert lease is not None
    for _ in range(2):
        lease.connection.head_deadline = 0.0
        attempted.streams[0].data_received(b"HTTP/1.1 102 P\r\n\r\n")
        await attempted.turn()
        assert lease.connection.head_deadline > asyncio.get_running_loop().time()
    attempted.streams[0].data_received(OK)
    assert attempted.status == 200
