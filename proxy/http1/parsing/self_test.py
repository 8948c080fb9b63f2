"""Whether this interpreter runs the parsers' patterns rightly: tried out before a worker serves.

CPython 3.11.0 to 3.11.4 match some possessive groups wrongly (gh-106052), and distributions fix that under the same
version number, so the number says nothing. Instead, heads on which a pattern could go wrong are read by both readers,
and what both readers share is compared with the right results.

Pure: no I/O. The caller logs what is found, and then has every message read by the h11 parser.
"""

from collections.abc import Callable, Iterator
from typing import Final

from proxy.errors import ProtocolError
from proxy.http1.limits import MessageLimits
from proxy.http1.message import RequestHead, ResponseHead
from proxy.http1.parsing.chunked import ChunkedBody
from proxy.http1.parsing.fast_path import parse_plain_request, parse_plain_response
from proxy.http1.parsing.head_parser import HeadParser
from proxy.http1.parsing.strictness import check_bytes
from proxy.http1.target import has_authority_form

_LIMITS: Final = MessageLimits()

#: What follows a head: a pipelined request, a body, and bytes that are neither.
_BEHIND: Final = (b"GET /2 HTTP/1.1\r\nHost: h\r\n\r\n", b"0\r\n\r\n", b"\x00")

_COOKIE: Final = b"Cookie: c=1\r\nAuthorization: b\r\n"
_LONG: Final = b"X-Long: " + b"a b" * 300

#: Field sections between `Host: h` and the empty line. A pattern that takes the wrong line for the last loses what
#: stands behind it: in most, framing or a cookie does.
_SECTIONS: Final = (
    b"",
    # White space at a line's end, and values that are empty: gh-106052.
    b"X-Empty: \r\n" + _COOKIE,
    b"X-Empty:\r\n" + _COOKIE,
    b"X-Empty:\t\r\n" + _COOKIE,
    b"X-A: 1 \r\n" + _COOKIE,
    b"X-A: 1\t\r\n" + _COOKIE,
    b"X-A: 1\r\nX-B: 2\r\nX-C: 3  \r\nX-D: 4 \t\r\n" + _COOKIE,
    b"X-A: \xff \r\n" + _COOKIE,
    b"Content-Length: \r\n" + _COOKIE,
    b"Content-Length: 5 \r\n" + _COOKIE,
    b"Content-Length: 5\r\nX-A: \r\n",
    b"Connection: close \r\nTransfer-Encoding: chunked\r\n",
    b"Connection: close, X-A\t\r\nX-A: 1\r\n",
    b"Transfer-Encoding: chunked \r\nX-A: 1\r\n",
    b"Transfer-Encoding: \r\nX-A: 1\r\n",
    b"X-A: \r\nTransfer-Encoding: chunked\r\n",
    # Near misses: field lines, followed by something that is none.
    b"X-A: 1\r\nX-B\r\n" + _COOKIE,
    b"X-A: 1\r\nX-B : 2\r\n" + _COOKIE,
    b"X-A: 1\r\n: 2\r\n" + _COOKIE,
    b"X-A: 1\r\n X-B: 2\r\n" + _COOKIE,
    b"X-A: 1\r\n\tX-B: 2\r\n" + _COOKIE,
    b"X-A: 1\nX-B: 2\r\n" + _COOKIE,
    b"X-A: 1\rX-B: 2\r\n" + _COOKIE,
    b"X-A: 1\r\r\n" + _COOKIE,
    b"X-A: \x00\r\n" + _COOKIE,
    b"X-A: \x7f\r\n" + _COOKIE,
    b"X-A: \x0b\r\n" + _COOKIE,
    b"X\x80: 1\r\n" + _COOKIE,
    # Framing that is said twice, or oddly.
    b"Content-Length: 5\r\nContent-Length: 5\r\n",
    b"Content-Length: 5, 5\r\n",
    b"Content-Length: +5\r\n",
    b"Content-Length: 5\xa0\r\n",
    b"Content-Length: 123456789012345678\r\n",
    b"Content-Length: 1234567890123456789\r\n",
    b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: \x0bchunked\r\n",
    b"Host: other\r\n",
    # Everything plain: the fast path must not lose anything of it either.
    b"!#$%&'*+-.^_`|~0a: \x80\xff a\tb \x7e\r\n" + _COOKIE,
    _COOKIE + _LONG + b"\r\n" + b"X-A: 1\r\n" * 60,
    _COOKIE + _LONG + b" \r\n" + b"X-A: 1\r\n" * 60,
)
_REQUEST_LINES: Final = (
    b"GET / HTTP/1.0", b"OPTIONS * HTTP/1.1", b"GET /#a HTTP/1.1", b"GET / HTTP/1.2", b"GET / HTTP/2.0",
    b"GET  / HTTP/1.1", b"GET /a b HTTP/1.1", b"get / HTTP/1.1", b"GET / HTTP/1.1 ", b"GET / HTTP/1.1\r",
    b"GET / http/1.1", b"GET /\xff HTTP/1.1", b"GET http://h/ HTTP/1.1", b"ABCDEFGHIJKLMNOPQRSTU / HTTP/1.1",
    b"GET /%zz HTTP/1.1",
)  # fmt: skip
_STATUS_LINES: Final = (
    b"HTTP/1.0 200 OK", b"HTTP/1.1 200 ", b"HTTP/1.1 200", b"HTTP/1.1 200 OK ", b"HTTP/1.1 204 No Content",
    b"HTTP/1.1 600 x", b"HTTP/1.1 100 Continue", b"HTTP/1.1 20 OK", b"HTTP/1.1 200 \x80", b"HTTP/2.0 200 OK",
    b"HTTP/1.1  200 OK",
)  # fmt: skip

