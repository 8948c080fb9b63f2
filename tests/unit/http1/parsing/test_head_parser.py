"""The heads of requests, and how they arrive."""

import pytest

from proxy.errors import ProtocolError
from proxy.http1.limits import MessageLimits
from proxy.http1.message import FixedLength, RequestHead
from proxy.http1.parsing.head_parser import HeadParser
from tests.harness.notation import bytewise, request, wire
from tests.unit.http1.parsing.feeds import BEHIND, Feed, first_head

ACCEPTED_REQUESTS = [
    # on the wire                                              read as, where it differs
    ("GET / HTTP/1.1|Host: h||",                               None),
    ("GET / HTTP/1.0||",                                       None),
    ("GET / HTTP/1.0|Connection: keep-alive||",                None),
    ("GET / HTTP/1.2|Host: h||",                               "GET / HTTP/1.1|Host: h||"),
    ("get-it / HTTP/1.1|Host: h||",                            None),
    ("CONNECT h:443 HTTP/1.1|Host: h||",                       None),  # refused by its target
    ("OPTIONS * HTTP/1.1|Host: h||",                           None),
    ("GET http://u@h:80/?#f HTTP/1.1|Host: h||",               None),  # refused by its target
    ("GET //a/../%2F? HTTP/1.1|Host: h||",                     None),
    ("GET / HTTP/1.1|Host: h|A: \t1\t |B:|b:2|C: \x80\xff||",  None),
    ("GET / HTTP/1.1|Host: h:||",                              None),
    ("GET / HTTP/1.1|Host: h:65535||",                         None),
    ("GET / HTTP/1.1|Host: [::1]:80||",                        None),
    ("POST / HTTP/1.1|Host: h|Content-Length: 5||",            None),
    ("POST / HTTP/1.1|Host: h|Content-Length: \t5 ||",         None),
    ("POST / HTTP/1.1|Host: h|Content-Length: 000||",          None),
    ("POST / HTTP/1.1|Host: h|Transfer-Encoding: chunked||",   None),
    ("POST / HTTP/1.1|Host: h|Transfer-Encoding: CHUNKED||",   "POST / HTTP/1.1|Host: h|Transfer-Encoding: chunked||"),
    ('GET / HTTP/1.1|Host: h|Connection: "X", a;b, ,CLOSE||',  None),
    ("GET / HTTP/1.1|Host: h|Connection: a,b,c|connection:d||", None),
    # one or two empty lines before the request line
    ("|GET / HTTP/1.1|Host: h||",                              "GET / HTTP/1.1|Host: h||"),
    ("||GET / HTTP/1.1|Host: h||",                             "GET / HTTP/1.1|Host: h||"),
    ("||GET / HTTP/1.0||",                                     "GET / HTTP/1.0||"),
    # at the limits
    ("GET /" + "x" * 63 + " HTTP/1.1|Host: h||",               None),
    ("GET / HTTP/1.1|Host: h" + "|A: 1" * 7 + "||",            None),
    ("GET / HTTP/1.1|Host: h|A: " + "x" * (256 - 32) + "||",   None),
]  # fmt: skip


@pytest.mark.parametrize(("notation", "read_as"), ACCEPTED_REQUESTS)
def test_a_request_head_is_read(head_parser: HeadParser, feed: Feed, notation: str, read_as: str | None) -> None:
    assert first_head(head_parser.request_head, head_parser, feed(wire(notation))) == request(
        (read_as or notation)[:-1]
    )


@pytest.mark.parametrize(("notation", "read_as"), ACCEPTED_REQUESTS)
def test_what_stands_behind_a_head_stays_unread(head_parser: HeadParser, notation: str, read_as: str | None) -> None:
    head_parser.receive(wire(notation) + BEHIND)
    head_parser.request_head()
    assert head_parser.unread == BEHIND
    assert head_parser.request_head() == request("GET /next HTTP/1.1|Host: h|")
    assert head_parser.unread == b""
    assert head_parser.request_head() is None


@pytest.mark.parametrize(("notation", "read_as"), ACCEPTED_REQUESTS)
def test_a_head_is_not_read_before_its_last_byte(head_parser: HeadParser, notation: str, read_as: str | None) -> None:
    assert first_head(head_parser.request_head, head_parser, bytewise(wire(notation)[:-1])) is None


