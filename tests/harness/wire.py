"""One end of a connection, read message by message by the strict grammar: what a hop said, without any forgiveness.

Shares no code with the proxy under test. Whatever two recipients could read in two ways is a `Violation`, a connection
that ends within a message `Incomplete`.
"""

import asyncio
import contextlib
import re
import socket
from dataclasses import dataclass, field

from tests.harness.strict import CHUNK_LINE, FIELD_LINE, REQUEST_LINE, STATUS_LINE, Incomplete, Violation

#: Linux's numbers for ESTABLISHED and FIN_WAIT1: our end is not sent, or not acknowledged.
_END_UNACKNOWLEDGED = (1, 4)
_LOOK_S = 0.01  # between two questions to the kernel, which notifies nobody of an acknowledgement
_HEAD_END = re.compile(rb"\n\r?\n")  # also what is no proper end: it must not pass for a head that never ends


Lines = list[tuple[str, str]]


@dataclass
class Message:
    """One request or response, as far as it has arrived."""

    start: str
    fields: Lines
    connection: int = 0
    framing: str = "none"  # none, length, chunked, close
    body: bytes = b""
    trailers: Lines = field(default_factory=list)
    extensions: int = 0  # bytes of chunk extensions
    complete: bool = False
    interims: list["Message"] = field(default_factory=list)

    @property
    def status(self) -> int:
        """A response's status."""
        return int(self.start.split(" ")[1])

    @property
    def version(self) -> str:
        """The sender's version, `1.1` say."""
        return (self.start.split(" ")[0] if self.start.startswith("HTTP/") else self.start.split(" ")[2])[5:]

    def values(self, name: str) -> list[str]:
        """The values of every line of that name."""
        return [value for key, value in self.fields if key.lower() == name.lower()]

    @property
    def text(self) -> str:
        """All of it, as it would stand on the wire without its framing."""
        lines = [f"{name}: {value}" for name, value in (*self.fields, *self.trailers)]
        return "\r\n".join([self.start, *lines, self.body.decode("latin-1")])

    def options(self) -> set[str]:
        """The members of `Connection`, in lower case."""
        return {member.strip().lower() for value in self.values("connection") for member in value.split(",")} - {""}


class Wire:
    """One end of a connection: what has arrived and is not yet read, and how the connection ended."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer
        self.unread = bytearray()
        self.ended = ""  # "closed", "reset"
        self._said_all = False

    async def more(self) -> bool:
        """Wait for bytes; whether there were any."""
        if self.ended:
            return False
        try:
            data = await self._reader.read(65536)
        except ConnectionError:
            self.ended = "reset"
            return False
        if not data:
            self.ended = "closed"
        self.unread += data
        return bool(data)

    async def take(self, count: int) -> bytes:
        """Exactly `count` bytes."""
        while len(self.unread) < count:
            if not await self.more():
                raise Incomplete
        return self._pop(count)

    async def line(self) -> bytes:
        """One line, which must end with CRLF, without it."""
        while (end := self.unread.find(b"\n")) < 0:
            if not await self.more():
                raise Incomplete
        line = self._pop(end + 1)
        if not line.endswith(b"\r\n"):
            raise Violation(f"line ends with a bare LF: {line[-40:]!r}")
        return line[:-2]

    async def head(self) -> bytes | None:
        """One head with its blank line, None where the connection has ended instead."""
        while (end := _HEAD_END.search(self.unread)) is None:
            if not await self.more():
                if self.unread:
                    raise Incomplete
                return None
        return self._pop(end.end())

    def _pop(self, count: int) -> bytes:
        taken = bytes(self.unread[:count])
        del self.unread[:count]
        return taken

    async def send(self, data: bytes, *, slowly: bool = False) -> None:
        """Send; `slowly` gives the kernel one byte at a time. A peer that is gone is noticed when reading."""
        for piece in (data[i : i + 1] for i in range(len(data))) if slowly else (data,):
            if not self.writer.is_closing() and not self._said_all:
                self.writer.write(piece)
            if slowly:
                await asyncio.sleep(0)

    def end_writing(self) -> None:
        """Half-close, unless the connection is ending anyway."""
        self._said_all = True
        if not self.writer.is_closing():
            with contextlib.suppress(OSError):
                self.writer.write_eof()

    def end_is_unacknowledged(self) -> bool:
        """Whether we have ended our side, or are closing, and the peer's kernel has not acknowledged that; False where
        this system cannot say."""
        try:
            info = self.writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)
        except (AttributeError, OSError, ValueError):  # not on Linux, or closed
            return False
        return (self._said_all or self.writer.is_closing()) and info[0] in _END_UNACKNOWLEDGED

    async def end_acknowledged(self) -> None:
        """Wait until the peer's kernel has acknowledged that we have ended our side.

        A lost FIN is repeated after 200 ms. Linux does not even send it, and waits as long, where TCP is short of
        memory and what was sent last is not acknowledged yet: `tcp_send_fin`.
        """
        while self.end_is_unacknowledged():  # noqa: ASYNC110 - no event tells
            await asyncio.sleep(_LOOK_S)

    def abort(self) -> None:
        """Close with a reset where anything is unread."""
        self.writer.transport.abort()


async def request_head(wire: Wire) -> Message | None:
    """The next request's head, or None at the end."""
    raw = await wire.head()
    if raw is None:
        return None
    message = _parse(raw, REQUEST_LINE)
    if message.version == "1.1" and len(message.values("host")) != 1:
        raise Violation(f"not one Host: {raw[:200]!r}")
    length = _framing(message)
    message.framing = "none" if length is None and message.framing != "chunked" else message.framing
    message.complete = message.framing == "none"
    return message


