"""Clients keep their origin by a cookie."""

import re

import pytest

from proxy.upstream.balancing.least_requests import LeastRequests
from proxy.upstream.balancing.round_robin import RoundRobin
from proxy.upstream.balancing.sticky import Sticky
from proxy.upstream.origin import Origin
from tests.unit.upstream.balancing.offers import A, B, C, offer
from tests.unit.upstream.requests import REQUEST, Request

ALL = offer(A, B, C)


def cookie_of(policy: Sticky, origin: Origin) -> bytes:
    """What a new client of this origin sends from its second request on."""
    line = policy.cookie(REQUEST, origin, secured=False)
    assert line is not None
    return line[1].partition(b";")[0]


def test_a_client_comes_back_to_its_origin() -> None:
    policy = Sticky("srv", RoundRobin(), "app")
    for origin in (A, B, C):
        request = Request((b"Cookie", b"a=b; " + cookie_of(policy, origin)))
        assert {policy.choose(ALL, request) for _ in range(10)} == {origin}
        assert policy.has_affinity(request)
        assert policy.cookie(request, origin, secured=False) is None


def test_the_cookie_is_for_this_site_and_no_script() -> None:
    policy = Sticky("srv", RoundRobin(), "app")
    name, plain = policy.cookie(REQUEST, A, secured=False) or (b"", b"")
    assert name == b"Set-Cookie"
    assert re.fullmatch(rb"srv=[0-9a-f]{20}; Path=/; HttpOnly; SameSite=Lax", plain)
    assert policy.cookie(REQUEST, A, secured=True) == (b"Set-Cookie", plain + b"; Secure")


def test_its_value_is_the_same_in_every_worker_and_another_in_every_upstream() -> None:
    values = {
        cookie_of(Sticky(name, RoundRobin(), upstream), A) for name, upstream in [("s", "a"), ("s", "a"), ("s", "b")]
    }
    assert len(values) == 2


def test_new_clients_are_shared_by_the_other_policy() -> None:
    policy = Sticky("srv", RoundRobin(), "app")
    assert [policy.choose(ALL, REQUEST) for _ in range(6)] == [A, B, C, A, B, C]
    assert not policy.has_affinity(REQUEST)


def test_a_client_cannot_choose_an_origin_that_is_not_offered() -> None:
    policy = Sticky("srv", RoundRobin(), "app")
    for value in (b"c:82", b"0", b"", cookie_of(policy, C)[4:]):
        request = Request((b"Cookie", b"srv=" + value))
        assert policy.choose(offer(A, B), request) in (A, B)
        assert not policy.has_affinity(request)


def test_clients_of_an_origin_that_is_gone_get_another_one_and_its_cookie() -> None:
    policy = Sticky("srv", RoundRobin(), "app")
    request = Request((b"Cookie", cookie_of(policy, B)))
    assert policy.choose(ALL, request) == B
    other = policy.choose(offer(A, C), request, again=True)
    assert other == A
    line = policy.cookie(request, other, secured=False)
    assert line is not None
    assert line[1].startswith(cookie_of(policy, A))
    assert policy.choose(ALL, request) == B  # which is back, and the client has not heard


def test_the_other_policy_hears_of_every_attempt() -> None:
    inner = LeastRequests()
    policy = Sticky("srv", inner, "app")
    assert policy.follows_attempts
    assert not Sticky("srv", RoundRobin(), "app").follows_attempts
    policy.started(A)
    assert inner.under_way == {A: 1}
    policy.ended(A)
    assert inner.under_way == {}


AT_ONE, AT_TWO, AT_THREE = (A._replace(address=f"10.0.0.{n}") for n in (1, 2, 3))
KEPT = [
    # was there    are offered now              stays with      why
    (AT_ONE,       (AT_ONE, AT_TWO, B),         AT_ONE),      # its address
    (AT_ONE,       (AT_TWO, B),                 AT_TWO),      # the name moved
    (A,            (AT_TWO, B),                 AT_TWO),      # the name was looked up meanwhile
    (AT_ONE,       (A, B),                      A),           # nobody knows its addresses any more
    (AT_ONE,       (AT_TWO, AT_THREE, B),       None),        # any of two may be as good as any other origin
    (AT_ONE,       (B, C),                      None),
]  # fmt: skip


@pytest.mark.parametrize(("before", "offered", "kept"), KEPT)
def test_a_client_stays_with_a_name_that_moves(
    before: Origin, offered: tuple[Origin, ...], kept: Origin | None
) -> None:
    policy = Sticky("srv", RoundRobin(), "app")
    request = Request((b"Cookie", cookie_of(policy, before)))
    candidates = offer(*offered)
    chosen = {policy.choose(candidates, request) for _ in range(6)}
    assert policy.has_affinity(request) is (kept is not None)
    assert chosen == ({kept} if kept is not None else set(offered))
    if kept is not None and kept != before:
        assert policy.cookie(request, kept, secured=False) is not None, "its next cookie names the address"