REFUSED_REQUESTS = [
    # on the wire                                                           status
    # the request line
    ("GET /||",                                                             400),  # HTTP/0.9 style
    ("GET||",                                                               400),
    ("GET / http/1.1|Host: h||",                                            400),
    ("GET / HTTP/11|Host: h||",                                             400),
    ("GET / HTTP/1.|Host: h||",                                             400),
    ("GET / HTTP/1.1x|Host: h||",                                           400),
    ("GET / HTTP/1.1 |Host: h||",                                           400),
    ("GET  / HTTP/1.1|Host: h||",                                           400),
    ("GET\t/ HTTP/1.1|Host: h||",                                           400),
    (" GET / HTTP/1.1|Host: h||",                                           400),
    ("\tGET / HTTP/1.1|Host: h||",                                          400),
    ("GET /a b HTTP/1.1|Host: h||",                                         400),
    ("GET /\xe4 HTTP/1.1|Host: h||",                                        400),
    ("GET /\x7f HTTP/1.1|Host: h||",                                        400),
    ("G\x00T / HTTP/1.1|Host: h||",                                         400),
    ("\x16\x03\x01\x02\x00\x01\x00|...||",                                  400),  # a TLS hello
    ("HTTP/1.1 200 OK|Host: h||",                                           400),
    ("GET / HTTP/2.0|Host: h||",                                            505),
    ("PRI * HTTP/2.0||SM||",                                                505),
    ("GET / HTTP/0.9||",                                                    505),
    ("GET / HTTP/9.9|Host: h||",                                            505),
    # empty lines
    ("|||GET / HTTP/1.1|Host: h||",                                         400),
    ("||||",                                                                400),
    ("\nGET / HTTP/1.1|Host: h||",                                          400),
    ("|\nGET / HTTP/1.1|Host: h||",                                         400),
    ("||\nGET / HTTP/1.1|Host: h||",                                        400),
    ("\rGET / HTTP/1.1|Host: h||",                                          400),
    ("|\rGET / HTTP/1.1|Host: h||",                                         400),
    ("\r|GET / HTTP/1.1|Host: h||",                                         400),
    ("\n\n\n\n",                                                            400),
    ("| GET / HTTP/1.1|Host: h||",                                          400),
    # line ends, control bytes, folding, space before the colon
    ("GET / HTTP/1.1\nHost: h\n\n",                                         400),
    ("GET / HTTP/1.1\nHost: h||",                                           400),
    ("GET / HTTP/1.1|Host: h\n|",                                           400),
    ("GET / HTTP/1.1|Host: h|\n",                                           400),
    ("GET / HTTP/1.1|Host: h\n||",                                          400),
    ("GET / HTTP/1.1|Host: h\r||",                                          400),
    ("GET / HTTP/1.1|Host: h|A: 1\rB: 2||",                                 400),
    ("GET / HTTP/1.1|Host: h|A: 1\nB: 2||",                                 400),
    ("GET / HTTP/1.1|Host: h|A: \x00||",                                    400),
    ("GET / HTTP/1.1|Host: h|A: \x0b||",                                    400),
    ("GET / HTTP/1.1|Host: h|A: \x7f||",                                    400),
    ("GET / HTTP/1.1|Host: h|A: 1| 2||",                                    400),
    ("GET / HTTP/1.1|Host: h|A: 1|\t||",                                    400),
    ("GET / HTTP/1.1| Host: h||",                                           400),
    ("GET / HTTP/1.1|Host : h||",                                           400),
    ("GET / HTTP/1.1|Host: h|Content-Length : 5||",                         400),
    ("GET / HTTP/1.1|Host: h|Transfer-Encoding\t: chunked||",               400),
    ("GET / HTTP/1.1|Host: h|: 1||",                                        400),
    ("GET / HTTP/1.1|Host: h|A||",                                          400),
    ("GET / HTTP/1.1|Host: h|A B: 1||",                                     400),
    ("GET / HTTP/1.1|Host: h|\"A\": 1||",                                   400),
    ("GET / HTTP/1.1|Host: h|\xc4: 1||",                                    400),
    # Host
    ("GET / HTTP/1.1||",                                                    400),
    ("GET / HTTP/1.2||",                                                    400),
    ("GET / HTTP/1.1|Host: h|Host: h||",                                    400),
    ("GET / HTTP/1.1|Host: a|host: b||",                                    400),
    ("GET / HTTP/1.0|Host: h|Host: h||",                                    400),
    ("GET / HTTP/1.1|Host:||",                                              400),
    ("GET / HTTP/1.1|Host: a b||",                                          400),
    ("GET / HTTP/1.1|Host: a@b||",                                          400),
    ("GET / HTTP/1.1|Host: h:65536||",                                      400),  # no port
    ("GET / HTTP/1.1|Host: a, b||",                                         400),
    ("GET / HTTP/1.1|Host: h:port||",                                       400),
    ("GET / HTTP/1.1|Host: ::1||",                                          400),
    # lengths and codings
    ("POST / HTTP/1.1|Host: h|Content-Length:||",                           400),
    ("POST / HTTP/1.1|Host: h|Content-Length: +5||",                        400),
    ("POST / HTTP/1.1|Host: h|Content-Length: -5||",                        400),
    ("POST / HTTP/1.1|Host: h|Content-Length: 0x5||",                       400),
    ("POST / HTTP/1.1|Host: h|Content-Length: 5 5||",                       400),
    ("POST / HTTP/1.1|Host: h|Content-Length: 5, 5||",                      400),
    ("POST / HTTP/1.1|Host: h|Content-Length: 5|Content-Length: 5||",       400),
    ("POST / HTTP/1.1|Host: h|Content-Length: 5|Content-Length: 6||",       400),
    (f"POST / HTTP/1.1|Host: h|Content-Length: {'1' * 30}||",               400),
    ("POST / HTTP/1.1|Host: h|Content-Length: 5|Transfer-Encoding: chunked||", 400),
    ("POST / HTTP/1.1|Host: h|Transfer-Encoding: chunked|Content-Length: 5||", 400),
    ("POST / HTTP/1.1|Host: h|Transfer-Encoding: chunked|Content-Length:||", 400),
    ("POST / HTTP/1.0|Host: h|Transfer-Encoding: chunked||",                400),
    ("POST / HTTP/1.1|Host: h|Transfer-Encoding: chunked, chunked||",       400),
    ("POST / HTTP/1.1|Host: h|Transfer-Encoding: chunked, gzip||",          400),
    ("POST / HTTP/1.1|Host: h|Transfer-Encoding:||",                        400),
    ("POST / HTTP/1.1|Host: h|Transfer-Encoding: \x0bchunked||",            400),
    ("POST / HTTP/1.1|Host: h|Transfer-Encoding: gzip, chunked||",          501),
    ("POST / HTTP/1.1|Host: h|Transfer-Encoding: xchunked||",               501),
    ("POST / HTTP/1.1|Host: h|Transfer-Encoding: gzip||",                   501),
    # over the limits
    ("GET /" + "x" * 64 + " HTTP/1.1|Host: h||",                            414),
    ("GET /" + "x" * 256 + " HTTP/1.1|Host: h||",                           414),
    ("GET /" + "x" * 500,                                                   414),
    ("GET / HTTP/1.1|Host: h" + "|A: 1" * 8 + "||",                         431),
    ("GET / HTTP/1.1|Host: h|Connection: a,b,c,d,e||",                      431),
    ("GET / HTTP/1.1|Host: h|Connection: a,b,c|Connection: d,e||",          431),
    ("GET / HTTP/1.1|Host: h|A: " + "x" * (257 - 32) + "||",                431),
    ("GET / HTTP/1.1|Host: h|A: " + "x" * 300,                              431),
    # a bad first line counts before the number of options or of lines, however it is split
    ("GET /|Host: h|Connection: a,b,c,d,e||",                               400),
    ("GET /|Host: h" + "|A: 1" * 8 + "||",                                  400),
    # a bad byte within the limit counts before the size, however it is split
    ("GET / HTTP/1.1|Host: h|A: \x00" + "x" * 300 + "||",                   400),
    ("GET / HTTP/1.1|Host: h|A: 1| 2" + "x" * 300 + "||",                   400),
    # and one beyond it does not
    ("GET / HTTP/1.1|Host: h|A: " + "x" * 300 + "\x00||",                   431),
]  # fmt: skip


