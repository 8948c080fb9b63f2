"""What h11 lets pass and a proxy must not."""

import pytest

from proxy.errors import ProtocolError
from proxy.http1.limits import MessageLimits
from proxy.http1.parsing.head_parser import HeadParser
from proxy.http1.parsing.strictness import (
    check_bytes,
    check_lengths,
    check_request,
    check_response,
)
from tests.harness.notation import request, response, wire

LIMITS = MessageLimits()

AMBIGUOUS_BYTES = [
    # what                                 the section
    ("bare LF in the first line",          b"GET / HTTP/1.1\nHost: h\r\n\r\n"),
    ("bare LF between fields",             b"A: 1\nB: 2\r\n\r\n"),
    ("bare LF as the blank line",          b"A: 1\r\n\n"),
    ("LF first of all",                    b"\nA: 1\r\n\r\n"),
    ("bare CR in a value",                 b"A: 1\r2\r\n\r\n"),
    ("CR before CRLF",                     b"A: 1\r\r\n\r\n"),
    ("bare CR at the end",                 b"A: 1\r"),
    ("LF CR",                              b"A: 1\n\rB: 2\r\n\r\n"),
    ("NUL in a value",                     b"A: 1\x002\r\n\r\n"),
    ("NUL in a name",                      b"A\x00: 1\r\n\r\n"),
    ("vertical tab",                       b"A:\x0b1\r\n\r\n"),
    ("form feed",                          b"A: 1\x0c\r\n\r\n"),
    ("file separator",                     b"A: \x1c\r\n\r\n"),
    ("escape",                             b"A: \x1b[0m\r\n\r\n"),
    ("DEL",                                b"A: \x7f\r\n\r\n"),
    ("folding with a space",               b"A: 1\r\n 2\r\n\r\n"),
    ("folding with a tab",                 b"A: 1\r\n\t2\r\n\r\n"),
    ("folding into nothing",               b"A: 1\r\n \r\n\r\n"),
    ("folding after the first line",       b"GET / HTTP/1.1\r\n Host: h\r\n\r\n"),
]  # fmt: skip


@pytest.mark.parametrize("section", [row[1] for row in AMBIGUOUS_BYTES], ids=[row[0] for row in AMBIGUOUS_BYTES])
def test_bytes_that_parsers_split_differently_are_refused(section: bytes) -> None:
    with pytest.raises(ProtocolError) as refused:
        check_bytes(section)
    assert refused.value.status == 400


@pytest.mark.parametrize(
    "section",
    [
        b"",
        b"\r\n",
        b"A: 1\r\n\r\n",
        b"A:\t1\t2\r\n\r\n",
        b"A: \x80\xff\r\n\r\n",
        b"A: 1\r\nB:\r\n\r\n",
        b"A: 1 \r\n\r\n",
    ],
)
def test_plain_bytes_pass(section: bytes) -> None:
    check_bytes(section)


LENGTHS = [
    # fields after Host                                is one plain decimal
    ("",                                               True),
    ("Content-Length: 0",                              True),
    ("Content-Length:5",                               True),
    ("Content-Length: \t 5 \t",                        True),
    ("CONTENT-LENGTH: 5",                              True),
    ("Content-Length: 007",                            True),
    (f"Content-Length: {'9' * 18}",                    True),
    ("X-Content-Length: x",                            True),
    ("X: Content-Length: x",                           True),
    (f"Content-Length: {'9' * 19}",                    False),
    (f"Content-Length: {'1' * 30}",                    False),
    ("Content-Length:",                                False),
    ("Content-Length: ",                               False),
    ("Content-Length: +5",                             False),
    ("Content-Length: -5",                             False),
    ("Content-Length: -0",                             False),
    ("Content-Length: 0x5",                            False),
    ("Content-Length: 5 5",                            False),
    ("Content-Length: 5, 5",                           False),
    ("Content-Length: 5,",                             False),
    ("Content-Length: 5;",                             False),
    ("Content-Length: 5.0",                            False),
    ("Content-Length: 5e0",                            False),
    ("Content-Length: 1_0",                            False),
    ("Content-Length: \"5\"",                          False),
    ("Content-Length: \xb2",                           False),
    ("Content-Length: 5\xa0",                          False),
    ("Content-Length: 5|Content-Length: 5",            False),
    ("Content-Length: 5|X: y|content-length: 6",       False),
    ("Content-Length: 5|Content-Length:",              False),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "plain"), LENGTHS)
