"""The fast path: what it takes, and what it leaves to the h11 parser."""

import pytest

from proxy.http1.parsing import fast_path
from proxy.http1.parsing.fast_path import parse_plain_request, parse_plain_response
from proxy.http1.remembered import MOST_KEY_BYTES
from proxy.policy.decisions import Decisions, Outcome
from proxy.policy.stripping import strip
from tests.harness.notation import request, response, wire

RECOGNISED_REQUESTS = [
    "GET / HTTP/1.1|Host: h",
    "GET / HTTP/1.0",
    "GET / HTTP/1.0|Host: h",
    "HEAD //a/../%2F?b=c&d HTTP/1.1|host: h:80",
    "POST /x HTTP/1.1|Host: h|Content-Length: 5",
    "POST /x HTTP/1.1|Host: h|content-length: 123456789012345678",
    "POST /x HTTP/1.1|Host: h|transfer-encoding: chunked",
    "GET / HTTP/1.1|Host: h|Connection: close, X-Foo|Connection: y|X-Foo: 1",
    "GET / HTTP/1.1|Host: h|A:|C: \t 1|D: a: b|E: \x80\xff|F: a\tb|A: again",
    "ABCDEFGHIJKLMNOPQRST / HTTP/1.1|Host: h",
    # read here, refused by `strictness`
    "GET / HTTP/1.1|Host: a b",
    "POST / HTTP/1.0|Transfer-Encoding: chunked",
]


BEHIND = [b"", b"\r\n", b"body", b"\r\n\r\n", b"GET /next HTTP/1.1\r\nHost: h\r\n\r\n", b"\x00\xff" * 5_000]


@pytest.mark.parametrize("notation", RECOGNISED_REQUESTS)
def test_a_plain_request_is_read_whatever_stands_behind_it(notation: str) -> None:
    raw_head = wire(notation + "||")
    assert [parse_plain_request(raw_head + more) for more in BEHIND] == [(request(notation), len(raw_head))] * len(
        BEHIND
    )


@pytest.mark.parametrize("notation", RECOGNISED_REQUESTS)
def test_a_request_is_not_read_before_its_end(notation: str) -> None:
    raw_head = wire(notation + "||")
    assert [parse_plain_request(raw_head[:end]) for end in range(len(raw_head))] == [None] * len(raw_head)


LEFT_REQUESTS = [
    # heads the h11 parser takes
    "GET / HTTP/1.1|Host: h\t||",
    "GET / HTTP/1.1|Host: h ||",
    "GET / HTTP/1.1|Host: h|A: ||",
    "GET / HTTP/1.1|Host: h|A: 1 \t|B: 2||",
    "GET http://h/ HTTP/1.1|Host: h||",
    "OPTIONS * HTTP/1.1|Host: h||",
    "GET /#f HTTP/1.1|Host: h||",
    "get / HTTP/1.1|Host: h||",
    "ABCDEFGHIJKLMNOPQRSTU / HTTP/1.1|Host: h||",
    "GET / HTTP/1.2|Host: h||",
    "POST / HTTP/1.1|Host: h|Transfer-Encoding: Chunked||",
    "POST / HTTP/1.1|Host: h|Transfer-Encoding: chunked|Content-Length: 5||",
    # and heads it does not
    "GET / HTTP/1.1||",
    "GET / HTTP/1.1|Host: h|Host: h||",
    "GET / HTTP/1.0|Host: h|host: h||",
    "GET / HTTP/2.0|Host: h||",
    "GET / http/1.1|Host: h||",
    "GET /||",
    "GET  / HTTP/1.1|Host: h||",
    "GET /\x80 HTTP/1.1|Host: h||",
    "GET /\x7f HTTP/1.1|Host: h||",
    " GET / HTTP/1.1|Host: h||",
    "|GET / HTTP/1.1|Host: h||",
    "GET / HTTP/1.1|Host : h||",
    "GET / HTTP/1.1|Host: h| folded||",
    "GET / HTTP/1.1|Host: h|X: a\x00b||",
    "GET / HTTP/1.1|Host: h|X: a\x0bb||",
    "GET / HTTP/1.1|Host: h|X: a\x7fb||",
    "GET / HTTP/1.1|Host: h|X: a\rb||",
    "GET / HTTP/1.1|Host: h|X: a\nY: b||",
    "GET / HTTP/1.1|Host: h|: x||",
    "GET / HTTP/1.1|Host: h|X||",
    "POST / HTTP/1.1|Host: h|Content-Length:||",
    "POST / HTTP/1.1|Host: h|Content-Length: +5||",
    "POST / HTTP/1.1|Host: h|Content-Length: 5, 5||",
    "POST / HTTP/1.1|Host: h|Content-Length: 5|Content-Length: 5||",
    "POST / HTTP/1.1|Host: h|Content-Length: 1234567890123456789||",
    "POST / HTTP/1.1|Host: h|Transfer-Encoding:||",
    "POST / HTTP/1.1|Host: h|Transfer-Encoding: gzip, chunked||",
    "POST / HTTP/1.1|Host: h|Transfer-Encoding: chunked|Transfer-Encoding: chunked||",
    "GET / HTTP/1.1|Host: h|",
    "",
]


