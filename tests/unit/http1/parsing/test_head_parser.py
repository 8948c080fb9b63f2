"""The head reader: every example whole, byte by byte, and with something behind it, by either reader."""

import pytest

from proxy.errors import BadRequest, BadResponse
from proxy.http1.limits import MessageLimits
from proxy.http1.message import CHUNKED, NO_BODY, UNTIL_CLOSE, FixedLength, NoBody
from proxy.http1.parsing.body import CountedBody, EmptyBody, UnboundedBody
from proxy.http1.parsing.chunked import ChunkedBody
from proxy.http1.parsing.head_parser import HeadParser
from tests.harness.notation import bytewise, request, response, wire

LIMITS = MessageLimits(request_head_bytes=256, response_head_bytes=256, target_bytes=64, field_count=8, nominations=4)

BEHIND = b"GET /next HTTP/1.1\r\nHost: h\r\n\r\n"

FEEDS = {
    "whole": lambda data: [data],
    "byte by byte": bytewise,
    "in threes": lambda data: [data[start : start + 3] for start in range(0, len(data), 3)],
    "whole, with a pipelined request": lambda data: [data + BEHIND],
    "whole, then a pipelined request": lambda data: [data, BEHIND],
}


@pytest.fixture(params=FEEDS.values(), ids=FEEDS.keys())
def feed(request):
    return request.param


@pytest.fixture(params=[True, False], ids=["fast path", "h11 parser"])
def reader(request):
    return HeadParser(LIMITS, fast_path=request.param)


def first_head(read, reader, pieces):
    """The first head, asked for after every piece, as a connection does."""
    for data in pieces:
        reader.receive(data)
        if (head := read()) is not None:
            return head
    return None


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
def test_a_request_head_is_read(reader, feed, notation, read_as):
    assert first_head(reader.request_head, reader, feed(wire(notation))) == request((read_as or notation)[:-1])


@pytest.mark.parametrize(("notation", "read_as"), ACCEPTED_REQUESTS)
def test_what_stands_behind_a_head_stays_unread(reader, notation, read_as):
    reader.receive(wire(notation) + BEHIND)
    reader.request_head()
    assert reader.unread == BEHIND
    assert reader.request_head() == request("GET /next HTTP/1.1|Host: h|")
    assert reader.unread == b""
    assert reader.request_head() is None


@pytest.mark.parametrize(("notation", "read_as"), ACCEPTED_REQUESTS)
def test_a_head_is_not_read_before_its_last_byte(reader, notation, read_as):
    assert first_head(reader.request_head, reader, bytewise(wire(notation)[:-1])) is None


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
    # a bad byte within the limit counts before the size, however it is split
    ("GET / HTTP/1.1|Host: h|A: \x00" + "x" * 300 + "||",                   400),
    ("GET / HTTP/1.1|Host: h|A: 1| 2" + "x" * 300 + "||",                   400),
    # and one beyond it does not
    ("GET / HTTP/1.1|Host: h|A: " + "x" * 300 + "\x00||",                   431),
]  # fmt: skip


@pytest.mark.parametrize(("notation", "status"), REFUSED_REQUESTS)
def test_a_bad_request_head_is_refused(reader, feed, notation, status):
    with pytest.raises(BadRequest) as refused:
        first_head(reader.request_head, reader, feed(wire(notation)))
    assert refused.value.status == status


CODES = [
    ("GET /" + "x" * 64 + " HTTP/1.1|Host: h||",      "target_too_long"),
    ("GET /" + "x" * 500,                             "target_too_long"),
    ("GET / HTTP/1.1|A: " + "x" * 300,                "head_too_large"),
    ("GET / HTTP/1.1|Host: h" + "|A: 1" * 8 + "||",   "head_too_large"),
    ("GET / HTTP/2.0||",                              "version_not_supported"),
    ("GET /||",                                       "bad_request"),
]  # fmt: skip


@pytest.mark.parametrize(("notation", "code"), CODES)
def test_operators_are_told_which_rule_was_broken(reader, notation, code):
    reader.receive(wire(notation))
    with pytest.raises(BadRequest) as refused:
        reader.request_head()
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
def test_the_start_of_a_head_waits_for_more(reader, notation):
    reader.receive(wire(notation))
    assert reader.request_head() is None
    assert reader.request_head() is None, "asking again changes nothing"


ALREADY_WRONG = [
    "\n", "\rG", "\x16", "G\x00", "GET / HTTP/1.1\n", "GET / HTTP/1.1\rH", "|||", "|||GET",
    "GET / HTTP/1.1|B: 1| ", "A|B: 1", "GET /|", "GET|A", "|GET / HTTP/1.1x|", "GET / HTTP/1.1 |", " HTTP/1.1|",
]  # fmt: skip


@pytest.mark.parametrize("notation", ALREADY_WRONG)
def test_a_start_that_no_end_can_mend_is_refused_at_once(reader, feed, notation):
    with pytest.raises(BadRequest) as refused:
        first_head(reader.request_head, reader, feed(wire(notation)))
    assert refused.value.status == 400


def test_an_empty_line_between_two_requests_is_tolerated(reader):
    reader.receive(wire("POST / HTTP/1.1|Host: h|Content-Length: 3||abc|GET / HTTP/1.1|Host: h||"))
    assert reader.request_head().method == b"POST"
    body = reader.body(FixedLength(3))
    assert reader.body_bytes(body) == [b"abc"]
    assert reader.request_head().method == b"GET"


def test_a_smuggled_second_request_is_read_as_one_and_never_as_body(reader):
    reader.receive(wire("GET / HTTP/1.1|Host: h|Connection: Upgrade|Upgrade: websocket||GET /admin HTTP/1.1|Host: h||"))
    assert reader.request_head().target == b"/"
    assert reader.request_head().target == b"/admin"


