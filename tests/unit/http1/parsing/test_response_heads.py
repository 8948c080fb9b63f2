"""The heads of responses."""

import pytest

from proxy.errors import ProtocolError
from proxy.http1.limits import MessageLimits
from proxy.http1.message import ResponseHead
from proxy.http1.parsing import head_parser as head_parser_module
from proxy.http1.parsing.head_parser import HeadParser
from tests.harness.notation import response, wire
from tests.unit.http1.parsing.feeds import Feed, first_head

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
def test_a_response_head_is_read(head_parser: HeadParser, feed: Feed, notation: str, read_as: str | None) -> None:
    assert first_head(head_parser.response_head, head_parser, feed(wire(notation))) == response(
        (read_as or notation)[:-1]
    )


def test_an_interim_response_does_not_swallow_the_final_one(head_parser: HeadParser) -> None:
    head_parser.receive(wire("HTTP/1.1 100 Continue|Content-Length: 168||HTTP/1.1 200 OK|Content-Length: 2||ok"))
    heads = [head_parser.response_head(), head_parser.response_head()]
    assert [head and head.status for head in heads] == [100, 200]
    assert head_parser.take_unread() == b"ok"


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
def test_a_bad_response_head_is_refused(head_parser: HeadParser, feed: Feed, notation: str) -> None:
    with pytest.raises(ProtocolError):
        first_head(head_parser.response_head, head_parser, feed(wire(notation)))


_LIMITS = MessageLimits()


def read_by_h11(notation: str, limits: MessageLimits = _LIMITS) -> ResponseHead:
    parser = HeadParser(limits, fast_path=False)
    parser.receive(wire(notation))
    head = parser.response_head()
    assert head is not None
    return head


@pytest.mark.parametrize(
    ("fields", "is_remembered"),
    [
        ("Server: s|Content-Length: 5", True),
        ("Server: s|Set-Cookie: a=1", False),
        ("X-Auth-Token: t|Server: s", False),
        ("|".join(f"X-{number}: {'v' * 100}" for number in range(20)), False),
    ],
)
def test_a_head_that_h11_has_read_is_remembered_unless_it_holds_a_secret_or_is_long(
    fields: str, is_remembered: bool
) -> None:
    first, again = (read_by_h11(f"HTTP/1.1 200 OK|{fields}||") for _ in range(2))
    assert first == again
    assert (first is again) is is_remembered
    assert (first.shared is not None) is is_remembered


@pytest.mark.parametrize("limits", [MessageLimits(field_count=3), MessageLimits(nominations=2)])
def test_a_head_that_was_read_is_refused_where_less_is_allowed(limits: MessageLimits) -> None:
    notation = "HTTP/1.1 200 OK|A: 1|B: 2|C: 3|Connection: x, y, z||"
    read_by_h11(notation)
    with pytest.raises(ProtocolError, match="too many"):
        read_by_h11(notation, limits)


def test_few_heads_are_remembered() -> None:
    for number in range(300):
        read_by_h11(f"HTTP/1.1 200 OK|X-N: {number}||")
    assert len(head_parser_module._RESPONSES) <= 256
