"""Requests that are alike go to the same origin; one that leaves moves only its share."""

from collections import Counter

import pytest

from proxy.http1.fields import FieldLine
from proxy.upstream.balancing.hash import Hash, hash_key
from proxy.upstream.origin import Candidate, Origin
from tests.unit.upstream.balancing.offers import A, B, C, offer
from tests.unit.upstream.requests import Request

TEN = offer(*(Origin("10.0.0.1", port) for port in range(8000, 8010)))
CLIENTS = [Request(client_address=f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}") for n in range(10_000)]


def chosen(candidates: tuple[Candidate, ...]) -> list[Origin]:
    """Whom each of ten thousand clients gets."""
    policy = Hash(hash_key("client_address"))
    return [policy.choose(candidates, request) for request in CLIENTS]


def test_ten_thousand_clients_are_spread_by_weight() -> None:
    counts = Counter(chosen(TEN))
    assert len(counts) == 10
    assert all(abs(count - 1_000) < 150 for count in counts.values())  # five sigma
    counts = Counter(chosen((Candidate(A), Candidate(B, 3))))
    assert abs(counts[B] - 7_500) < 217


def test_an_origin_that_leaves_moves_only_its_share() -> None:
    before, after = chosen(TEN), chosen(TEN[:4] + TEN[5:])
    moved = {old for old, new in zip(before, after, strict=True) if old != new}
    assert moved == {TEN[4].origin}
    heirs = Counter(new for old, new in zip(before, after, strict=True) if old != new)
    assert len(heirs) == 9  # all others share what it had


def test_an_origin_that_comes_takes_only_its_share() -> None:
    before, after = chosen(TEN[:9]), chosen(TEN)
    moved = [new for old, new in zip(before, after, strict=True) if old != new]
    assert set(moved) == {TEN[9].origin}
    assert abs(len(moved) - 1_000) < 150


def test_a_weight_that_grows_only_draws() -> None:
    before = chosen((Candidate(A), Candidate(B, 0.2), Candidate(C)))
    after = chosen((Candidate(A), Candidate(B, 0.6), Candidate(C)))
    assert {new for old, new in zip(before, after, strict=True) if old != new} == {B}


def test_the_order_of_the_candidates_does_not_matter() -> None:
    assert chosen(TEN) == chosen(TEN[::-1])


def test_every_worker_chooses_alike_whenever_it_was_started() -> None:
    expected = ["10.0.0.1:8003", "10.0.0.1:8000", "10.0.0.1:8003"]  # of releases to come, too: clients keep caches
    assert [origin.label for origin in chosen(TEN)[:3]] == expected


KEYS = [
    # hash_on            target                   fields                                            key
    ("client_address",   b"/",                    [],                                               b"192.0.2.1"),
    ("path",             b"/a/b?c=d",             [],                                               b"/a/b"),
    ("path",             b"http://h/a?b",         [],                                               b"/a"),
    ("header:X-User",    b"/",                    [(b"x-user", b"ann")],                            b"ann"),
    ("header:X-User",    b"/",                    [(b"X-User", b"ann"), (b"X-USER", b"bob")],       b"ann, bob"),
    ("header:X-User",    b"/",                    [(b"X-Users", b"ann")],                           None),
    ("cookie:sid",       b"/",                    [(b"Cookie", b"a=1; sid=2; sid=3")],              b"2"),
    ("cookie:sid",       b"/",                    [(b"cookie", b"a=1"), (b"Cookie", b'sid="2"')],   b"2"),
    ("cookie:sid",       b"/",                    [(b"Cookie", b"xsid=1; sidx=2; sid")],            None),
    ("cookie:sid",       b"/",                    [],                                               None),
]  # fmt: skip


@pytest.mark.parametrize(("hash_on", "target", "fields", "key"), KEYS)
def test_what_requests_must_have_in_common(
    hash_on: str, target: bytes, fields: list[FieldLine], key: bytes | None
) -> None:
    assert hash_key(hash_on)(Request((b"Host", b"h"), *fields, target=target)) == key


def test_requests_without_the_key_are_served_in_turn() -> None:
    policy = Hash(hash_key("header:X-User"))
    assert [policy.choose(offer(A, B), Request()) for _ in range(4)] == [A, B, A, B]
    assert not policy.has_affinity(Request())
    assert policy.has_affinity(Request((b"X-User", b"ann")))


@pytest.mark.parametrize(
    "hash_on", ["", "address", "header:", "header", "header:a b", "cookie:a;b", "cookie:\u00e9", "path:x"]
)
def test_what_nothing_can_be_hashed_on_is_refused(hash_on: str) -> None:
    with pytest.raises(ValueError, match='expected "client_address", "path", "header:NAME" or "cookie:NAME"'):
        hash_key(hash_on)