ACCEPTED_RESPONSES = [
    # on the wire                                              read as, where it differs
    ("HTTP/1.1 200 OK||",                                      None),
    ("HTTP/1.1 200 ||",                                        None),
    ("HTTP/1.0 200 OK|Content-Length: 5||",                    None),
    ("HTTP/1.3 200 OK||",                                      "HTTP/1.1 200 OK||"),
    ("HTTP/1.1 200 Gr\xfcn\t||",                               None),
    ("HTTP/1.1 200 OK|Transfer-Encoding: chunked||",           None),
    ("HTTP/1.1 200 OK|Content-Length: 5|Content-Length: 5||",  "HTTP/1.1 200 OK|Content-Length: 5||"),
    ("HTTP/1.1 204 No Content|Content-Length: 5||",            None),
    ("HTTP/1.1 100 Continue|Content-Length: 168||",            None),
    ("HTTP/1.1 101 Switching Protocols|Upgrade: websocket||",  None),
    ("HTTP/1.1 103 Early Hints|Link: a|Connection: X||",       None),
    ("HTTP/1.1 200 OK|Set-Cookie: a|A: 1|set-cookie: b||",     None),
    ("HTTP/1.1 200 OK|A: " + "x" * (256 - 24) + "||",          None),
    ("HTTP/1.1 200 OK|Host: h|Host: h||",                      None),
]  # fmt: skip


@pytest.mark.parametrize(("notation", "read_as"), ACCEPTED_RESPONSES)
def test_a_response_head_is_read(reader, feed, notation, read_as):
    assert first_head(reader.response_head, reader, feed(wire(notation))) == response((read_as or notation)[:-1])


def test_an_interim_response_does_not_swallow_the_final_one(reader):
    reader.receive(wire("HTTP/1.1 100 Continue|Content-Length: 168||HTTP/1.1 200 OK|Content-Length: 2||ok"))
    assert reader.response_head().status == 100
    assert reader.response_head().status == 200
    assert reader.take_unread() == b"ok"


REFUSED_RESPONSES = [
    "HTTP/2.0 200 OK||",
    "HTTP/1.1 2x0 OK||",
    "HTTP/1.1 099 OK||",
    "http/1.1 200 OK||",
    "SSH-2.0-x|",
    "HTTP/1.1|A: 1|",
    "<html>\n",
    "|HTTP/1.1 200 OK||",
    "||",
    "HTTP/1.1 200 OK\n\n",
    "HTTP/1.1 200 OK\nA: 1||",
    "HTTP/1.1 200 OK|A: 1| 2||",
    "HTTP/1.1 200 OK|A : 1||",
    "HTTP/1.1 200 OK|A: \x00||",  # CVE-2022-37436: no head cut at a bad byte
    "HTTP/1.1 200 OK|A||",
    "HTTP/1.1 200 OK|Content-Length: 5|Content-Length: 6||",
    "HTTP/1.1 200 OK|Content-Length: 5, 6||",
    "HTTP/1.1 200 OK|Content-Length: x||",
    "HTTP/1.1 200 OK|Content-Length: 5|Transfer-Encoding: chunked||",
    "HTTP/1.0 200 OK|Transfer-Encoding: chunked||",
    "HTTP/1.1 200 OK|Transfer-Encoding: gzip||",
    "HTTP/1.1 200 OK|Connection: a,b,c,d,e||",
    "HTTP/1.1 200 OK" + "|A: 1" * 9 + "||",
    "HTTP/1.1 200 OK|A: " + "x" * 300 + "||",
    "HTTP/1.1 200 " + "x" * 300,
]


@pytest.mark.parametrize("notation", REFUSED_RESPONSES)
def test_a_bad_response_head_is_the_upstreams_fault(reader, feed, notation):
    with pytest.raises(BadResponse) as refused:
        first_head(reader.response_head, reader, feed(wire(notation)))
    assert refused.value.status == 502


def test_a_body_of_known_length_ends_with_it(feed):
    body = CountedBody(3)
    received = [piece for data in feed(b"abc") for piece in body.receive(data)]
    assert b"".join(received) == b"abc"
    assert body.complete
    assert body.left_over in (b"", BEHIND)
    assert body.trailers == []


def test_a_body_of_known_length_is_handed_on_without_a_copy():
    data = b"x" * 100
    [piece] = CountedBody(1000).receive(data)
    assert piece is data


def test_an_unfinished_body_of_known_length_is_not_complete():
    body = CountedBody(3)
    assert body.receive(b"") == []
    assert body.receive(b"ab") == [b"ab"]
    assert not body.complete


def test_an_unbounded_body_is_complete_when_somebody_says_so():
    body = UnboundedBody()
    assert body.receive(b"abc") == [b"abc"]
    assert body.receive(b"") == []
    assert not body.complete
    assert (body.left_over, body.trailers) == (b"", [])


@pytest.mark.parametrize(
    ("framing", "kind"),
    [
        (FixedLength(1), CountedBody),
        (FixedLength(0), EmptyBody),
        (NO_BODY, EmptyBody),
        (NoBody(5), EmptyBody),
        (CHUNKED, ChunkedBody),
        (UNTIL_CLOSE, UnboundedBody),
    ],
)
def test_the_framing_chooses_the_bodys_reader(reader, framing, kind):
    assert type(reader.body(framing)) is kind


def test_a_dripped_head_does_not_cost_its_square():
    limits = MessageLimits(request_head_bytes=1 << 20)
    reader = HeadParser(limits, fast_path=True)
    for _ in range(50_000):
        reader.receive(b"x")
        assert reader.request_head() is None
