"""Which origin serves the next request: in turn."""

import pytest

from proxy.upstream.origin import Origin
from proxy.upstream.service import Balancer

A, B, C = Origin("a", 80), Origin("b", 81), Origin("c", 82)

TURNS = [
    # origins      the orders, one a request
    ([A],          [[A], [A], [A]]),
    ([A, B],       [[A, B], [B, A], [A, B]]),
    ([A, B, C],    [[A, B, C], [B, C, A], [C, A, B], [A, B, C]]),
    ([A, A, B],    [[A, A, B], [A, B, A], [B, A, A]]),  # named twice, served twice as often
]  # fmt: skip


@pytest.mark.parametrize(("origins", "expected"), TURNS)
def test_each_request_begins_with_the_next_origin_and_falls_back_to_all(origins, expected):
    balancer = Balancer(origins)
    assert [balancer.order() for _ in expected] == expected


AUTHORITIES = [
    (Origin("a", 80),       b"a"),
    (Origin("b", 81),       b"b:81"),
    (Origin("::1", 80),     b"[::1]"),
    (Origin("::1", 8080),   b"[::1]:8080"),
]  # fmt: skip


@pytest.mark.parametrize(("origin", "authority"), AUTHORITIES)
def test_a_client_that_named_nobody_asks_for_the_first_origin(origin, authority):
    assert Balancer([origin, C]).authority == authority


def test_the_clients_host_is_kept_where_none_is_configured():
    assert Balancer([A]).host is None
    assert Balancer([A], b"inner").host == b"inner"
