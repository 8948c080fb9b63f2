"""Buckets of tokens, as numbers; and who is one client."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.http1.message import RequestHead
from proxy.http1.section import section
from proxy.policy.rate_limit import SECOND, RateLimit, client_key, take_token

TWO_A_SECOND = RateLimit(b"r", SECOND // 2, 3)

CASES = [
    # seconds between requests         who gets a token, or waits how long
    ([0, 0, 0, 0],                     [0, 0, 0, 0.5]),
    ([0, 0, 0, 0.25, 0],               [0, 0, 0, 0.25, 0.25]),
    ([0, 0, 0, 0.5, 0],                [0, 0, 0, 0, 0.5]),
    ([0, 0, 0, 100, 0, 0, 0],          [0, 0, 0, 0, 0, 0, 0.5]),  # a pause fills the bucket, and no more
    ([0, 0.5, 0.5, 0.5],               [0, 0, 0, 0]),
]  # fmt: skip


@pytest.mark.parametrize(("pauses", "waits"), CASES)
def test_a_bucket_gives_its_tokens_and_then_one_in_every_interval(pauses: list[float], waits: list[float]) -> None:
    now, full_at = 1_000 * SECOND, 0
    found = []
    for pause in pauses:
        now += int(pause * SECOND)
        full_at, wait_ns = take_token(full_at, now, TWO_A_SECOND)
        found.append(wait_ns / SECOND)
    assert found == waits


@given(st.lists(st.integers(0, 3 * SECOND), max_size=60))
def test_it_never_gives_more_than_a_full_bucket_and_what_has_come_since(pauses: list[int]) -> None:
    start = now = 1_000 * SECOND
    full_at, given_out = 0, 0
    for pause in pauses:
        now += pause
        full_at, wait_ns = take_token(full_at, now, TWO_A_SECOND)
        if wait_ns:
            # Whoever comes when it was told to gets one.
            assert take_token(full_at, now + wait_ns, TWO_A_SECOND)[1] == 0
            assert take_token(full_at, now + wait_ns - 1, TWO_A_SECOND)[1] != 0
        else:
            given_out += 1
        assert given_out <= 3 + (now - start) // (SECOND // 2)


SAME = [
    ("2001:db8::1", "2001:db8::ffff:1", True),
    ("2001:db8::1", "2001:db8:0:0:ffff::", True),
    ("2001:db8::1", "2001:db8:0:1::1", False),
    ("192.0.2.1", "192.0.2.1", True),
    ("192.0.2.1", "::ffff:192.0.2.1", True),
    ("192.0.2.1", "192.0.2.2", False),
    ("unix", "unix", True),
]


@pytest.mark.parametrize(("one", "other", "same"), SAME)
def test_an_ipv6_client_is_its_64_bits(one: str, other: str, same: bool) -> None:
    assert (client_key(one) == client_key(other)) == same


def head(*fields: tuple[bytes, bytes]) -> RequestHead:
    return RequestHead(b"GET", b"/", b"1.1", *section(list(fields)))


def test_a_field_tells_clients_apart_where_it_is_there() -> None:
    limit = RateLimit(b"r", 1, 1, b"x-api-key")
    one = limit.key(head((b"X-Api-Key", b"a")), "192.0.2.1")
    assert limit.key(head((b"x-api-KEY", b"a")), "192.0.2.2") == one
    assert limit.key(head((b"X-Api-Key", b"b")), "192.0.2.1") != one
    assert limit.key(head((b"X-Api-Key", b"a"), (b"X-Api-Key", b"b")), "192.0.2.1") != one
    by_address = limit.key(head(), "192.0.2.1")
    assert limit.key(head((b"X-Api-Key", b"")), "192.0.2.1") == by_address
    assert limit.key(head(), "192.0.2.2") != by_address
    # No value of a field is somebody's address.
    assert limit.key(head((b"X-Api-Key", client_key("192.0.2.1"))), "") != by_address


def test_routes_have_buckets_of_their_own() -> None:
    assert RateLimit(b"a", 1, 1).key(head(), "::1") != RateLimit(b"b", 1, 1).key(head(), "::1")
