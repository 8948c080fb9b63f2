"""Reads the messages of one direction of a connection, without I/O: bytes in, heads and bodies out.

The two readers stand behind this one interface. `fast_path=False` sends every message to the h11 parser.
"""

import re
from typing import Final

from proxy.errors import ProtocolError
from proxy.http1.limits import MessageLimits
from proxy.http1.message import NO_BODY, BodyFraming, Chunked, FixedLength, NoBody, RequestHead, ResponseHead
from proxy.http1.parsing.body import EMPTY_BODY, Body, CountedBody, UnboundedBody
from proxy.http1.parsing.chunked import ChunkedBody
from proxy.http1.parsing.fast_path import parse_plain_request, parse_plain_response
from proxy.http1.parsing.h11_parser import parse_request, parse_response
from proxy.http1.parsing.strictness import (
    check_bytes,
    check_lengths,
    check_lists,
    check_request,
    check_response,
    too_large,
)

_HEAD_END: Final = b"\r\n\r\n"
_LINE_END: Final = b"\r\n"
#: Empty lines before a request line are tolerated (RFC 9112 §2.2), one or two of them.
_EMPTY_LINES: Final = re.compile(rb"(?:\r\n){1,2}")
_SHORTEST_LINE: Final = len(b"a:\r\n")

# The form of every first line that the h11 parser may accept. `GET /` alone is HTTP/0.9.
_REQUEST_LINE: Final = re.compile(rb"[^\r]+ HTTP/[0-9]\.[0-9]\r")
_STATUS_LINE: Final = re.compile(rb"HTTP/[0-9]\.[0-9] ")


