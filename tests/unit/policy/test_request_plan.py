"""What a request asks of this hop."""

import pytest

from proxy.http1.fields import index
from proxy.http1.framing import request_framing
from proxy.http1.target import request_target
from proxy.policy.request_plan import read_intent, went_through
from tests.harness.notation import lines, request

TRAILERS = [
    ("GET / HTTP/1.1|Host: h|TE: trailers",        True),
    ("GET / HTTP/1.1|Host: h|TE: gzip, Trailers",  True),
    ("GET / HTTP/1.1|Host: h|TE: gzip",            False),
    ("GET / HTTP/1.1|Host: h",                     False),
    ("GET / HTTP/1.0|Host: h|TE: trailers",        False),  # chunks are not for it, so trailers are not
]  # fmt: skip


@pytest.mark.parametrize(("notation", "wanted"), TRAILERS)
def test_trailers_are_asked_for_where_they_could_go_on(notation: str, wanted: bool) -> None:
    head = request(notation)
    intent = read_intent(
        head, request_target(head), request_framing(head), host=b"h", request_id=b"1", upgrades=frozenset()
    )
    assert intent.wants_trailers is wanted


VIA = [
    # Via lines                                         been here
    ("",                                                False),
    ("Via: 1.1 me",                                     True),
    ("Via: 1.1 a, 1.0 me, 1.1 b",                       True),
    ("Via: 1.1 a|Via: ,HTTP/1.1\tme (x)",               True),
    ("Via: 1.1 me:80, 1.1 not-me, 1.1 ME",              False),
    ("Via: me, 1.1",                                    False),
    # a comma within a comment separates nothing
    ("Via: 1.1 a (x, 1.1 me , y)",                      False),
    ("Via: 1.1 a (x (y), 1.1 me , z), 1.1 b",           False),
    ("Via: 1.1 a (x\\), 1.1 me , z)",                    False),
    ("Via: 1.1 a (x), 1.1 me (y)",                      True),
    # one that does not end hides nothing
    ("Via: 1.1 a (x, 1.1 me, 1.1 b",                    True),
    ("Via: 1.1 a (x\\), 1.1 me, z",                      True),
    ("Via: 1.1 a )(, 1.1 me",                           True),
    ("Via: 1.1 a ), 1.1 me",                            True),
]  # fmt: skip


@pytest.mark.parametrize(("notation", "expected"), VIA)
def test_via_tells_whether_a_message_has_been_here(notation: str, expected: bool) -> None:
    assert went_through(index(lines(notation)), b"me") is expected