async def response(wire: Wire, method: str) -> Message | None:
    """The next interim or final response, whole, or None where the connection has ended before its first byte.

    A body that is cut leaves `complete` unset.
    """
    raw = await wire.head()
    if raw is None:
        return None
    message = _parse(raw, STATUS_LINE)
    status = message.status
    length = _framing(message)
    if status < 200 or status == 204:
        if message.values("content-length") or message.values("transfer-encoding"):
            raise Violation(f"a {status} with a length")
        message.framing = "none"
    elif method == "HEAD" or status == 304 or (method == "CONNECT" and status < 300):
        message.framing = "none"
    elif length is None and message.framing != "chunked":
        message.framing = "close"
    await body(wire, message)
    return message


async def body(wire: Wire, message: Message) -> None:
    """Read the body of a message whose head was read. A cut one stays incomplete."""
    try:
        if message.framing == "length":
            remaining = int(message.values("content-length")[0]) - len(message.body)
            while remaining:
                if not wire.unread and not await wire.more():
                    raise Incomplete
                piece = await wire.take(min(remaining, len(wire.unread)))
                message.body += piece
                remaining -= len(piece)
        elif message.framing == "chunked":
            await _chunked(wire, message)
        elif message.framing == "close":
            while await wire.more():
                pass
            message.body = await wire.take(len(wire.unread))
            if wire.ended == "reset":
                raise Incomplete
        message.complete = True
    except Incomplete:
        message.complete = False


async def _chunked(wire: Wire, message: Message) -> None:
    while True:
        line = await wire.line()
        chunk = CHUNK_LINE.fullmatch(line)
        if chunk is None:
            raise Violation(f"chunk size {line[:60]!r}")
        message.extensions += len(chunk[2] or b"")
        size = int(chunk[1], 16)
        if not size:
            break
        message.body += await wire.take(size)
        if await wire.line() != b"":
            raise Violation("chunk data does not end where its size says")
    while line := await wire.line():
        message.trailers.append(_field(line))


def _parse(raw: bytes, start_line: re.Pattern[bytes]) -> Message:
    lines = raw.split(b"\r\n")
    if lines[-2:] != [b"", b""]:
        raise Violation(f"head without a proper end: {raw[-60:]!r}")
    if not start_line.fullmatch(lines[0]):
        raise Violation(f"start line {lines[0][:80]!r}")
    if not re.search(rb"HTTP/1\.[01]\b", lines[0]):
        raise Violation(f"no version of a sender's: {lines[0][:80]!r}")
    return Message(lines[0].decode("latin-1"), [_field(line) for line in lines[1:-2]])


def _field(line: bytes) -> tuple[str, str]:
    found = FIELD_LINE.fullmatch(line)
    if found is None:
        raise Violation(f"field line {line[:80]!r}")
    return found[1].decode("latin-1"), found[2].decode("latin-1").strip(" \t")


def _framing(message: Message) -> int | None:
    """Set `framing` where a field states it; the length, if there is one."""
    codings, lengths = message.values("transfer-encoding"), message.values("content-length")
    if codings:
        if lengths or message.version == "1.0" or [coding.lower() for coding in codings] != ["chunked"]:
            raise Violation(f"Transfer-Encoding {codings} in {message.start!r}, Content-Length {lengths}")
        message.framing = "chunked"
        return None
    if not lengths:
        return None
    if len(lengths) > 1 or not re.fullmatch(r"[0-9]{1,18}", lengths[0]):
        raise Violation(f"Content-Length {lengths}")
    message.framing = "length"
    return int(lengths[0])