def test_a_content_length_is_one_line_with_one_plain_decimal(fields: str, plain: bool) -> None:
    raw_head = wire(f"POST / HTTP/1.1|Host: h|{fields}||" if fields else "POST / HTTP/1.1|Host: h||")
    if plain:
        check_lengths(raw_head)
    else:
        with pytest.raises(ProtocolError) as refused:
            check_lengths(raw_head)
        assert refused.value.status == 400


REQUESTS = [
    # head                                                                   status, or None where it passes
    ("GET / HTTP/1.1|Host: h",                                               None),
    ("GET / HTTP/1.1|HOST: h:80",                                            None),
    ("GET / HTTP/1.1|Host: [::1]:80",                                        None),
    ("GET / HTTP/1.0|",                                                      None),
    ("GET / HTTP/1.0|Host: h",                                               None),
    ("GET / HTTP/1.1|X: y",                                                  400),
    ("GET / HTTP/1.1|Host: h|Host: h",                                       400),
    ("GET / HTTP/1.1|Host: h|host: i",                                       400),
    ("GET / HTTP/1.0|Host: h|Host: h",                                       400),
    ("GET / HTTP/1.1|Host:",                                                 400),
    ("GET / HTTP/1.0|Host:",                                                 400),
    ("OPTIONS * HTTP/1.1|Host:",                                             400),
    ("GET http://h/ HTTP/1.1|Host:",                                         None),
    ("GET http://h/ HTTP/1.1|Host:|Host:",                                   400),
    ("GET http://h/ HTTP/1.1",                                               400),
    ("GET / HTTP/1.1|Host: a b",                                             400),
    ("GET / HTTP/1.1|Host: a@b",                                             400),
    ("GET / HTTP/1.1|Host: a, b",                                            400),
    ("GET / HTTP/1.1|Host: h/path",                                          400),
    ("GET / HTTP/1.1|Host: http://h",                                        400),
    ("GET / HTTP/1.1|Host: [::1",                                            400),
    ("GET / HTTP/1.1|Host: h:http",                                          400),
    # an absolute target wins over Host, but a broken Host stays one
    ("GET http://x/ HTTP/1.1|Host: a b",                                     400),
    ("GET http://x/ HTTP/1.1|X: y",                                          400),
    ("POST / HTTP/1.1|Host: h|Transfer-Encoding: chunked",                   None),
    ("POST / HTTP/1.1|Host: h|Content-Length: 5",                            None),
    ("POST / HTTP/1.1|Host: h|Transfer-Encoding: chunked|Content-Length: 5", 400),
    ("POST / HTTP/1.1|Host: h|Content-Length: 0|Transfer-Encoding: chunked", 400),
    ("POST / HTTP/1.0|Host: h|Transfer-Encoding: chunked",                   400),  # CVE-2026-2835
    ("POST / HTTP/1.0|Connection: keep-alive|Transfer-Encoding: chunked",    400),
]  # fmt: skip


@pytest.mark.parametrize(("notation", "status"), REQUESTS)
def test_a_request_is_delimited_and_addressed_in_one_way_only(notation: str, status: int | None) -> None:
    if status is None:
        check_request(request(notation), LIMITS)
    else:
        with pytest.raises(ProtocolError) as refused:
            check_request(request(notation), LIMITS)
        assert refused.value.status == status


