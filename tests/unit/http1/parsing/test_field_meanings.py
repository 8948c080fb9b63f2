"""What Expect, Max-Forwards and TE ask of this hop."""

import pytest

from proxy.errors import ProtocolError
from proxy.http1.parsing.strictness import asks_for_trailers, expects_continue, max_forwards
from tests.harness.notation import request

EXPECTATIONS = [
    # version  Expect lines                        waits for 100, or the status
    ("1.1",    "",                                 False),
    ("1.1",    "Expect: 100-continue",             True),
    ("1.1",    "EXPECT: 100-Continue",             True),
    ("1.1",    "Expect: , 100-continue ,",         True),
    ("1.1",    "Expect: 100-continue|Expect: 100-continue", True),
    ("1.1",    "Expect:",                          False),
    ("1.1",    "Expect: 100-continue, other",      417),
    ("1.1",    "Expect: 100-continue|Expect: x",   417),
    ("1.1",    "Expect: 100-continue;q=1",         417),
    ("1.1",    "Expect: 100 continue",             417),
    ("1.1",    "Expect: 200-ok",                   417),
    ("1.0",    "Expect: 100-continue",             False),  # RFC 9110 §10.1.1
    ("1.0",    "Expect: other",                    False),
]  # fmt: skip


@pytest.mark.parametrize(("version", "fields", "expected"), EXPECTATIONS)
def test_only_100_continue_can_be_expected(version: str, fields: str, expected: bool | int) -> None:
    head = request(f"POST / HTTP/{version}|Host: h|{fields}")
    if isinstance(expected, bool):
        assert expects_continue(head) is expected
        return
    with pytest.raises(ProtocolError) as refused:
        expects_continue(head)
    assert (refused.value.status, refused.value.code) == (417, "expectation_failed")


HOPS = [
    # method     Max-Forwards lines                    hops, or refused
    ("OPTIONS",  "",                                   None),
    ("OPTIONS",  "Max-Forwards: 0",                    0),
    ("TRACE",    "max-forwards: 10",                   10),
    ("TRACE",    "Max-Forwards: 007",                  7),
    ("GET",      "Max-Forwards: 0",                    None),
    ("GET",      "Max-Forwards: x",                    None),
    ("options",  "Max-Forwards: 0",                    None),  # methods are case-sensitive
    ("OPTIONS",  "Max-Forwards:",                      400),
    ("OPTIONS",  "Max-Forwards: -1",                   400),
    ("OPTIONS",  "Max-Forwards: 1.5",                  400),
    ("OPTIONS",  "Max-Forwards: 1, 1",                 400),
    ("OPTIONS",  f"Max-Forwards: {'0' * 30}5",         5),
    ("OPTIONS",  f"Max-Forwards: {'0' * 30}",          0),
    ("OPTIONS",  f"Max-Forwards: {'9' * 18}",          10**18 - 1),
    ("OPTIONS",  f"Max-Forwards: {'9' * 6000}",        10**18),  # more than we count, and than int() reads
    ("TRACE",    "Max-Forwards: 1|Max-Forwards: 1",    400),
]  # fmt: skip


@pytest.mark.parametrize(("method", "fields", "expected"), HOPS)
def test_max_forwards_counts_for_trace_and_options_only(method: str, fields: str, expected: int | None) -> None:
    head = request(f"{method} / HTTP/1.1|Host: h|{fields}")
    if expected != 400:
        assert max_forwards(head) == expected
        return
    with pytest.raises(ProtocolError) as refused:
        max_forwards(head)
    assert refused.value.status == 400


ASKING = [
    # fields                                       asks for trailers
    ("",                                           False),
    ("TE: trailers",                               True),
    ("te: TRAILERS",                               True),
    ("TE: trailers, deflate;q=0.5",                True),
    ("TE: gzip|TE: ,trailers",                     True),
    ("TE: gzip",                                   False),
    ("TE: xtrailers",                              False),
    ("TE: trailers;q=0",                           False),
    ('TE: "trailers"',                             False),
    ("Trailer: trailers",                          False),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "expected"), ASKING)
def test_te_says_whether_trailers_are_welcome(fields: str, expected: bool) -> None:
    assert asks_for_trailers(request(f"GET / HTTP/1.1|{fields}").known) is expected