@pytest.mark.parametrize(("notation", "status"), REFUSED_REQUESTS)
def test_a_bad_request_head_is_refused(head_parser: HeadParser, feed: Feed, notation: str, status: int) -> None:
    with pytest.raises(ProtocolError) as refused:
        first_head(head_parser.request_head, head_parser, feed(wire(notation)))
    assert refused.value.status == status


CODES = [
    ("GET /" + "x" * 64 + " HTTP/1.1|Host: h||",      "target_too_long"),
    ("GET /" + "x" * 500,                             "target_too_long"),
    ("GET / HTTP/1.1|A: " + "x" * 300,                "head_too_large"),
    ("GET / HTTP/1.1|Host: h" + "|A: 1" * 8 + "||",   "head_too_large"),
    ("GET / HTTP/2.0||",                              "version_not_supported"),
    ("GET /||",                                       None),
]  # fmt: skip


@pytest.mark.parametrize(("notation", "code"), CODES)
def test_operators_are_told_which_rule_was_broken(head_parser: HeadParser, notation: str, code: str | None) -> None:
    head_parser.receive(wire(notation))
    with pytest.raises(ProtocolError) as refused:
        head_parser.request_head()
    assert refused.value.code == code


WAITING = [
    "",
    "\r",
    "|",
    "|\r",
    "||",
    "GET",
    "GET / HTTP/1.1\r",
    "GET / HTTP/1.1|Host: h|",
    "GET / HTTP/1.1|Host: h|\r",
]


