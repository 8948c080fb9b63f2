"""The chunked coding (RFC 9112 §7.1), read strictly and without joining what arrives.

Stricter than many readers: CRLF only, a bounded size, bounded extensions, no folding in trailers. Extensions are
dropped: they belong to one hop (§7.1.1). Trailers are parsed by the h11 parser.
"""

import re
from enum import Enum
from typing import Final

from proxy.errors import ProtocolError
from proxy.http1.fields import Fields
from proxy.http1.limits import MessageLimits
from proxy.http1.parsing.h11_parser import H11ChunkedParser, parse_trailers
from proxy.http1.parsing.strictness import check_bytes
from proxy.http1.parsing.whole_chunks import is_plain, only_chunk, whole_chunks

_EXTENSION_TEXT: Final = rb"[\t\x20-\x7e\x80-\xff]*+"
#: What may follow a size: white space without meaning, and extensions, which are dropped.
_BEHIND_SIZE: Final = rb"[ \t]*+(;" + _EXTENSION_TEXT + rb")?"
#: chunk-size and what is behind it. Leading zeros mean nothing; 15 digits behind them keep the size under 2**60.
_SIZE_LINE: Final = re.compile(rb"(?=[0-9A-Fa-f])(0*+[0-9A-Fa-f]{0,15}+)" + _BEHIND_SIZE)
_BEFORE_EXTENSION: Final = re.compile(_BEHIND_SIZE)
_WITHIN_EXTENSION: Final = re.compile(_EXTENSION_TEXT)
_CRLF: Final = b"\r\n"
_LAST_CHUNK: Final = b"0\r\n\r\n"  # as most senders write it, with no trailers behind it

#: Digits of a chunk size, leading zeros counted: no sender needs them, so more is only abuse.
_MOST_DIGITS: Final = 256
_H11_MOST_DIGITS: Final = 20  # what h11 reads

#: Size lines with extensions take microseconds each, so a body may have many only together with much data, as signed
#: chunks have (AWS: 8 KiB and more). In bytes: what each line counts besides its own length, what every body may have,
#: and how much data allows one byte more. Go bounds the whole coding in this way (CVE-2023-39326).
_EXTENDED_LINE_BYTES: Final = 16
_FREE_EXTENSION_BYTES: Final = 4096
_DATA_PER_EXTENSION_BYTE: Final = 32

#: How many chunks one `receive` reads at most: a millisecond of work. Without a bound, 43,000
#: one-byte chunks in one read would keep the event loop from everybody else.
_MOST_CHUNKS: Final = 4096
_MOST_CHUNKS_WITH_H11: Final = 128
#: How many bytes `receive_whole_chunks` reads at most. More often end within a chunk, and are then read a second time.
_LITTLE_BYTES: Final = 16_384


class State(Enum):
    """What comes next in a chunked body."""

    SIZE = "size"
    EXTENSION = "extension"  # the rest of a size line whose end has not come: extensions, or white space before them
    DATA = "data"
    DATA_END = "data end"  # the CRLF behind a chunk's data
    TRAILERS = "trailers"
    COMPLETE = "complete"


# As names of the module: CPython 3.11 takes a tenth of a microsecond to look a member up in its class.
_SIZE, _EXTENSION, _DATA, _DATA_END, _TRAILERS, _COMPLETE = State


