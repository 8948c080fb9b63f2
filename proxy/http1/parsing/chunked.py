"""The chunked coding (RFC 9112 §7.1), read strictly and without joining what arrives.

Stricter than the grammar's readers usually are: CRLF only, a bounded size, bounded extensions, no folding in
trailers. Extensions are dropped: they belong to one hop (§7.1.1). Trailers are parsed by the h11 parser.
"""

import re
from typing import Final

from proxy.errors import BadRequest
from proxy.http1.fields import Fields
from proxy.http1.limits import MessageLimits
from proxy.http1.parsing.h11_parser import H11ChunkedParser, parse_trailers
from proxy.http1.parsing.strictness import check_bytes

_EXTENSION_TEXT: Final = rb"[\t\x20-\x7e\x80-\xff]*+"
#: What may stand behind a size: white space that means nothing, and extensions that are dropped.
_BEHIND_SIZE: Final = rb"[ \t]*+(;" + _EXTENSION_TEXT + rb")?"
#: chunk-size and what is behind it. 15 digits keep the size under 2**60; h11 takes up to 20.
_SIZE_LINE: Final = re.compile(rb"([0-9A-Fa-f]{1,15}+)" + _BEHIND_SIZE)
_BEFORE_EXTENSION: Final = re.compile(_BEHIND_SIZE)
_WITHIN_EXTENSION: Final = re.compile(_EXTENSION_TEXT)
_PLAIN_SIZE_LINE: Final = re.compile(rb"([0-9A-Fa-f]{1,15}+)\r\n")
_CRLF: Final = b"\r\n"

# What comes next, where it is not `n > 0` bytes of chunk data.
_SIZE: Final = 0
_DATA_END: Final = -1
_TRAILERS: Final = -2
_BEHIND_SIZE_CUT: Final = -3