class HeadParser:
    """Finds where a head ends and has it parsed. One per direction of a connection.

    `unread` holds what arrived and is not yet part of a message, and a head that was refused: its owner bounds it.
    """

    __slots__ = ("_fast_path", "_few_bytes", "_searched", "limits", "unread")

    def __init__(self, limits: MessageLimits, *, fast_path: bool) -> None:
        self.limits = limits  # those of bodies and of responses may change from message to message
        self._fast_path = fast_path
        self._few_bytes = _SHORTEST_LINE * limits.field_count  # so few bytes cannot hold too many lines
        self._searched = 0
        self.unread: bytes | bytearray = b""

    def receive(self, data: bytes) -> None:
        """Take what arrived."""
        if not self.unread:
            self.unread = data
        elif isinstance(self.unread, bytearray):
            self.unread += data
        else:
            # Not bytes: a head that arrives byte by byte would cost the square of its length.
            self.unread = bytearray(self.unread + data)

    def request_head(self) -> RequestHead | None:
        """The next request's head, or None: more is needed.

        Raises ProtocolError with the status that the client is owed: 400, 414, 431, 501 or 505.
        """
        if not self.unread or (self.unread[0] in _LINE_END and not self._skip_empty_lines()):
            return None
        limit = self.limits.request_head_bytes
        unread = self.unread
        if isinstance(unread, bytearray) or len(unread) > self._few_bytes:
            unread = self._whole(limit, response=False)
            if not unread:
                return None
        most_options = self.limits.nominations
        plain = parse_plain_request(unread, most_options) if self._fast_path else None
        if plain is not None and plain[1] <= limit:
            head, end = plain
        else:
            end = self._find_end(limit, response=False)
            if not end:
                return None
            raw_head = unread[:end]
            check_bytes(raw_head)
            check_lengths(raw_head)
            check_lists(raw_head, most_options)
            head = parse_request(raw_head)
        check_request(head, self.limits)
        self.unread = unread[end:]
        return head

    def response_head(self) -> ResponseHead | None:
        """The next response's head, interim or final, or None: more is needed. Raises ProtocolError."""
        limit = self.limits.response_head_bytes
        unread = self.unread
        if isinstance(unread, bytearray) or len(unread) > self._few_bytes:
            unread = self._whole(limit, response=True)
            if not unread:
                return None
        most_options = self.limits.nominations
        plain = parse_plain_response(unread, most_options) if self._fast_path else None
        if plain is not None and plain[1] <= limit:
            head, end = plain
        else:
            end = self._find_end(limit, response=True)
            if not end:
                return None
            raw_head = unread[:end]
            check_bytes(raw_head)
            check_lists(raw_head, most_options)
            head = parse_response(raw_head)
            check_response(head)
        self.unread = unread[end:]
        return head

    def body(self, framing: BodyFraming) -> Body:
        """The body behind the head just taken. Nothing of it is read yet: `body_bytes` does."""
        if framing is NO_BODY:
            return EMPTY_BODY
        if isinstance(framing, FixedLength):
            return CountedBody(framing.length) if framing.length else EMPTY_BODY
        if isinstance(framing, Chunked):
            return ChunkedBody(self.limits, with_h11=not self._fast_path)
        return EMPTY_BODY if isinstance(framing, NoBody) else UnboundedBody()

    def body_bytes(self, body: Body, data: bytes = b"") -> list[bytes]:
        """The bytes of `body` in what is unread, or in `data` where nothing is, in order and unjoined. What stands
        behind its end stays unread: it is the next message. So does what is more than one turn of the event loop should
        be busy with, while `body` is not complete. Raises ProtocolError where the chunked coding is broken."""
        if body.complete:
            return []
        if self.unread:
            assert not data, "what is unread came before it"
            data, self.unread, self._searched = bytes(self.unread), b"", 0
        pieces = body.receive(data) if data else []
        if body.left_over:
            self.unread = body.left_over
        return pieces

    def take_unread(self) -> bytes:
        """Hand over what arrived behind the last head."""
        unread = bytes(self.unread)
        self.unread = b""
        self._searched = 0
        return unread

    def _whole(self, limit: int, *, response: bool) -> bytes:
        """The unread bytes, once they hold the end of a head that may have many lines; else b"". Raises ProtocolError
        where it has too many: their ends are counted here, before either reader makes objects of them."""
        end = self._find_end(limit, response=response)
        if not end:
            return b""
        unread = self.unread = bytes(self.unread)
        if unread.count(_LINE_END, 0, end) > self.limits.field_count + 2:  # the first line, and the empty one
            check_bytes(unread[:end])
            self._check_first_line(response=response)
            raise too_large("too many field lines")
        return unread

    def _find_end(self, limit: int, *, response: bool) -> int:
        """Where the head ends, or 0 if its end has not arrived. Raises ProtocolError where it is over the
        limit or already invalid."""
        # Only what is new is searched, and the three bytes before it that a head's end may begin with.
        end = self.unread.find(_HEAD_END, max(self._searched - 3, 0)) + 4
        if 4 <= end <= limit:
            self._searched = 0
            return end
        if self.unread:
            self._check_unfinished(limit, response=response)
        self._searched = len(self.unread)
        return 0

    def _check_unfinished(self, limit: int, *, response: bool) -> None:
        # Without this, a TLS hello, a head with bare LF or an HTTP/0.9 request would wait for an end that never comes.
        line_end = self.unread.find(_LINE_END, 0, limit)
        if line_end >= max(self._searched - 1, 0):  # the first line's end has just come
            self._check_first_line(response=response)
        # From two bytes back, to see a fold; up to one byte over the limit, so that the status does not depend on how
        # the bytes were split.
        new = bytes(self.unread[max(self._searched - 2, 0) : limit + 1]).removesuffix(b"\r")
        check_bytes(new.removeprefix(b"\n") if self._searched else new)
        if len(self.unread) > limit:
            raise self._too_large(limit, response=response)

    def _check_first_line(self, *, response: bool) -> None:
        if response and not _STATUS_LINE.match(self.unread):
            raise ProtocolError("not a status line")
        if not response and not _REQUEST_LINE.match(self.unread):
            raise ProtocolError("not a request line")

    def _too_large(self, limit: int, *, response: bool) -> ProtocolError:
        if response:
            return ProtocolError(f"response head over {limit} bytes", code="head_too_large")
        start = self.unread[:limit]
        if b" " not in start:
            return ProtocolError("method too long", status=501, code="method_too_long")
        if _LINE_END not in start:
            return ProtocolError("request target too long", status=414, code="target_too_long")
        return ProtocolError(f"request head over {limit} bytes", status=431, code="head_too_large")

    def _skip_empty_lines(self) -> bool:
        """Whether a request line may follow now."""
        empty = _EMPTY_LINES.match(self.unread)
        if empty is None:
            if self.unread == b"\r":
                return False
            raise ProtocolError("line end is not CRLF")
        rest = bytes(self.unread[empty.end() :])
        if rest == b"" or (rest == b"\r" and empty.end() == 2):
            return False  # they stay unread: how many there were still counts
        if rest[:1] in (b"\r", b"\n"):
            raise ProtocolError("too many empty lines before the request line")
        self.unread = rest
        return True
