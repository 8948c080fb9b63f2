"""h11 as the h11 parser: what it yields, and the status it hints at."""

import pytest

from proxy.errors import ProtocolError
from proxy.http1.parsing.h11_parser import H11ChunkedParser, parse_request, parse_response, parse_trailers
from tests.harness.notation import bytewise, lines, request, response, wire

ACCEPTED_REQUESTS = [
    "GET / HTTP/1.1|Host: h",
    "GET / HTTP/1.0",
    "get-it /a?b=c#d HTTP/1.1|host: h|X-A:  1 |x-a:|X-B: \t \x80\xff a\tb\t",
    "POST / HTTP/1.1|Host: h|Content-Length: 5",
    "POST / HTTP/1.1|Host: h|Transfer-Encoding: chunked|Connection: close, X",
    "OPTIONS * HTTP/1.1|Host: h",
    "CONNECT h:443 HTTP/1.1|Host: h:443",
    "GET http://u@h:1/ HTTP/1.1|Host: h",
]


@pytest.mark.parametrize("notation", ACCEPTED_REQUESTS)
def test_a_request_head_is_read_as_it_stands(notation: str) -> None:
    assert parse_request(wire(notation + "||")) == request(notation)


@pytest.mark.parametrize(
    ("on_the_wire", "read_as"), [("1.0", b"1.0"), ("1.1", b"1.1"), ("1.2", b"1.1"), ("1.9", b"1.1")]
)
def test_a_higher_minor_version_is_read_as_1_1(on_the_wire: str, read_as: bytes) -> None:
    assert parse_request(wire(f"GET / HTTP/{on_the_wire}|Host: h||")).http_version == read_as
    assert parse_response(wire(f"HTTP/{on_the_wire} 200 OK||")).http_version == read_as


def test_the_coding_is_read_in_lower_case() -> None:
    assert parse_request(wire("POST / HTTP/1.1|Host: h|Transfer-Encoding: CHUNKED||")).fields[1] == (
        b"Transfer-Encoding",
        b"chunked",
    )


REFUSED_REQUESTS = [
    # head                                                            status
    ("GET / HTTP/2.0|Host: h||",                                      505),
    ("PRI * HTTP/2.0||",                                              505),
    ("GET / HTTP/0.9||",                                              505),
    ("GET / HTTP/3.0|Host: h||",                                      505),
    ("GET /||",                                                       400),
    ("GET / HTTP/1.1||",                                              400),
    ("GET / http/1.1|Host: h||",                                      400),
    ("GET / HTTP/11|Host: h||",                                       400),
    ("GET / HTTP/1.10|Host: h||",                                     400),
    ("GET / HTTP/1.1 |Host: h||",                                     400),
    ("GET  / HTTP/1.1|Host: h||",                                     400),
    ("GET /  HTTP/1.1|Host: h||",                                     400),
    ("GET / x HTTP/1.1|Host: h||",                                    400),
    ("GET\t/ HTTP/1.1|Host: h||",                                     400),
    (" GET / HTTP/1.1|Host: h||",                                     400),
    ("G(T / HTTP/1.1|Host: h||",                                      400),
    ("GET /\x80 HTTP/1.1|Host: h||",                                  400),
    (" / HTTP/1.1|Host: h||",                                         400),
    ("HTTP/1.1 200 OK||",                                             400),
    ("GET / HTTP/1.1|Host : h||",                                     400),
    ("GET / HTTP/1.1|Host\t: h||",                                    400),
    ("GET / HTTP/1.1|Host: h|X||",                                    400),
    ("GET / HTTP/1.1|Host: h|: x||",                                  400),
    ("GET / HTTP/1.1|Host: h|X Y: x||",                               400),
    ("GET / HTTP/1.1|Host: h|X\xe4: x||",                             400),
    ("GET / HTTP/1.1|Host: h|Host: h||",                              400),
    ("POST / HTTP/1.1|Host: h|Content-Length: 5|Content-Length: 6||", 400),
    ("POST / HTTP/1.1|Host: h|Content-Length: x||",                   400),
    ("POST / HTTP/1.1|Host: h|Transfer-Encoding: gzip||",             501),
    ("POST / HTTP/1.1|Host: h|Transfer-Encoding: xchunked||",         501),
    ("POST / HTTP/1.1|Host: h|Transfer-Encoding: identity||",         501),
    ("POST / HTTP/1.1|Host: h|Transfer-Encoding: gzip;q=1||",         501),
    ("POST / HTTP/1.1|Host: h|Transfer-Encoding: chunked;q=1||",      501),
    ("POST / HTTP/1.1|Host: h|Transfer-Encoding: \"chunked\"||",      501),
    ("POST / HTTP/1.1|Host: h|Transfer-Encoding: chunked\xa0||",      501),
    ("POST / HTTP/1.1|Host: h|Transfer-Encoding: chunked,||",         501),
    ("POST / HTTP/1.1|Host: h|Transfer-Encoding: gzip, chunked||",    501),
    ("POST / HTTP/1.1|Host: h|Transfer-Encoding: gzip|Transfer-Encoding: chunked||",    501),
    # chunked is there, but not once and last: the end of the body cannot be found
    ("POST / HTTP/1.1|Host: h|Transfer-Encoding: chunked, gzip||",    400),
    ("POST / HTTP/1.1|Host: h|Transfer-Encoding: chunked, chunked||", 400),
    ("POST / HTTP/1.1|Host: h|Transfer-Encoding: Chunked|TRANSFER-ENCODING: chunked||", 400),
    ("POST / HTTP/1.1|Host: h|Transfer-Encoding: chunked|Transfer-Encoding: identity||", 400),
    # no coding is named at all
    ("POST / HTTP/1.1|Host: h|Transfer-Encoding:||",                  400),
    ("POST / HTTP/1.1|Host: h|Transfer-Encoding: ,||",                400),
]  # fmt: skip