@pytest.mark.parametrize("notation", WAITING)
def test_the_start_of_a_head_waits_for_more(head_parser: HeadParser, notation: str) -> None:
    head_parser.receive(wire(notation))
    assert head_parser.request_head() is None
    assert head_parser.request_head() is None, "asking again changes nothing"


ALREADY_WRONG = [
    "\n", "\rG", "\x16", "G\x00", "GET / HTTP/1.1\n", "GET / HTTP/1.1\rH", "|||", "|||GET",
    "GET / HTTP/1.1|B: 1| ", "A|B: 1", "GET /|", "GET|A", "|GET / HTTP/1.1x|", "GET / HTTP/1.1 |", " HTTP/1.1|",
]  # fmt: skip


@pytest.mark.parametrize("notation", ALREADY_WRONG)
def test_a_start_that_no_end_can_mend_is_refused_at_once(head_parser: HeadParser, feed: Feed, notation: str) -> None:
    with pytest.raises(ProtocolError) as refused:
        first_head(head_parser.request_head, head_parser, feed(wire(notation)))
    assert refused.value.status == 400


def next_head(head_parser: HeadParser) -> RequestHead:
    head = head_parser.request_head()
    assert head is not None
    return head


def test_an_empty_line_between_two_requests_is_tolerated(head_parser: HeadParser) -> None:
    head_parser.receive(wire("POST / HTTP/1.1|Host: h|Content-Length: 3||abc|GET / HTTP/1.1|Host: h||"))
    assert next_head(head_parser).method == b"POST"
    body = head_parser.body(FixedLength(3))
    assert head_parser.body_bytes(body) == [b"abc"]
    assert next_head(head_parser).method == b"GET"


def test_a_smuggled_second_request_is_read_as_one_and_never_as_body(head_parser: HeadParser) -> None:
    head_parser.receive(
        wire("GET / HTTP/1.1|Host: h|Connection: Upgrade|Upgrade: websocket||GET /admin HTTP/1.1|Host: h||")
    )
    assert next_head(head_parser).target == b"/"
    assert next_head(head_parser).target == b"/admin"


def test_a_dripped_head_does_not_cost_its_square() -> None:
    limits = MessageLimits(request_head_bytes=1 << 20)
    head_parser = HeadParser(limits, fast_path=True)
    for _ in range(50_000):
        head_parser.receive(b"x")
        assert head_parser.request_head() is None
