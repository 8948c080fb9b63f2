"""How a body is delimited, coming and going (RFC 9112 §6.3)."""

import pytest

from proxy.http1.fields import Fields
from proxy.http1.framing import framing_fields, outgoing_response_framing, request_framing, response_framing
from proxy.http1.message import CHUNKED, NO_BODY, UNTIL_CLOSE, BodyFraming, FixedLength, NoBody
from tests.harness.notation import request, response

REQUESTS = [
    # head                                                          framing
    ("GET / HTTP/1.1|Host: h",                                      NO_BODY),
    ("POST / HTTP/1.1|Host: h",                                     NO_BODY),
    ("POST / HTTP/1.1|Host: h|Content-Length: 5",                   FixedLength(5)),
    ("GET / HTTP/1.1|Host: h|content-length: 5",                    FixedLength(5)),
    ("POST / HTTP/1.0|Content-Length: 005",                         FixedLength(5)),
    ("POST / HTTP/1.1|Host: h|Content-Length: 0",                   FixedLength(0)),  # kept apart from none
    ("POST / HTTP/1.1|Host: h|Transfer-Encoding: chunked",          CHUNKED),
    ("GET / HTTP/1.1|Host: h|TRANSFER-ENCODING: chunked",           CHUNKED),
    # SEMANTICS 5.7: nominating framing changes nothing
    ("POST / HTTP/1.1|Host: h|Connection: Content-Length|Content-Length: 5", FixedLength(5)),
    ("POST / HTTP/1.1|Host: h|Connection: Transfer-Encoding|Transfer-Encoding: chunked", CHUNKED),
]  # fmt: skip


@pytest.mark.parametrize(("notation", "expected"), REQUESTS)
def test_a_request_ends_where_its_head_says(notation: str, expected: BodyFraming) -> None:
    assert request_framing(request(notation)) == expected


RESPONSES = [
    # method   status  fields                              framing
    (b"GET",   200,    "Content-Length: 5",                FixedLength(5)),
    (b"GET",   200,    "Content-Length: 0",                FixedLength(0)),
    (b"GET",   200,    "Transfer-Encoding: chunked",       CHUNKED),
    (b"GET",   200,    "",                                 UNTIL_CLOSE),
    (b"GET",   404,    "",                                 UNTIL_CLOSE),
    (b"POST",  205,    "Content-Length: 5",                FixedLength(5)),
    (b"HEAD",  200,    "Content-Length: 5",                NoBody(5)),
    (b"HEAD",  200,    "Transfer-Encoding: chunked",       NO_BODY),
    (b"HEAD",  200,    "",                                 NO_BODY),
    (b"HEAD",  500,    "Content-Length: 0",                NoBody(0)),
    (b"head",  200,    "Content-Length: 5",                FixedLength(5)),  # methods are case-sensitive
    (b"GET",   304,    "Content-Length: 5",                NoBody(5)),
    (b"GET",   304,    "Transfer-Encoding: chunked",       NO_BODY),
    (b"GET",   304,    "",                                 NO_BODY),
    (b"GET",   204,    "",                                 NO_BODY),
    (b"GET",   204,    "Content-Length: 5",                NO_BODY),  # means nothing here
    (b"GET",   204,    "Transfer-Encoding: chunked",       NO_BODY),
    (b"HEAD",  204,    "Content-Length: 5",                NO_BODY),
    (b"GET",   100,    "Content-Length: 168",              NO_BODY),  # SEMANTICS 5.19
    (b"GET",   101,    "Content-Length: 5",                NO_BODY),
    (b"GET",   103,    "Transfer-Encoding: chunked",       NO_BODY),
    (b"GET",   199,    "",                                 NO_BODY),
]  # fmt: skip


@pytest.mark.parametrize(("method", "status", "fields", "expected"), RESPONSES)
def test_a_response_ends_where_method_status_and_head_say(
    method: bytes, status: int, fields: str, expected: BodyFraming
) -> None:
    assert response_framing(response(f"HTTP/1.1 {status} R|{fields}"), method) == expected


OUTGOING = [
    # came as          client   goes as
    (FixedLength(5),   b"1.1",  FixedLength(5)),
    (FixedLength(5),   b"1.0",  FixedLength(5)),
    (NoBody(5),        b"1.1",  NoBody(5)),
    (NoBody(5),        b"1.0",  NoBody(5)),
    (NO_BODY,          b"1.1",  NO_BODY),
    (CHUNKED,          b"1.1",  CHUNKED),
    (CHUNKED,          b"1.0",  UNTIL_CLOSE),  # SEMANTICS 5.21
    (UNTIL_CLOSE,      b"1.1",  CHUNKED),
    (UNTIL_CLOSE,      b"1.0",  UNTIL_CLOSE),
]  # fmt: skip


@pytest.mark.parametrize(("incoming", "client_version", "expected"), OUTGOING)
def test_the_length_is_kept_where_known_else_chunked_else_until_close(
    incoming: BodyFraming, client_version: bytes, expected: BodyFraming
) -> None:
    assert outgoing_response_framing(incoming, client_version) == expected


STATED = [
    (FixedLength(0),        [(b"Content-Length", b"0")]),
    (FixedLength(10**18),   [(b"Content-Length", b"1000000000000000000")]),
    (CHUNKED,               [(b"Transfer-Encoding", b"chunked")]),
    (NoBody(7),             [(b"Content-Length", b"7")]),
    (NoBody(0),             [(b"Content-Length", b"0")]),
    (NO_BODY,               []),
    (UNTIL_CLOSE,           []),
]  # fmt: skip


@pytest.mark.parametrize(("framing", "expected"), STATED)
def test_a_framing_is_stated_in_at_most_one_line(framing: BodyFraming, expected: Fields) -> None:
    assert framing_fields(framing) == expected