class ChunkedBody:
    """One chunked body, piece by piece, and what follows it."""

    __slots__ = (
        "_announced",
        "_extension",
        "_extension_bytes",
        "_extensions_bytes",
        "_h11",
        "_left",
        "_limits",
        "_most_chunks",
        "_pending",
        "_section",
        "_state",
        "before_fault",
        "left_over",
        "received_bytes",
        "trailers",
    )  # fmt: skip

    # Only in EXTENSION: the size before it, the form of what may come, its length so far.
    _announced: int
    _extension: re.Pattern[bytes]
    _extension_bytes: int

    def __init__(self, limits: MessageLimits, *, with_h11: bool) -> None:
        self._limits = limits
        self._h11 = H11ChunkedParser() if with_h11 else None
        self._most_chunks = _MOST_CHUNKS_WITH_H11 if with_h11 else _MOST_CHUNKS
        self._state = _SIZE
        self._left = 0  # bytes of the chunk's data that are still to come
        self._extensions_bytes = 0  # of the whole body
        self._pending = b""  # an unfinished size line, line end or data end
        self._section = bytearray()  # an unfinished trailer section
        self.received_bytes = 0  # without the coding
        self.trailers: Fields = []
        #: What `receive` has not looked at. Where `complete`, it follows the body; else it is more of it, and to
        #: be given to `receive` again, in another turn of the event loop.
        self.left_over = b""
        #: Where `receive` raised: the body bytes before the fault, which it could not return.
        self.before_fault: list[bytes] = []

    @property
    def complete(self) -> bool:
        """Whether the body's last byte has been received."""
        return self._state is _COMPLETE

    def receive(self, data: bytes) -> list[bytes]:
        """Take what arrived, and return the body bytes in it, in order. See `left_over` for the rest.

        Raises ProtocolError at the first byte that no strict reader would take.
        """
        self.left_over = b""
        pieces = self._scan(data)
        seen = data[: len(data) - len(self.left_over)]
        if (
            self._h11 is not None
            and seen  # to h11, no bytes are the end of the connection
            and b"".join(self._h11.receive(seen)) != b"".join(pieces)
        ):
            raise ProtocolError("two readers of the chunked body disagree")
        return pieces

    def receive_only_chunk(self, data: bytes) -> bool:
        """Take what arrived, where it is one chunk and `http1.writer` would write the same bytes for it: they can be
        passed on as they are. False, and nothing is taken, where it is not."""
        if self._state is not _SIZE or self._pending or self._h11 is not None:
            return False
        size = only_chunk(data)
        self.received_bytes += size
        return size > 0

    def receive_whole_chunks(self, data: bytes) -> list[bytes] | None:
        """Take what arrived, and return the body bytes in it, where it is short and consists of whole plain chunks.
        None, and nothing is taken, where it is not: `receive` has to."""
        if self._state is not _SIZE or self._pending or self._h11 is not None or len(data) > _LITTLE_BYTES:
            return None
        pieces: list[bytes] = []
        end, _ = whole_chunks(data, 0, pieces, self._most_chunks)
        if end < len(data):
            return None
        self.received_bytes += sum(map(len, pieces))
        return pieces

    def _scan(self, data: bytes) -> list[bytes]:
        if 0 < len(data) < self._left:
            self._left -= len(data)
            self.received_bytes += len(data)
            return [data]  # all of it is one chunk's: no copy
        pieces: list[bytes] = []
        if self._pending:
            data = self._pending + data
            self._pending = b""
        try:
            self._walk(data, pieces)
        except ProtocolError:
            self.before_fault = pieces
            raise
        return pieces

    def _walk(self, data: bytes, pieces: list[bytes]) -> None:
        """Go through the data, from state to state, and add the body bytes to `pieces`. All transitions are here."""
        position, end, left = 0, len(data), self._most_chunks
        while position < end:
            if left <= 0:
                self.left_over = data[position:]
                break
            state = self._state
            if state is _SIZE:
                before = len(pieces)
                position, count = whole_chunks(data, position, pieces, left)
                if count:
                    left -= count
                    self.received_bytes += sum(map(len, pieces[before:]))
                if data.startswith(_LAST_CHUNK, position):
                    self.left_over = data[position + len(_LAST_CHUNK) :]
                    self._state = _COMPLETE
                    break
                if count:
                    continue
                line_end = data.find(_CRLF, position)
                if line_end < 0:
                    self._state = self._keep_unfinished(data[position:])
                    break
                line = data[position:line_end]
                size_line = self._size_line(line)
                if not is_plain(line):
                    self._count_extension(_EXTENDED_LINE_BYTES + len(line) - size_line.end(1))
                self._left = int(size_line[1], 16)
                self._state = _DATA if self._left else _TRAILERS
                position = line_end + 2
            elif state is _DATA:
                piece = data[position : position + self._left]
                pieces.append(piece)
                position += len(piece)
                left -= 1
                self.received_bytes += len(piece)
                self._left -= len(piece)
                self._state = _DATA if self._left else _DATA_END
            elif state is _DATA_END:
                if not data.startswith(_CRLF, position):
                    self._pending = data[position:]
                    if self._pending != b"\r":
                        raise ProtocolError("chunk data does not end where its size says")
                    break
                position += 2
                self._state = _SIZE
            elif state is _EXTENSION:
                line_end = data.find(_CRLF, position)
                if line_end < 0:
                    text = data[position:].removesuffix(b"\r")
                    self._skip_extension(text)
                    self._pending = data[position + len(text) :]
                    break
                self._skip_extension(data[position:line_end])
                self._left = self._announced
                self._state = _DATA if self._left else _TRAILERS
                position = line_end + 2
            else:
                if self._take_trailers(data[position:]):
                    self._state = _COMPLETE
                break

    def _size_line(self, line: bytes) -> re.Match[bytes]:
        found = _SIZE_LINE.fullmatch(line)
        if found is None or found.end(1) > _MOST_DIGITS:
            raise ProtocolError("bad chunk size")
        if len(line) - found.end(1) > self._limits.chunk_extension_bytes:
            raise ProtocolError("chunk extension too long", code="chunk_extension_too_long")
        if found.start(2) > found.end(1) or found.end(1) > _H11_MOST_DIGITS:
            self._leave_h11()
        return found

    def _keep_unfinished(self, line: bytes) -> State:
        """Keep a size line that has not ended, without its extension. One that is wrong already, or grows without end,
        is refused before it ends."""
        text = line.removesuffix(b"\r")
        size_line = self._size_line(text) if text else None
        if size_line is None or size_line.end(1) == len(text) or is_plain(text):
            self._pending = line
            return _SIZE
        self._announced = int(size_line[1], 16)
        self._extension = _WITHIN_EXTENSION if size_line[2] else _BEFORE_EXTENSION
        self._extension_bytes = len(text) - size_line.end(1)
        self._count_extension(_EXTENDED_LINE_BYTES + self._extension_bytes)
        self._pending = line[len(text) :]
        return _EXTENSION

    def _skip_extension(self, text: bytes) -> None:
        self._extension_bytes += len(text)
        if self._extension_bytes > self._limits.chunk_extension_bytes:
            raise ProtocolError("chunk extension too long", code="chunk_extension_too_long")
        self._count_extension(len(text))
        found = self._extension.fullmatch(text)
        if found is None:
            raise ProtocolError("bad chunk size")
        if self._extension is _BEFORE_EXTENSION and found[1]:
            self._extension = _WITHIN_EXTENSION
            self._leave_h11()

    def _count_extension(self, size: int) -> None:
        self._extensions_bytes += size
        free = self._limits.chunk_extension_bytes + _FREE_EXTENSION_BYTES
        if self._extensions_bytes > free + self.received_bytes // _DATA_PER_EXTENSION_BYTE:
            raise ProtocolError("too many chunk extensions", code="chunk_extension_too_long")

    def _leave_h11(self) -> None:
        """Compare the rest of this body with h11 no more: it refuses white space before `;`, which must be accepted
        (RFC 9112 §7.1.1, RFC 9110 §5.6.3), and more than 20 digits, which the grammar allows."""
        self._h11 = None

    def _take_trailers(self, data: bytes) -> bool:
        """Read the trailer section; whether it is complete."""
        section, limit = self._section, self._limits.trailer_bytes
        seen = len(section)  # only new bytes are searched, and those before them that may begin a line end
        section += data
        if section.startswith(_CRLF):
            self.left_over = bytes(section[2:])
            return True
        end = section.find(b"\r\n\r\n", max(seen - 3, 0)) + 4
        if 4 <= end <= limit:
            raw = bytes(section[:end])
            check_bytes(raw)
            if raw.count(_CRLF) > self._limits.field_count + 1:  # before h11 makes objects of thousands of lines
                raise ProtocolError("too many trailer fields", status=431, code="trailers_too_large")
            self.trailers = parse_trailers(raw)
            self.left_over = bytes(section[end:])
            return True
        # Up to one byte over the limit, so that the status does not depend on how the bytes were split.
        new = bytes(section[max(seen - 2, 0) : limit + 1]).removesuffix(b"\r")
        check_bytes(new.removeprefix(b"\n") if seen else new)
        if len(section) > limit:
            raise ProtocolError("trailer section too large", status=431, code="trailers_too_large")
        return False