#: Chunked bodies that are whole: bytes, what they hold, how many trailer fields they have.
_CHUNKED_BODIES: Final = (
    (b"3\r\nabc\r\n1e\r\n" + b"-" * 0x1E + b"\r\n0\r\n\r\n", b"abc" + b"-" * 0x1E, 0),
    (b"000A;x=y\r\n0123456789\r\n0 \t;z\r\n\r\n", b"0123456789", 0),
    (b'1 \r\na\r\n1\t;a="\x80"\r\nb\r\n0\r\nA: 1\r\nB: 2 \r\n\r\n', b"ab", 2),
    (b"aBc;x\r\n" + b"-" * 0xABC + b"\r\n0;a;b\r\nA: \r\nB: 2\r\n\r\n", b"-" * 0xABC, 2),
)
_BAD_CHUNKS: Final = (
    b"3x\r\nabc\r\n0\r\n\r\n", b"0x3\r\nabc\r\n0\r\n\r\n", b"+3\r\nabc\r\n0\r\n\r\n", b"\r\nabc\r\n0\r\n\r\n",
    b"3\nabc\r\n0\r\n\r\n", b"3\r\nabcd\r\n0\r\n\r\n", b"3;a\x00\r\nabc\r\n0\r\n\r\n", b"3;a\nb\r\nabc\r\n0\r\n\r\n",
    b"3 3\r\nabc\r\n0\r\n\r\n", b"3\r\nabc\r\n0\r\nA: 1\r\n B: 2\r\n\r\n", b"3\r\nabc\r\n0\r\nA : 1\r\n\r\n",
    b"3_0\r\nabc\r\n0\r\n\r\n",
)  # fmt: skip

_AUTHORITIES: Final = (
    b"h", b"h:", b"h:80", b"a.b-c_d~:65535", b"127.0.0.1:1", b"[::1]", b"[2001:db8::7]:443", b"[v1.a:b]", b"a%41b",
    b"%C3%A4:80", b"!$&'()*+;=",
)  # fmt: skip
_NO_AUTHORITIES: Final = (
    b"", b"ga%:80", b"%", b"h%", b"h%4", b"h%4:80", b"h%zz", b"%%41", b"a%41%", b"u@h", b"h:p", b"h:65536", b"h:1:2",
    b"h h", b"h/", b"h\\", b"a,b", b"h\x00", b"[::1", b"::1", b"[::1]x", b"[::12345]", b"[1.2.3.4]", b"[:::]",
    b"[::1%25eth0]", b"[v.a]", b"[]", b"h\n", b"h:80\n", b"\xff", b"h:\xb2",
)  # fmt: skip