RESPONSES = [
    # head                                                                   passes
    ("HTTP/1.1 200 OK|",                                                     True),
    ("HTTP/1.1 200 OK|Content-Length: 5",                                    True),
    ("HTTP/1.1 200 OK|Transfer-Encoding: chunked",                           True),
    ("HTTP/1.0 200 OK|Content-Length: 5",                                    True),
    ("HTTP/1.1 200 OK|Transfer-Encoding: chunked|Content-Length: 5",         False),
    ("HTTP/1.1 200 OK|Content-Length: 18446744073709551621",                 False),
    ("HTTP/1.1 304 NM|Content-Length: 5|Transfer-Encoding: chunked",         False),
    ("HTTP/1.0 200 OK|Transfer-Encoding: chunked",                           False),
]  # fmt: skip


@pytest.mark.parametrize(("notation", "passes"), RESPONSES)
def test_a_response_is_delimited_in_one_way_only(notation: str, passes: bool) -> None:
    if passes:
        check_response(response(notation))
    else:
        with pytest.raises(ProtocolError):
            check_response(response(notation))


def nominating(*counts: int) -> str:
    return "|".join("Connection: " + ", ".join(["x"] * count) for count in counts)


AT_THE_LIMITS = [
    # request head                                                  limits                        status
    ("GET /1234567 HTTP/1.1|Host: h",                               {"target_bytes": 8},          None),
    ("GET /12345678 HTTP/1.1|Host: h",                              {"target_bytes": 8},          414),
    ("GET / HTTP/1.1|Host: h|A: 1",                                 {"field_count": 2},           None),
    ("GET / HTTP/1.1|Host: h|A: 1|B: 1",                            {"field_count": 2},           431),
    (f"GET / HTTP/1.1|Host: h|{nominating(4)}",                     {"nominations": 4},           None),
    (f"GET / HTTP/1.1|Host: h|{nominating(5)}",                     {"nominations": 4},           431),
    (f"GET / HTTP/1.1|Host: h|{nominating(2, 2)}",                  {"nominations": 4},           None),
    (f"GET / HTTP/1.1|Host: h|{nominating(2, 3)}",                  {"nominations": 4},           431),
    (f"GET / HTTP/1.1|Host: h|{nominating(1, 1, 1, 1, 1)}",         {"nominations": 4},           431),
    (f"GET / HTTP/1.1|Host: h|{nominating(256)}",                   {},                           None),
    (f"GET / HTTP/1.1|Host: h|{nominating(257)}",                   {},                           431),
    (f"GET / HTTP/1.1|Host: h|{nominating(300)}",                   {},                           431),
    ("GET / HTTP/1.1|Host: h|Connection: ,,,,,",                    {"nominations": 4},           431),  # commas cost too
]  # fmt: skip


def _parser(limits: dict[str, int], notation: str, *, fast_path: bool) -> HeadParser:
    parser = HeadParser(MessageLimits(**limits), fast_path=fast_path)
    parser.receive(wire(notation + "||"))
    return parser


@pytest.mark.parametrize("fast_path", [True, False], ids=["auto", "h11"])
@pytest.mark.parametrize(("notation", "limits", "status"), AT_THE_LIMITS)
def test_a_limit_is_the_last_value_that_passes(
    notation: str, limits: dict[str, int], status: int | None, fast_path: bool
) -> None:
    parser = _parser(limits, notation, fast_path=fast_path)
    if status is None:
        assert parser.request_head() == request(notation)
        return
    with pytest.raises(ProtocolError) as refused:
        parser.request_head()
    assert refused.value.status == status
    assert refused.value.code == {414: "target_too_long", 431: "head_too_large"}[status]


@pytest.mark.parametrize("fast_path", [True, False], ids=["auto", "h11"])
@pytest.mark.parametrize("limits", [{"field_count": 1}, {"nominations": 1}])
def test_a_response_over_a_limit_is_refused(limits: dict[str, int], fast_path: bool) -> None:
    with pytest.raises(ProtocolError) as refused:
        _parser(limits, "HTTP/1.1 200 OK|Connection: a, b|B: 1", fast_path=fast_path).response_head()
    assert refused.value.code == "head_too_large"