@pytest.mark.parametrize("notation", LEFT_REQUESTS)
def test_a_request_out_of_the_ordinary_is_left_to_the_h11_parser(notation: str) -> None:
    assert parse_plain_request(wire(notation)) is None


RECOGNISED_RESPONSES = [
    "HTTP/1.1 200 OK",
    "HTTP/1.1 200 ",
    "HTTP/1.0 599 A b  c ",
    "HTTP/1.1 204 No Content|Content-Length: 5",
    "HTTP/1.1 200 OK|Content-Length: 0|Set-Cookie: a|Set-Cookie: b",
    "HTTP/1.1 200 OK|Transfer-Encoding: chunked|Connection: close, Set-Cookie",
    "HTTP/1.1 200 OK|Host: h",
    "HTTP/1.1 100 Continue",
    "HTTP/1.1 103 Early Hints|Link: </a>|Connection: X",
]


@pytest.mark.parametrize("notation", RECOGNISED_RESPONSES)
def test_a_plain_response_is_read_whatever_stands_behind_it(notation: str) -> None:
    raw_head = wire(notation + "||")
    assert [parse_plain_response(raw_head + more) for more in BEHIND] == [(response(notation), len(raw_head))] * len(
        BEHIND
    )


@pytest.mark.parametrize("notation", RECOGNISED_RESPONSES)
def test_a_response_is_not_read_before_its_end(notation: str) -> None:
    raw_head = wire(notation + "||")
    assert [parse_plain_response(raw_head[:end]) for end in range(len(raw_head))] == [None] * len(raw_head)


LEFT_RESPONSES = [
    "HTTP/1.1 102 x|Content-Length: 5||",
    "HTTP/1.1 103 x|Transfer-Encoding: chunked||",
    "HTTP/1.1 101 Switching Protocols|Upgrade: x||",
    "HTTP/1.1 600 x||",
    "HTTP/1.1 099 x||",
    "HTTP/1.1 200||",
    "HTTP/1.1 200  OK||",
    "HTTP/1.1 200 \x80||",
    "HTTP/1.1 200 a\tb||",
    "HTTP/1.2 200 OK||",
    "HTTP/2.0 200 OK||",
    "http/1.1 200 OK||",
    "HTTP/1.1 200 OK|X : y||",
    "HTTP/1.1 200 OK|X: y\x00||",
    "HTTP/1.1 200 OK|X: y| z||",
    "HTTP/1.1 200 OK|Content-Length: 5|Content-Length: 5||",
    "HTTP/1.1 200 OK|Content-Length: 5, 5||",
    "HTTP/1.1 200 OK|Content-Length: 5|Transfer-Encoding: chunked||",
    "HTTP/1.1 200 OK|Transfer-Encoding: chunked, chunked||",
    "HTTP/1.1 200 OK|Transfer-Encoding: CHUNKED||",
    "HTTP/1.0 200 OK|Transfer-Encoding: chunked||",
    "|HTTP/1.1 200 OK||",
    "HTTP/1.1 200 OK|",
]


