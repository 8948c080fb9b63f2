"""A second reader of HTTP/1.1, to judge by: strict, slow, and without a line in common with the proxy or with h11.

The grammar is what all readers of the tests go by; `harness.wire` reads a connection by it. Here, whole byte strings are
read. `exact=True` is for what onehop writes, of which only one spelling is right; without it,
what the grammar of RFC 9112 allows and two parsers cannot read in two ways.
"""

import re
from typing import Final, NamedTuple

Lines = list[tuple[bytes, bytes]]  # lower-case names, values without white space around them


class Violation(Exception):
    """No strict reader takes these bytes."""


class Incomplete(Exception):
    """So far it is right, and more must follow."""


class Request(NamedTuple):
    """A request, read whole."""

    method: bytes
    target: bytes
    version: bytes
    fields: Lines
    body: bytes
    trailers: Lines


class Response(NamedTuple):
    """A response, read whole. `until_close` says that only the end of the connection delimits it."""

    version: bytes
    status: int
    fields: Lines
    body: bytes
    trailers: Lines
    until_close: bool


_TOKEN: Final = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
REQUEST_LINE: Final = re.compile(rb"(" + _TOKEN + rb") ([\x21-\x7e]+) HTTP/(1\.[0-9])")
STATUS_LINE: Final = re.compile(rb"HTTP/(1\.[0-9]) ([1-9][0-9][0-9])(?: ([\t\x20-\x7e\x80-\xff]*))?")
FIELD_LINE: Final = re.compile(rb"(" + _TOKEN + rb"):([\t\x20-\x7e\x80-\xff]*)")
_EXACT_LINE: Final = re.compile(
    rb"(" + _TOKEN + rb"): ((?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?)"
)
#: The size, any number of leading zeros aside, and the extensions.
CHUNK_LINE: Final = re.compile(rb"0*([0-9A-Fa-f]{1,15})([ \t]*;[\t\x20-\x7e\x80-\xff]*)?[ \t]*")
_EXACT_CHUNK: Final = re.compile(rb"([0-9a-fA-F]+)")
_DIGITS: Final = re.compile(rb"[0-9]{1,18}")


def values(lines: Lines, name: bytes) -> list[bytes]:
    """The values of all lines of that name."""
    return [value for other, value in lines if other == name]


def words(lines: Lines, name: bytes) -> list[bytes]:
    """The members of a list field, in lower case."""
    return [
        word.strip(b" \t").lower() for value in values(lines, name) for word in value.split(b",") if word.strip(b" \t")
    ]


def closes(message: Request | Response) -> bool:
    """Whether the connection ends behind it, by what it says itself."""
    options = words(message.fields, b"connection")
    return b"close" in options or (message.version == b"1.0" and b"keep-alive" not in options)


def request(data: bytes, at: int = 0, *, exact: bool = False) -> tuple[Request, int]:
    """The request that begins at `at`, and where it ends. Raises Violation, Incomplete."""
    start, after = _line(data, at)
    for _ in range(0 if exact else 2):
        if start == b"":
            start, after = _line(data, after)
    found = REQUEST_LINE.fullmatch(start)
    if found is None:
        raise Violation(f"request line {start!r}")
    method, target, version = found.groups()
    fields, at = _lines(data, after, exact=exact)
    if exact and version != b"1.1":
        raise Violation("not HTTP/1.1")
    if len(values(fields, b"host")) != 1 and (exact or version != b"1.0" or values(fields, b"host")):
        raise Violation("not one Host")
    lengths, codings = values(fields, b"content-length"), values(fields, b"transfer-encoding")
    if codings:
        if lengths or len(codings) > 1 or codings[0].lower() != b"chunked" or version == b"1.0":
            raise Violation("unclear framing")
        body, trailers, at = _chunked(data, at, exact=exact)
    else:
        if len(lengths) > 1 or any(not _DIGITS.fullmatch(length) for length in lengths):
            raise Violation("unclear length")
        body, trailers = _take(data, at, int(lengths[0]) if lengths else 0), []
        at += len(body)
    return Request(method, target, version, fields, body, trailers), at


def response(data: bytes, at: int, method: bytes, *, ended: bool, exact: bool = False) -> tuple[Response, int]:
    """The response that begins at `at`, and where it ends. `ended`: the connection was closed properly behind `data`.

    Raises Violation, Incomplete.
    """
    start, at = _line(data, at)
    found = STATUS_LINE.fullmatch(start)
    if found is None or (exact and found[3] is None):
        raise Violation(f"status line {start!r}")
    version, status = found[1], int(found[2])
    fields, at = _lines(data, at, exact=exact)
    lengths, codings = values(fields, b"content-length"), values(fields, b"transfer-encoding")
    plain = {length.strip(b" \t") for value in lengths for length in value.split(b",")}
    if (len(plain) > 1 or (exact and len(lengths) > 1)) or any(not _DIGITS.fullmatch(length) for length in plain):
        raise Violation("unclear length")
    if codings and (lengths or version == b"1.0" or len(codings) > 1 or codings[0].lower() != b"chunked"):
        raise Violation("unclear framing")
    body, until_close = b"", False
    trailers: Lines = []
    if method == b"HEAD" or status < 200 or status in (204, 304):
        if exact and (status < 200 or status == 204) and (lengths or codings):
            raise Violation("framing where there is no body")
    elif codings:
        body, trailers, at = _chunked(data, at, exact=exact)
    elif lengths:
        body = _take(data, at, int(plain.pop()))
        at += len(body)
    else:
        if not ended:
            raise Incomplete
        body, at, until_close = data[at:], len(data), True
    return Response(version, status, fields, body, trailers, until_close), at


def _line(data: bytes, at: int) -> tuple[bytes, int]:
    end = data.find(b"\r\n", at)
    line = data[at:end] if end >= 0 else data[at:].removesuffix(b"\r")
    if b"\r" in line or b"\n" in line:
        raise Violation("line end is not CRLF")
    if end < 0:
        raise Incomplete
    return line, end + 2


def _lines(data: bytes, at: int, *, exact: bool) -> tuple[Lines, int]:
    lines: Lines = []
    while True:
        line, at = _line(data, at)
        if not line:
            return lines, at
        found = (_EXACT_LINE if exact else FIELD_LINE).fullmatch(line)
        if found is None:
            raise Violation(f"field line {line!r}")
        lines.append((found[1].lower(), found[2].strip(b" \t")))


def _take(data: bytes, at: int, count: int) -> bytes:
    if len(data) - at < count:
        raise Incomplete
    return data[at : at + count]


def _chunked(data: bytes, at: int, *, exact: bool) -> tuple[bytes, Lines, int]:
    body = b""
    while True:
        line, at = _line(data, at)
        found = (_EXACT_CHUNK if exact else CHUNK_LINE).fullmatch(line)
        if found is None:
            raise Violation(f"chunk size {line!r}")
        size = int(found[1], 16)
        if size == 0:
            trailers, at = _lines(data, at, exact=exact)
            return body, trailers, at
        body += _take(data, at, size)
        at += size
        if not b"\r\n".startswith(data[at : at + 2]):
            raise Violation("chunk data does not end where its size says")
        _take(data, at, 2)
        at += 2