class ChunkedBody:
    """One chunked body, piece by piece, and what is left over behind it.

    `receive` raises BadRequest at the first byte that no strict reader would take.
    """

    __slots__ = (
        "_announced",
        "_extension",
        "_extension_bytes",
        "_h11",
        "_limits",
        "_next",
        "_pending",
        "_section",
        "complete",
        "left_over",
        "received_bytes",
        "trailers",
    )  # fmt: skip

    # Only where the end of a size line has not come: the size, the form of what is behind it, its length so far.
    _announced: int
    _extension: re.Pattern[bytes]
    _extension_bytes: int

    def __init__(self, limits: MessageLimits, *, with_h11: bool) -> None:
        self._limits = limits
        self._h11 = H11ChunkedParser() if with_h11 else None
        self._pending = b""  # an unfinished size, line end or data end
        self._section = bytearray()  # an unfinished trailer section
        self._next = _SIZE
        self.received_bytes = 0  # without the coding
        self.complete = False
        self.trailers: Fields = []
        self.left_over = b""

    def receive(self, data: bytes) -> list[bytes]:
        """Take what arrived, and return the body bytes in it, in order."""
        pieces = self._scan(data)
        of_this_body = data[: len(data) - len(self.left_over)]
        if (
            self._h11 is not None
            and of_this_body  # to h11, no bytes are the end of the connection
            and b"".join(self._h11.receive(of_this_body)) != b"".join(pieces)
        ):
            raise BadRequest("two readers of the chunked body disagree")
        return pieces

    def _scan(self, data: bytes) -> list[bytes]:
        if 0 < len(data) < self._next:
            self._next -= len(data)
            self.received_bytes += len(data)
            return [data]  # all of it is one chunk's: no copy
        pieces: list[bytes] = []
        if self._pending:
            data = self._pending + data
            self._pending = b""
        position, end = 0, len(data)
        while position < end and not self.complete:
            if self._next == _SIZE:
                # Most chunks come whole, and say nothing but their size.
                while (line := _PLAIN_SIZE_LINE.match(data, position)) is not None:
                    start = line.end()
                    stop = start + int(line[1], 16)
                    if stop == start or data[stop : stop + 2] != _CRLF:
                        break
                    pieces.append(data[start:stop])
                    self.received_bytes += stop - start
                    position = stop + 2
            if self._next > 0:
                piece = data[position : position + self._next]
                pieces.append(piece)
                position += len(piece)
                self.received_bytes += len(piece)
                self._next = self._next - len(piece) or _DATA_END
            elif self._next == _SIZE:
                line_end = data.find(_CRLF, position)
                if line_end < 0:
                    self._keep_unfinished(data[position:])
                    break
                self._next = int(self._size_line(data[position:line_end])[1], 16) or _TRAILERS
                position = line_end + 2
            elif self._next == _BEHIND_SIZE_CUT:
                line_end = data.find(_CRLF, position)
                if line_end < 0:
                    text = data[position:].removesuffix(b"\r")
                    self._skip_extension(text)
                    self._pending = data[position + len(text) :]
                    break
                self._skip_extension(data[position:line_end])
                self._next = self._announced or _TRAILERS
                position = line_end + 2
            elif self._next == _DATA_END:
                if not data.startswith(_CRLF, position):
                    self._pending = data[position:]
                    if self._pending != b"\r":
                        raise BadRequest("chunk data does not end where its size says")
                    break
                position += 2
                self._next = _SIZE
            else:
                self._take_trailers(data[position:])
                break
        return pieces

    def _size_line(self, line: bytes) -> re.Match[bytes]:
        found = _SIZE_LINE.fullmatch(line)
        if found is None:
            raise BadRequest("bad chunk size")
        if len(line) - found.end(1) > self._limits.chunk_extension_bytes:
            raise BadRequest("chunk extension too long", code="chunk_extension_too_long")
        if found.start(2) > found.end(1):
            self._leave_to_us()
        return found

    def _keep_unfinished(self, line: bytes) -> None:
        """Keep a size line that has not ended, without its extension. One that is wrong already, or grows without end,
        is refused before it ends."""
        text = line.removesuffix(b"\r")
        size_line = self._size_line(text) if text else None
        if size_line is None or size_line.end(1) == len(text):
            self._pending = line
            return
        self._announced = int(size_line[1], 16)
        self._extension = _WITHIN_EXTENSION if size_line[2] else _BEFORE_EXTENSION
        self._extension_bytes = len(text) - size_line.end(1)
        self._pending = line[len(text) :]
        self._next = _BEHIND_SIZE_CUT

    def _skip_extension(self, text: bytes) -> None:
        self._extension_bytes += len(text)
        if self._extension_bytes > self._limits.chunk_extension_bytes:
            raise BadRequest("chunk extension too long", code="chunk_extension_too_long")
        found = self._extension.fullmatch(text)
        if found is None:
            raise BadRequest("bad chunk size")
        if self._extension is _BEFORE_EXTENSION and found[1]:
            self._extension = _WITHIN_EXTENSION
            self._leave_to_us()

    def _leave_to_us(self) -> None:
        """White space before `;` has to be read (RFC 9112 §7.1.1, RFC 9110 §5.6.3), and h11 refuses it: from there on
        it has no say in this body."""
        self._h11 = None

    def _take_trailers(self, data: bytes) -> None:
        section, limit = self._section, self._limits.trailer_bytes
        seen = len(section)  # only what is new is looked at, and what may stand before it in a line end
        section += data
        if section.startswith(_CRLF):
            self._complete(2)
            return
        end = section.find(b"\r\n\r\n", max(seen - 3, 0)) + 4
        if 4 <= end <= limit:
            raw = bytes(section[:end])
            check_bytes(raw)
            self.trailers = parse_trailers(raw)
            if len(self.trailers) > self._limits.field_count:
                raise BadRequest("too many trailer fields", status=431, code="trailers_too_large")
            self._complete(end)
            return
        # One over the limit, so that how the bytes were split does not choose the status.
        new = bytes(section[max(seen - 2, 0) : limit + 1]).removesuffix(b"\r")
        check_bytes(new.removeprefix(b"\n") if seen else new)
        if len(section) > limit:
            raise BadRequest("trailer section too large", status=431, code="trailers_too_large")

    def _complete(self, end: int) -> None:
        self.complete = True
        self.left_over = bytes(self._section[end:])
