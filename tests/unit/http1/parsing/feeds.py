"""How a head's bytes arrive: whole, in pieces, and with something behind them."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from proxy.http1.limits import MessageLimits
from proxy.http1.message import RequestHead, ResponseHead
from proxy.http1.parsing.head_parser import HeadParser
from tests.harness.notation import bytewise

LIMITS = MessageLimits(request_head_bytes=256, response_head_bytes=256, target_bytes=64, field_count=8, nominations=4)

BEHIND = b"GET /next HTTP/1.1\r\nHost: h\r\n\r\n"

_Head = TypeVar("_Head", RequestHead, ResponseHead)
Feed = Callable[[bytes], Iterable[bytes]]

FEEDS: dict[str, Feed] = {
    "whole": lambda data: [data],
    "byte by byte": bytewise,
    "in threes": lambda data: [data[start : start + 3] for start in range(0, len(data), 3)],
    "whole, with a pipelined request": lambda data: [data + BEHIND],
    "whole, then a pipelined request": lambda data: [data, BEHIND],
}


def first_head(read: Callable[[], _Head | None], head_parser: HeadParser, pieces: Iterable[bytes]) -> _Head | None:
    """The first head, asked for after every piece, as a connection does."""
    for data in pieces:
        head_parser.receive(data)
        if (head := read()) is not None:
            return head
    return None