@pytest.mark.parametrize(("notation", "status"), REFUSED_REQUESTS)
def test_a_bad_request_head_is_refused_with_the_status_it_is_owed(notation: str, status: int) -> None:
    with pytest.raises(ProtocolError) as refused:
        parse_request(wire(notation))
    assert refused.value.status == status


@pytest.mark.parametrize("raw_head", [b"", b"\r\n", b"\r\n\r\n", b"GET / HTTP/1.1\r\nHost: h\r\n"])
def test_what_is_no_whole_request_head_is_refused(raw_head: bytes) -> None:
    with pytest.raises(ProtocolError):
        parse_request(raw_head)


ACCEPTED_RESPONSES = [
    "HTTP/1.1 200 OK",
    "HTTP/1.0 404 Not Found|Content-Length: 0",
    "HTTP/1.1 200 \x80 Gr\xfcn\t|Set-Cookie: a|Set-Cookie: b",
    "HTTP/1.1 204 |Content-Length: 5",
    "HTTP/1.1 304 NM|Content-Length: 5",
    "HTTP/1.1 299 x",
    "HTTP/1.1 600 x",
    "HTTP/1.1 999 x",
    "HTTP/1.1 200 OK|Transfer-Encoding: chunked|Connection: close, X",
    # interim
    "HTTP/1.1 100 Continue",
    "HTTP/1.1 100 Continue|Content-Length: 168",
    "HTTP/1.1 103 Early Hints|Link: </a>; rel=preload|Connection: Link",
    "HTTP/1.1 199 x",
    # a 101 is a head like any: whether it was asked for, the exchange knows
    "HTTP/1.1 101 Switching Protocols|Connection: Upgrade|Upgrade: websocket",
    "HTTP/1.1 101 Switching Protocols",
    "HTTP/1.0 101 Switching Protocols|Upgrade: x",
]


@pytest.mark.parametrize("notation", ACCEPTED_RESPONSES)
def test_a_response_head_is_read_as_it_stands(notation: str) -> None:
    assert parse_response(wire(notation + "||")) == response(notation)


def test_a_status_line_may_lack_its_reason_and_the_space_before_it() -> None:
    assert parse_response(b"HTTP/1.1 200\r\n\r\n").reason == b""