def disagreements() -> list[str]:
    """What this interpreter gets wrong in the tables above: empty on a sound one."""
    return [*_of_heads(), *_of_chunks(), *_of_authorities(), *_of_bytes()]


def summary(found: list[str]) -> str:
    """The `disagreements` that were found, as one line for the log."""
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return f"self-test failed on this Python: {found[0]}{more}; every message is read by the h11 parser"


def _of_heads() -> Iterator[str]:
    requests = [b"GET /a HTTP/1.1\r\nHost: h\r\n" + section + b"\r\n" for section in _SECTIONS]
    requests += [line + b"\r\nHost: h\r\n" + _COOKIE + b"\r\n" for line in _REQUEST_LINES]
    for number, head in enumerate(requests):
        behind = _BEHIND[number % len(_BEHIND)]
        if parse_plain_request(head + behind) is not None and _differ(head, behind, HeadParser.request_head):
            yield f"the fast path and the h11 parser read a request differently: {_shown(head)}"
    responses = [b"HTTP/1.1 200 OK\r\n" + section + b"\r\n" for section in _SECTIONS]
    responses += [line + b"\r\n" + _COOKIE + b"\r\n" for line in _STATUS_LINES]
    for number, head in enumerate(responses):
        behind = _BEHIND[number % len(_BEHIND)]
        if parse_plain_response(head + behind) is not None and _differ(head, behind, HeadParser.response_head):
            yield f"the fast path and the h11 parser read a response differently: {_shown(head)}"


def _differ(head: bytes, behind: bytes, read: Callable[[HeadParser], RequestHead | ResponseHead | None]) -> bool:
    """Whether the two readers differ on a head, or both lose a line of it."""
    results: list[tuple[RequestHead | ResponseHead | int | None, bytes]] = []
    for fast_path in (True, False):
        parser = HeadParser(_LIMITS, fast_path=fast_path)
        parser.receive(head + behind)
        try:
            results.append((read(parser), bytes(parser.unread)))
        except ProtocolError as error:
            results.append((error.status, behind))
    message, unread = results[0]
    if results[0] != results[1] or unread != behind:
        return True
    return not isinstance(message, int) and (message is None or len(message.fields) != head.count(b"\r\n") - 2)


def _of_chunks() -> Iterator[str]:
    for raw, content, trailer_count in _CHUNKED_BODIES:
        if _read_chunked(raw) != (content, trailer_count, b"behind"):
            yield f"a chunked body is read wrongly: {_shown(raw)}"
    for raw in _BAD_CHUNKS:
        if _read_chunked(raw) is not None:
            yield f"a malformed chunked body is accepted: {_shown(raw)}"


def _read_chunked(raw: bytes) -> tuple[bytes, int, bytes] | None:
    body = ChunkedBody(_LIMITS, with_h11=False)
    try:
        content = b"".join(body.receive(raw + b"behind"))
    except ProtocolError:
        return None
    return (content, len(body.trailers), body.left_over) if body.complete else None


def _of_authorities() -> Iterator[str]:
    for text in _AUTHORITIES:
        if not has_authority_form(text):
            yield f"a valid authority is refused: {_shown(text)}"
    for text in _NO_AUTHORITIES:
        if has_authority_form(text):
            yield f"an invalid authority is accepted: {_shown(text)}"


def _of_bytes() -> Iterator[str]:
    """Both readers rely on `check_bytes`, so it is compared with RFC 9110 §5.5, not with itself."""
    for byte in range(256):
        try:
            check_bytes(b"A: %c\r\n" % byte)
            refused = False
        except ProtocolError:
            refused = True
        if refused != (byte == 0x7F or (byte < 0x20 and byte != 0x09)):
            yield f"byte {byte:#04x} in a head is judged wrongly"


def _shown(raw: bytes) -> str:
    return repr(raw[:60].decode("latin-1"))
