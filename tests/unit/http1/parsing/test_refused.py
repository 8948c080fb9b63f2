"""What the log can tell of a request that was refused."""

from typing import Any

import pytest

from proxy.http1.parsing.refused import other_protocol, refused_head

HEADS = [
    # what arrived                                        method    target          version  fields
    (b"GET /a HTTP/1.1\r\nHost: h\r\nX : 1\r\nY:\t2 \r\n\r\nbody: 1\r\n",
                                                         (b"GET",   b"/a",          b"1.1",  [(b"Host", b"h"), (b"Y", b"2")])),
    (b"\r\n\r\nGET / HTTP/1.0\r\n",                      (b"GET",   b"/",           b"1.0",  [])),
    (b"GET /",                                           (b"GET",   b"/",           b"",     [])),
    (b"GET / HTT",                                       (b"GET",   b"/ HTT",       b"",     [])),
    (b"GET",                                             (b"GET",   b"",            b"",     [])),
    (b"GET /a b HTTP/1.1\r\n\r\n",                       (b"GET",   b"/a b",        b"1.1",  [])),
    (b"GET  /a HTTP/1.1\r\n\r\n",                        (b"GET",   b" /a",         b"1.1",  [])),
    (b"GET /a HTTP/1.1 HTTP/2.0\r\n\r\n",                (b"GET",   b"/a HTTP/1.1", b"2.0",  [])),
    (b"GET /a HTTP/1.1\nHost: h\n\n",                    (b"GET",   b"/a",          b"1.1",  [(b"Host", b"h")])),
    (b"G\0T /\x1b HTTP/1.1\r\n\r\n",                     (b"G\0T",  b"/\x1b",       b"1.1",  [])),
    (b" GET / HTTP/1.1\r\n\r\n",                         (b"",      b"",            b"",     [])),
    (b"\x16\x03\x01\x02\x00\x01\x00",                    (b"",      b"",            b"",     [])),
    (b"",                                                (b"",      b"",            b"",     [])),
]  # fmt: skip


@pytest.mark.parametrize(("arrived", "expected"), HEADS)
def test_a_refused_head_is_told_as_far_as_it_arrived(arrived: bytes, expected: Any) -> None:
    assert refused_head(arrived) == expected
    assert refused_head(bytearray(arrived)) == expected


def test_what_is_looked_at_is_bounded() -> None:
    head = refused_head(b"GET /" + b"x" * 1_000_000)
    assert len(head.target) < 65_536
    assert len(refused_head(b"GET / HTTP/1.1\r\n" + b"A: 1\r\n" * 10_000).fields) < 128


PROTOCOLS = [
    # what arrived                                        error code
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",    "tls_on_plain_listener"),
    (b"\x16\x03\x03",                                    "tls_on_plain_listener"),
    (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nGET /",     "unexpected_proxy_header"),
    (b"PROXY UNKNOWN\r\n",                               "unexpected_proxy_header"),
    (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c",              "unexpected_proxy_header"),
    (b"\0\r\nQUIT\n\x21\x11\0\x0c",                      "unexpected_proxy_header"),
    (b"\x16\x02",                                        None),
    (b"PROXYING / HTTP/1.1\r\n",                         None),
    (b"GET / HTTP/1.1\r\n",                              None),
    (b"",                                                None),
]  # fmt: skip


@pytest.mark.parametrize(("arrived", "code"), PROTOCOLS)
def test_a_protocol_that_is_often_sent_to_the_wrong_port_is_named(arrived: bytes, code: str | None) -> None:
    named = other_protocol(arrived)
    assert (named and named[0]) == code


@pytest.mark.parametrize(
    ("target", "told"),
    [
        (b"http://user:secret" + b"x" * 300, b"http://***"),
        (b"user:secret" + b"x" * 300, b"***"),
        (b"http://user:secret" + b"x" * 300 + b"@h", b"http://user:secret" + b"x" * 300 + b"@h"),  # masked where shown
        (b"http://h/" + b"x" * 300, b"http://h/" + b"x" * 300),
        (b"http://" + b"h" * 255, b"http://" + b"h" * 255),
    ],
)
def test_a_password_whose_end_was_cut_is_not_told(target: bytes, told: bytes) -> None:
    assert refused_head(b"GET " + target).target == told
