"""Heads for measuring. Each differs from the last, so that a function which remembered whole heads would gain nothing."""

import itertools
from collections.abc import Callable
from typing import Final, TypeVar

from proxy.http1.message import RequestHead, ResponseHead
from proxy.http1.parsing.fast_path import parse_plain_request, parse_plain_response

T = TypeVar("T")
R = TypeVar("R")

_DISTINCT: Final = 512
_SEVEN: Final = (
    b"Host: bench.example\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
    b"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\nAccept-Language: en-US,en;q=0.5\r\n"
    b"Accept-Encoding: gzip, deflate, br\r\nCookie: session=s%d; theme=dark\r\nCache-Control: no-cache\r\n"
)


def request(number: int, fields: int) -> bytes:
    """A request head with 1 field, or 7 of a browser's and others."""
    lines = _SEVEN % number if fields >= 7 else b"Host: bench.example\r\n"
    more = b"".join(b"X-Field-%d: a value of usual length\r\n" % n for n in range(fields - lines.count(b"\r\n")))
    return b"GET /some/path/%d?q=%d HTTP/1.1\r\n%b%b\r\n" % (number, number, lines, more)


def response(number: int) -> bytes:
    """A response head with five fields."""
    return (
        b"HTTP/1.1 200 OK\r\nServer: bench\r\nDate: Mon, 23 Nov 2026 15:50:45 GMT\r\nContent-Type: text/plain\r\n"
        b'ETag: "v%d"\r\nContent-Length: 128\r\n\r\n' % number
    )


def plain_request(raw_head: bytes) -> RequestHead:
    """As the fast path reads it, which it must."""
    found = parse_plain_request(raw_head)
    assert found is not None
    return found[0]


def plain_response(raw_head: bytes) -> ResponseHead:
    """As the fast path reads it, which it must."""
    found = parse_plain_response(raw_head)
    assert found is not None
    return found[0]


def in_turn(function: Callable[[T], R], make: Callable[[int], T]) -> Callable[[], R]:
    """A call of the function with one of many values, the next each time."""
    values = itertools.cycle([make(number) for number in range(_DISTINCT)])
    return lambda: function(next(values))