@pytest.mark.parametrize("notation", LEFT_RESPONSES)
def test_a_response_out_of_the_ordinary_is_left_to_the_h11_parser(notation: str) -> None:
    assert parse_plain_response(wire(notation)) is None


def test_a_near_miss_costs_linear_time() -> None:
    # A backtracking pattern would need ages for these.
    assert parse_plain_request(b"GET / HTTP/1.1\r\n" + b"X-A: b\r\n" * 4_000 + b"\x00") is None
    assert parse_plain_request(b"GET /" + b"a" * 30_000 + b"\x00") is None
    assert parse_plain_response(b"HTTP/1.1 200 " + b"O " * 30_000 + b"\x00") is None


def test_equal_lines_are_decided_one_by_one_although_they_are_read_once() -> None:
    raw = wire("GET / HTTP/1.1|Host: h|X-A: 1|Connection: x-b|X-A: 1|X-B: 2|X-B: 2||")
    found = parse_plain_request(raw)
    assert found is not None
    head, _ = found
    decisions = Decisions()
    strip(head.fields, head.options, decisions=decisions)
    assert [(decision.line, decision.outcome) for decision in decisions if decision.line[0] in (b"X-A", b"X-B")] == [
        ((b"X-A", b"1"), Outcome.KEPT), ((b"X-A", b"1"), Outcome.KEPT),
        ((b"X-B", b"2"), Outcome.NOMINATED), ((b"X-B", b"2"), Outcome.NOMINATED),
    ]  # fmt: skip


@pytest.mark.parametrize("line", ["Cookie: c=1", "AUTHORIZATION: Basic Yjpj", "X-Session-Token: t", "Set-Cookie: d=2"])
def test_a_line_that_may_hold_a_secret_is_not_remembered(line: str) -> None:
    assert parse_plain_request(wire(f"GET / HTTP/1.1|Host: h|X-Plain: 1|{line}||")) is not None
    assert b"X-Plain: 1\r" in fast_path._FIELD_LINES
    assert line.encode() + b"\r" not in fast_path._FIELD_LINES


@pytest.mark.parametrize(
    ("fields", "is_shared"),
    [
        ("Server: s|Content-Length: 5", True),
        ("Server: s|Connection: close", True),
        ("Server: s|Set-Cookie: a=1", False),
        ("X-Auth-Token: t|Server: s", False),
        (f"X-Long: {'v' * 300}", False),
        ("", False),
    ],
)
def test_responses_share_a_section_that_holds_no_secret(fields: str, is_shared: bool) -> None:
    raw = wire("HTTP/1.1 200 OK|" + (f"{fields}|" if fields else "") + "|")
    first, again = parse_plain_response(raw), parse_plain_response(raw)
    assert first is not None
    assert again is not None
    assert first == again
    assert first[0].shared is again[0].shared
    assert (first[0].shared is not None) == is_shared


def test_what_is_remembered_is_bounded_by_number_and_length() -> None:
    for number in range(3_000):
        parse_plain_request(wire(f"GET / HTTP/1.1|Host: h|X-N: {number}|X-Long: {'v' * 300}{number}||"))
        parse_plain_response(wire(f"HTTP/1.1 200 OK|X-N: {number}|" + f"X-A: {'v' * 100}|" * (number % 40) + "|"))
    assert len(fast_path._FIELD_LINES) <= 1024
    assert max(map(len, fast_path._FIELD_LINES)) <= MOST_KEY_BYTES
    assert 0 < len(fast_path._SECTIONS) <= 256
    assert max(map(len, fast_path._SECTIONS)) <= 2048
