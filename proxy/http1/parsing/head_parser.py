"""Reads the messages of one direction of a connection, without I/O: bytes in, heads and bodies out.

The two readers stand behind this one interface. `fast_path=False` sends every message to the h11 parser.
"""

import re
from typing import Final

from proxy.errors import ProtocolError
from proxy.http1.field_names import HOLDS_SECRET
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
from proxy.http1.remembered import remember
from proxy.http1.section import SharedSection

_HEAD_END: Final = b"\r\n\r\n"
_LINE_END: Final = b"\r\n"
#: Empty lines before a request line are tolerated (RFC 9112 §2.2), one or two of them.
_EMPTY_LINES: Final = re.compile(rb"(?:\r\n){1,2}")

# The form of every first line that the h11 parser may accept. `GET /` alone is HTTP/0.9.
_REQUEST_LINE: Final = re.compile(rb"[^\r]+ HTTP/[0-9]\.[0-9]\r")
_STATUS_LINE: Final = re.compile(rb"HTTP/[0-9]\.[0-9] ")

#: Heads of responses that h11 has read, by their bytes and the limits that they kept: of options and of field lines.
_RESPONSES: Final[dict[tuple[bytes, int, int], ResponseHead]] = {}
_MOST_REMEMBERED: Final = 256
_LONGEST_REMEMBERED: Final = 2048


class HeadParser:
    """Finds where a head ends and has it parsed. One per direction of a connection.

    `unread` holds what arrived and is not yet part of a message, and a head that was refused: its owner bounds it.
    """

    __slots__ = ("_fast_path", "_most_fields", "_most_options", "_searched", "limits", "unread")

    def __init__(self, limits: MessageLimits, *, fast_path: bool) -> None:
        self.use(limits)
        self._fast_path = fast_path
        self._searched = 0
        self.unread: bytes | bytearray = b""

    def use(self, limits: MessageLimits) -> None:
        """Read by these limits from now on: those of bodies and of responses may change from message to message."""
        self.limits = limits
        # Compiled, reading an attribute of a Struct costs as much as ten of our own.
        self._most_options = limits.nominations
        self._most_fields = limits.field_count

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
        if isinstance(unread, bytearray):
            if not self._find_end(limit, response=False):
                return None
            unread = self.unread = bytes(unread)
        plain = parse_plain_request(unread, self._most_options, self._most_fields) if self._fast_path else None
        if plain is not None and plain[1] <= limit:
            head, end = plain
        else:
            end = self._find_end(limit, response=False)
            if not end:
                return None
            raw_head = unread[:end]
            self._check_before_h11(raw_head, response=False)
            check_lengths(raw_head)
            check_lists(raw_head, self._most_options)
            head = parse_request(raw_head)
        check_request(head, self.limits)
        self.unread = unread[end:]
        return head

    def response_head(self) -> ResponseHead | None:
        """The next response's head, interim or final, or None: more is needed. Raises ProtocolError."""
        limit = self.limits.response_head_bytes
        unread = self.unread
        if isinstance(unread, bytearray):
            if not self._find_end(limit, response=True):
                return None
            unread = self.unread = bytes(unread)
        plain = parse_plain_response(unread, self._most_options, self._most_fields) if self._fast_path else None
        if plain is not None and plain[1] <= limit:
            head, end = plain
        else:
            end = self._find_end(limit, response=True)
            if not end:
                return None
            head = self._response_by_h11(unread[:end])
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
            unread = self.unread
            data = unread if isinstance(unread, bytes) else bytes(unread)
            self.unread, self._searched = b"", 0
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

    def _response_by_h11(self, raw_head: bytes) -> ResponseHead:
        """Read a response's head with h11. It is remembered, because services repeat theirs, and h11 takes about as
        long to read one as a whole exchange takes with the fast path. Raises ProtocolError."""
        key = (raw_head, self._most_options, self._most_fields)
        head = _RESPONSES.get(key)
        if head is None:
            self._check_before_h11(raw_head, response=True)
            check_lists(raw_head, self._most_options)
            head = parse_response(raw_head)
            check_response(head)
            if len(raw_head) <= _LONGEST_REMEMBERED and not any(HOLDS_SECRET[line[0]] for line in head.fields):
                shared = SharedSection(head.fields, head.known, head.options)
                head = ResponseHead(
                    head.status, head.reason, head.http_version, head.fields, head.known, head.options, shared
                )
                remember(_RESPONSES, key, head, _MOST_REMEMBERED)
        return head

    def _check_before_h11(self, raw_head: bytes, *, response: bool) -> None:
        """Refuse a head by its bytes, its first line, and the number of its lines, before h11 makes objects of them. In
        this order, so that the status does not depend on how the bytes were split: see `_check_unfinished`."""
        check_bytes(raw_head)
        self._check_first_line(response=response)
        if raw_head.count(_LINE_END) > self._most_fields + 2:  # the first line, and the empty one
            raise too_large("too many field lines")

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
