"""The chunked coding (RFC 9112 §7.1), read strictly and without joining what arrives.

Stricter than the grammar's readers usually are: CRLF only, a bounded size, bounded extensions, no folding in
trailers. Extensions are dropped: they belong to one hop (§7.1.1). Trailers are parsed by the referee.
"""

import re
from typing import Final

from proxy.errors import BadRequest
from proxy.http1.fields import Fields
from proxy.http1.referee import ChunkedReferee, referee_trailers
from proxy.http1.screening import MessageLimits, screen_bytes

#: chunk-size, then extensions that are dropped. 15 digits keep the size under 2**60; h11 takes up to 20.
_SIZE_LINE: Final = re.compile(rb"([0-9A-Fa-f]{1,15}+)(?:;[\t\x20-\x7e\x80-\xff]*+)?[ \t]*+")
_PLAIN_SIZE_LINE: Final = re.compile(rb"([0-9A-Fa-f]{1,15}+)\r\n")
_CRLF: Final = b"\r\n"

# What comes next, where it is not `n > 0` bytes of chunk data.
_SIZE: Final = 0
_DATA_END: Final = -1
_TRAILERS: Final = -2


class ChunkedBody:
    """One chunked body, piece by piece, and what is left over behind it.

    `receive` raises BadRequest at the first byte that no strict reader would take.
    """

    __slots__ = ("_limits", "_next", "_pending", "_referee", "complete", "left_over", "received_bytes", "trailers")

    def __init__(self, limits: MessageLimits, *, refereed: bool) -> None:
        self._limits = limits
        self._referee = ChunkedReferee() if refereed else None
        self._pending = b""  # an unfinished size line, data end or trailer section
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
            self._referee is not None
            and of_this_body  # to h11, no bytes are the end of the connection
            and b"".join(self._referee.receive(of_this_body)) != b"".join(pieces)
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
                    self._pending = data[position:]
                    # A size line that is wrong already, or grows without end, is refused before it ends.
                    self._size(self._pending.removesuffix(b"\r") or b"0")
                    break
                self._next = self._size(data[position:line_end]) or _TRAILERS
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
                self._end(data[position:])
                break
        return pieces

    def _size(self, line: bytes) -> int:
        size = _SIZE_LINE.fullmatch(line)
        if size is None:
            raise BadRequest("bad chunk size")
        if len(line) - len(size[1]) > self._limits.chunk_extension_bytes:
            raise BadRequest("chunk extension too long", code="chunk_extension_too_long")
        return int(size[1], 16)

    def _end(self, section: bytes) -> None:
        if section.startswith(_CRLF):
            self.complete = True
            self.left_over = section[2:]
            return
        end = section.find(b"\r\n\r\n") + 4
        limit = self._limits.trailer_bytes
        if end < 4 or end > limit:
            # One over the limit, so that how the bytes were split does not choose the status.
            screen_bytes(section[: limit + 1].removesuffix(b"\r"))
            if len(section) > limit:
                raise BadRequest("trailer section too large", status=431, code="trailers_too_large")
            self._pending = section
            return
        section, self.left_over = section[:end], section[end:]
        screen_bytes(section)
        self.trailers = referee_trailers(section)
        if len(self.trailers) > self._limits.field_count:
            raise BadRequest("too many trailer fields", status=431, code="trailers_too_large")
        self.complete = True