REFUSED_RESPONSES = [
    "HTTP/2.0 200 OK||",
    "HTTP/0.9 200 OK||",
    "http/1.1 200 OK||",
    "HTTP/1.1 20 OK||",
    "HTTP/1.1 2000 OK||",
    "HTTP/1.1 200OK||",
    "HTTP/1.1  200 OK||",
    "HTTP/1.1 +20 OK||",
    "HTTP/1.1 099 OK||",
    "HTTP/1.1 000 OK||",
    "HTTP/1.1||",
    "ICY 200 OK||",
    "GET / HTTP/1.1|Host: h||",
    "HTTP/1.1 200 OK|X : y||",
    "HTTP/1.1 200 OK|X||",
    "HTTP/1.1 200 OK|Content-Length: 5|Content-Length: 6||",
    "HTTP/1.1 200 OK|Content-Length: 5, 6||",
    "HTTP/1.1 200 OK|Content-Length: +5||",
    "HTTP/1.1 200 OK|Content-Length:||",
    f"HTTP/1.1 200 OK|Content-Length: {'1' * 30}||",
    "HTTP/1.1 200 OK|Transfer-Encoding: gzip, chunked||",
    "HTTP/1.1 200 OK|Transfer-Encoding: chunked, chunked||",
    "HTTP/1.1 200 OK|Transfer-Encoding:||",
    "||",
    "|HTTP/1.1 200 OK||",
]


@pytest.mark.parametrize("notation", REFUSED_RESPONSES)
def test_a_bad_response_head_is_refused(notation: str) -> None:
    with pytest.raises(ProtocolError):
        parse_response(wire(notation))


@pytest.mark.parametrize("length", ["5, 5", "5|Content-Length: 5"])
def test_equal_lengths_in_a_response_become_one(length: str) -> None:
    head = parse_response(wire(f"HTTP/1.1 200 OK|Content-Length: {length}||"))
    assert head.fields == [(b"Content-Length", b"5")]


@pytest.mark.parametrize(
    "notation",
    ["GET / HTTP/1.1|Host: h|Cookie : secret||", "GET /secret x HTTP/1.1|Host: h||", "GET / HTTP/1.1|secret||"],
)
def test_what_is_said_of_a_bad_head_does_not_quote_it(notation: str) -> None:
    with pytest.raises(ProtocolError) as refused:
        parse_request(wire(notation))
    assert refused.value.detail.startswith("illegal ")
    assert "secret" not in refused.value.detail


TRAILERS = [
    # section                                  fields, or None where it is refused
    ("|",                                      ""),
    ("A: 1||",                                 "A: 1"),
    ("A: 1|a:  2 |B:||",                       "A: 1|a: 2|B:"),
    ("Content-Length: 5||",                    "Content-Length: 5"),  # dropped later, like every forbidden one
    ("X : 1||",                                None),
    (": 1||",                                  None),
    ("X||",                                    None),
    (" X: 1||",                                None),
    ("A: 1|",                                  None),
    ("A: \x7f|: ||",                           None),
    ("Transfer-Encoding: gzip||",              None),
]  # fmt: skip


@pytest.mark.parametrize(("section", "expected"), TRAILERS)
def test_a_trailer_section_is_field_lines_and_a_blank_line(section: str, expected: str | None) -> None:
    if expected is not None:
        assert parse_trailers(wire(section)) == lines(expected)
        return
    with pytest.raises(ProtocolError):
        parse_trailers(wire(section))


def test_a_chunked_body_is_read_piece_by_piece() -> None:
    parser = H11ChunkedParser()
    read = [parser.receive(byte) for byte in bytewise(b"3\r\nabc\r\n0\r\n\r\n")]
    assert b"".join(piece for pieces in read for piece in pieces) == b"abc"


def test_a_broken_chunked_body_is_refused() -> None:
    with pytest.raises(ProtocolError, match="malformed chunk footer$"):
        H11ChunkedParser().receive(b"3\r\nabcd")
