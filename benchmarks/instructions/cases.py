"""What is asked, and what the service answers. The names are those of the load's workloads."""

from typing import Final, NamedTuple

from benchmarks.load.service import CHUNK
from benchmarks.load.upstreams import KB_64, SMALL
from benchmarks.load.wrk import NINETEEN_FIELDS, SEVEN_FIELDS

_END: Final = b"end."  # of every body: nothing else in an answer ends so


class Case(NamedTuple):
    """One kind of request. `ends`: what nothing but a whole answer ends with."""

    name: str
    request: bytes
    response: bytes
    ends: bytes = _END
    is_last: bool = False  # each request has a connection of its own


def _request(
    *more: str, fields: tuple[str, ...] = SEVEN_FIELDS, method: str = "GET", version: str = "1.1", body: bytes = b""
) -> bytes:
    lines = [f"{method} /small/1?q=1 HTTP/{version}", "Host: bench.example", *fields, *more]
    return "\r\n".join(lines).replace("@", "1").encode() + b"\r\n\r\n" + body


def _response(*framing: bytes, body: bytes) -> bytes:
    lines = [
        b"HTTP/1.1 200 OK", b"Server: nginx/1.22.1", b"Date: Thu, 26 Nov 2026 11:00:00 GMT",
        b"Content-Type: text/plain", *framing, b"Connection: keep-alive",
    ]  # fmt: skip
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def _counted(length: int) -> bytes:
    return _response(b"Content-Length: %d" % length, body=_END.rjust(length, b"x"))


def _chunked(chunks: int) -> bytes:
    body = chunks * (b"%x\r\n%b\r\n" % (CHUNK, b"x" * CHUNK)) + b"0\r\n\r\n"
    return _response(b"Transfer-Encoding: chunked", body=body)


_SMALL: Final = _counted(SMALL)
_LAST_CHUNK: Final = b"\r\n0\r\n\r\n"

CASES: Final = [
    Case("small GET", _request(), _SMALL),
    Case("20-field GET", _request(fields=NINETEEN_FIELDS), _SMALL),
    Case("small POST", _request("Content-Length: 100", method="POST", body=b"x" * 100), _SMALL),
    Case("3 chunks", _request(), _chunked(3), _LAST_CHUNK),
    Case("20 chunks", _request(), _chunked(20), _LAST_CHUNK),
    Case("64 KB answer", _request(), _counted(KB_64)),
    Case("a connection per request", _request("Connection: close"), _SMALL, is_last=True),
    Case("HTTP/1.0 keep-alive", _request("Connection: keep-alive", version="1.0"), _SMALL),
]
