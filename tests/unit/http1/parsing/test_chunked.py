"""The chunked coding (RFC 9112 §7.1): every example whole, byte by byte, and with something behind it."""

from collections.abc import Callable, Iterable

import pytest

from proxy.errors import ProtocolError
from proxy.http1.limits import MessageLimits
from proxy.http1.parsing.chunked import ChunkedBody
from tests.harness.notation import bytewise, lines, wire

LIMITS = MessageLimits(trailer_bytes=64, chunk_extension_bytes=16, field_count=4)

NEXT_REQUEST = b"GET /next HTTP/1.1\r\nHost: h\r\n\r\n"

Feed = Callable[[bytes], Iterable[bytes]]

FEEDS: dict[str, Feed] = {
    "whole": lambda data: [data],
    "byte by byte": bytewise,
    "in two": lambda data: [data[: len(data) // 2], data[len(data) // 2 :]],
    "with empty pieces": lambda data: [b"", data[:3], b"", data[3:]],
}


@pytest.fixture(params=FEEDS)
def feed(request: pytest.FixtureRequest) -> Feed:
    return FEEDS[request.param]


@pytest.fixture(params=[True, False], ids=["with_h11", "alone"])
def body(request: pytest.FixtureRequest) -> ChunkedBody:
    return ChunkedBody(LIMITS, with_h11=request.param)


BODIES = [
    # on the wire                                        body           trailers
    ("0||",                                              "",            ""),
    ("000||",                                            "",            ""),
    ("1|a|0||",                                          "a",           ""),
    ("3|abc|2|de|0||",                                   "abcde",       ""),
    ("A|0123456789|0||",                                 "0123456789",  ""),
    ("a|0123456789|0||",                                 "0123456789",  ""),
    ("0a|0123456789|0||",                                "0123456789",  ""),
    ("000000000000003|abc|0||",                          "abc",         ""),
    # leading zeros mean nothing, however many (16 digits and more were refused)
    ("0000000000000003|abc|0||",                         "abc",         ""),
    ("0" * 19 + "3|abc|" + "0" * 20 + "||",              "abc",         ""),
    ("0" * 20 + "3|abc|" + "0" * 21 + "||",              "abc",         ""),
    ("0" * 255 + "3;a|abc|" + "0" * 256 + "|A: 1||",     "abc",         "A: 1"),
    ("3|abc|" + "0" * 40 + " ;a|A: 1||",                 "abc",         "A: 1"),
    # data that looks like framing
    ("5||0||0||",                                        "\r\n0\r\n",   ""),
    ("2|\n\n|0||",                                       "\n\n",        ""),
    # extensions are dropped
    ("3;a|abc|0;b=c||",                                  "abc",         ""),
    ("3;a=\"b;c,d\"|abc|0||",                            "abc",         ""),
    ("3;a=\"\x80\"\t|abc|0||",                           "abc",         ""),
    ("3;|abc|0||",                                       "abc",         ""),
    ("3;;;|abc|0||",                                     "abc",         ""),
    ("3;345678901234567|abc|0||",                        "abc",         ""),
    ("3; a=b |abc|0||",                                  "abc",         ""),
    # white space that means nothing, and has to be read (RFC 9110 §5.6.3)
    ("3 ;a|abc|0\t ; b = c ||",                          "abc",         ""),
    ("1 ;a|a|2|bc|0;d|E: 1||",                           "abc",         "E: 1"),
    # spaces before the line end, which some upstreams pad with
    ("3  \t|abc|0 ||",                                   "abc",         ""),
    # trailers
    ("3|abc|0|A: 1||",                                   "abc",         "A: 1"),
    ("0|A: 1|a:2|B:||",                                  "",            "A: 1|a: 2|B:"),
    ("0|Content-Length: 5||",                            "",            "Content-Length: 5"),
    ("0|A: 1|B: 2|C: 3|D: 4||",                          "",            "A: 1|B: 2|C: 3|D: 4"),
    ("0|A: " + "x" * 57 + "||",                          "",            "A: " + "x" * 57),
]  # fmt: skip


@pytest.mark.parametrize(("coded", "expected", "trailers"), BODIES)
def test_a_chunked_body_yields_its_bytes_and_trailers(
    body: ChunkedBody, feed: Feed, coded: str, expected: str, trailers: str
) -> None:
    received = [piece for data in feed(wire(coded)) for piece in body.receive(data)]
    assert b"".join(received) == expected.encode("latin-1")
    assert body.complete
    assert body.trailers == lines(trailers)
    assert body.left_over == b""


@pytest.mark.parametrize(("coded", "expected", "trailers"), BODIES)
def test_what_stands_behind_a_chunked_body_is_left_over(
    body: ChunkedBody, coded: str, expected: str, trailers: str
) -> None:
    received = body.receive(wire(coded) + NEXT_REQUEST)
    assert b"".join(received) == expected.encode("latin-1")
    assert body.complete
    assert body.trailers == lines(trailers)
    assert body.left_over == NEXT_REQUEST


@pytest.mark.parametrize(("coded", "expected", "trailers"), BODIES)
def test_a_body_of_which_whole_chunks_are_received_at_once_is_the_same(
    coded: str, expected: str, trailers: str
) -> None:
    data = wire(coded) + NEXT_REQUEST
    for cut in range(len(data)):
        body = ChunkedBody(LIMITS, with_h11=False)
        received: list[bytes] = []
        for piece in (data[:cut], data[cut:]):
            passed = body.receive_whole_chunks(piece) if not body.complete else []
            received += body.receive(piece) if passed is None else passed
        assert b"".join(received) == expected.encode("latin-1")
        assert body.received_bytes == len(expected)
        assert (body.complete, body.trailers) == (True, lines(trailers))


@pytest.mark.parametrize(("coded", "passed"), [
    ("3|abc|", [b"abc"]),
    ("3 |abc|04|defg|", [b"abcdefg"]),
    ("3|abc|0||", None),
    ("3|abc|0|A: 1||", None),
    ("3|abc|2|d", None),
    ("3|abc|2", None),
    ("3;a|abc|", None),
    ("g|abc|", None),
])  # fmt: skip
def test_whole_plain_chunks_and_nothing_else_are_received_at_once(coded: str, passed: list[bytes] | None) -> None:
    body = ChunkedBody(LIMITS, with_h11=False)
    assert body.receive_whole_chunks(wire(coded)) == passed
    assert body.received_bytes == sum(map(len, passed or []))
    assert ChunkedBody(LIMITS, with_h11=True).receive_whole_chunks(wire(coded)) is None  # h11 has to see them


@pytest.mark.parametrize("coded", [row[0] for row in BODIES])
def test_a_body_is_not_complete_before_its_last_byte(body: ChunkedBody, coded: str) -> None:
    for byte in bytewise(wire(coded)[:-1]):
        body.receive(byte)
        assert not body.complete


@pytest.mark.parametrize("coded", [row[0] for row in BODIES])
def test_what_follows_a_dripped_body_is_left_over(body: ChunkedBody, coded: str) -> None:
    data = wire(coded)
    for byte in bytewise(data[:-1]):
        body.receive(byte)
    body.receive(data[-1:] + NEXT_REQUEST)
    assert (body.complete, body.left_over) == (True, NEXT_REQUEST)


BROKEN = [
    # on the wire                                        status
    ("|",                                                400),
    ("|0||",                                             400),
    ("x|",                                               400),
    ("g|",                                               400),
    ("-1|a|0||",                                         400),
    ("+1|a|0||",                                         400),
    ("0x1|a|0||",                                        400),
    ("1_0|a|0||",                                        400),
    (" 1|a|0||",                                         400),
    ("1 1|a|0||",                                        400),
    ("1,1|a|0||",                                        400),
    ("1.|a|0||",                                         400),
    ("\xb2|aa|0||",                                      400),
    ("1 a;a|a|0||",                                      400),
    ("1 ;a\x00|a|0||",                                   400),
    ("1 ;" + "a" * 15 + "|a|0||",                        400),
    ("1;a\x00|a|0||",                                    400),
    ("1;a\x0b|a|0||",                                    400),
    ("1;a\x7f|a|0||",                                    400),
    ("1;a\rb|a|0||",                                     400),
    ("1;a\nb|a|0||",                                     400),  # an LF that ends the line for some readers
    ("1;a=\"\n\"|a|0||",                                 400),
    ("1\na|0||",                                         400),
    ("1\n|a|0||",                                        400),
    ("1\r\ra|0||",                                       400),
    ("1\r|a|0||",                                        400),
    ("fffffffffffffff0|",                                400),  # 16 digits
    ("0" * 20 + "fffffffffffffff0|",                     400),
    ("0" * 256 + "3|abc|0||",                            400),  # more digits than anybody needs
    ("0" * 300,                                          400),
    ("0" * 16 + "x|",                                    400),
    ("0" * 16 + " 1|a|0||",                              400),
    ("1" * 30 + "|",                                     400),
    ("1;" + "a" * 16 + "|a|0||",                         400),  # extension over its limit
    ("1" + " " * 17 + "|a|0||",                          400),
    ("1   x|a|0||",                                      400),
    ("1;abc\x01d|a|0||",                                 400),
    # data does not end where its size says (CVE-2025-43859)
    ("1|ab|0||",                                         400),
    ("3|abcX\n0||",                                      400),
    ("3|abc\n0||",                                       400),
    ("3|abc\r0||",                                       400),
    ("3|abcXX0||",                                       400),
    ("3|abc\n\n0||",                                     400),
    ("3|abc0||",                                         400),
    ("1|a |0||",                                         400),
    # trailers
    ("0|A: 1\nB: 2||",                                   400),
    ("0|A: 1\n||",                                       400),
    ("0\n\n",                                            400),
    ("0|\n",                                             400),
    ("0|\rA: 1||",                                       400),
    ("0|A: 1\rB: 2||",                                   400),
    ("0|A: 1| 2||",                                      400),
    ("0| A: 1||",                                        400),
    ("0|A : 1||",                                        400),
    ("0|A||",                                            400),
    ("0|: 1||",                                          400),
    ("0|A: \x00||",                                      400),
    ("0|A: \x7f||",                                      400),
    ("0|GET / HTTP/1.1||",                               400),
    ("0|A: " + "x" * 58 + "||",                          431),
    ("0|A: " + "x" * 100,                                431),
    ("0|A: 1|B: 2|C: 3|D: 4|E: 5||",                     431),
    # what comes first decides, however it was split
    ("0|A: \x00" + "x" * 100 + "||",                     400),
    ("0|A: " + "x" * 100 + "\x00||",                     431),
    ("0|A: " + "x" * 100 + "| fold||",                   431),
    ("0|A| B: " + "x" * 100 + "||",                      400),
    ("0|A: " + "x" * 60 + "\n||",                        400),
    ("0|A: " + "x" * 61 + "\rx||",                       431),
]  # fmt: skip


@pytest.mark.parametrize(("coded", "status"), BROKEN)
def test_a_broken_chunked_body_is_refused(body: ChunkedBody, feed: Feed, coded: str, status: int) -> None:
    with pytest.raises(ProtocolError) as refused:
        for data in feed(wire(coded)):
            body.receive(data)
    assert refused.value.status == status
    assert not body.complete


ALREADY_WRONG = [
    b"x",
    b"-",
    b" ",
    b"1 1",
    b"1;\x00",
    b"1 ;\x00",
    b"1\n",
    b"1\rx",
    b"1" * 16,
    b"1;" + b"a" * 16,
    b"1\r\nab",
    b"0\r\nA: \x00",
]


@pytest.mark.parametrize("start", ALREADY_WRONG)
def test_a_start_that_no_end_can_mend_is_refused_at_once(body: ChunkedBody, start: bytes) -> None:
    with pytest.raises(ProtocolError):
        body.receive(start)


def test_the_largest_chunk_has_fifteen_digits(body: ChunkedBody) -> None:
    assert body.receive(b"f" * 15 + b"\r\nabc") == [b"abc"]
    assert not body.complete


def test_data_within_one_chunk_is_handed_on_without_a_copy() -> None:
    body = ChunkedBody(LIMITS, with_h11=False)
    body.receive(b"ff\r\n")
    data = b"x" * 100
    [piece] = body.receive(data)
    assert piece is data


def test_two_readers_that_disagree_refuse_the_body(monkeypatch: pytest.MonkeyPatch) -> None:
    body = ChunkedBody(LIMITS, with_h11=True)
    monkeypatch.setattr("proxy.http1.parsing.h11_parser.H11ChunkedParser.receive", lambda self, data: [b"other"])
    with pytest.raises(ProtocolError, match="disagree"):
        body.receive(b"3\r\nabc")


@pytest.mark.parametrize("with_h11", [True, False])
def test_the_work_of_one_call_is_bounded_whatever_the_size_of_the_chunks(with_h11: bool) -> None:
    # 43,690 tiny chunks, as they may come in one read: without a bound, everybody else waits for all of them.
    coded = b"1\r\na\r\n2\r\nbc\r\n" * 21_845
    body = ChunkedBody(LIMITS, with_h11=with_h11)
    received, calls, unseen = b"", 0, coded + b"0\r\nA: 1\r\n\r\n" + NEXT_REQUEST
    while not body.complete:
        pieces = body.receive(unseen)
        chunks = len(b"".join(pieces)) / 1.5
        assert 0 < chunks <= (128 if with_h11 else 4096) + 1 or body.complete
        assert unseen.endswith(body.left_over)
        received, calls, unseen = received + b"".join(pieces), calls + 1, body.left_over
    assert calls > 10
    assert received == b"abc" * 21_845
    assert body.received_bytes == 65_535
    assert body.trailers == [(b"A", b"1")]
    assert body.left_over == NEXT_REQUEST
