"""What simulated peers say and how they read it. Bodies are patterns, so that every byte tells whose it is."""

import re
from dataclasses import dataclass, field
from functools import cache
from typing import Final

_LENGTH: Final = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)
_CHUNKED: Final = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)


def pattern(number: int, start: int, count: int) -> bytes:
    """A stretch of the endless body of message `number`."""
    word = b"<%07d>" % number
    skip = start % len(word)
    return (word * ((skip + count) // len(word) + 1))[skip : skip + count]


def field_value(head: bytes, name: bytes) -> bytes | None:
    """The value of the first field of that name."""
    found = _field(name).search(head)
    return found[1] if found else None


@cache
def _field(name: bytes) -> re.Pattern[bytes]:
    return re.compile(rb"\r\n" + re.escape(name) + rb": *([^\r]*)", re.IGNORECASE)


class Broken(Exception):
    """These bytes are no message: the proxy wrote something wrong."""


@dataclass
class Arriving:
    """One message, as much of it as has come."""

    head: bytes = b""
    body: bytearray = field(default_factory=bytearray)
    complete: bool = False
    until_close: bool = False

    @property
    def status(self) -> int:
        return int(self.head[9:12])

    @property
    def target(self) -> bytes:
        return self.head.split(b" ", 2)[1]

    @property
    def method(self) -> bytes:
        return self.head.split(b" ", 1)[0]


class Reader:
    """Reads messages off one connection, piece by piece."""

    def __init__(self, *, responses: bool) -> None:
        self._responses = responses
        self._unread = bytearray()
        self._left = -1  # of the body with a length, or of a chunk; -1: chunk line; -2: trailers
        self._chunked = False
        self.methods: list[bytes] = []  # of the requests that the next responses answer
        self.messages: list[Arriving] = []
        self.finals: list[Arriving] = []  # those of them that answer a request
        self.current: Arriving | None = None
        self.tunnel: bytearray | None = None  # behind a 101

    def receive(self, data: bytes) -> None:
        """Take what has come. Raises Broken."""
        if self.tunnel is not None:
            self.tunnel += data
            return
        self._unread += data
        while self._step():
            pass

    def end(self) -> None:
        """The peer has ended its side properly."""
        if self.current is not None and self.current.until_close:
            self.current.complete = True
            self.current = None

    def _step(self) -> bool:
        current = self.current
        if current is None:
            while not self._responses and self._unread.startswith(b"\r\n"):
                del self._unread[:2]
            end = self._unread.find(b"\r\n\r\n")
            if end < 0:
                return False
            head = bytes(self._unread[: end + 2])
            del self._unread[: end + 4]
            self._begin(head)
            return bool(self._unread) and self.tunnel is None
        if current.until_close:
            current.body += self._unread
            self._unread.clear()
            return False
        if self._chunked:
            return self._chunk(current)
        count = min(self._left, len(self._unread))
        current.body += self._unread[:count]
        del self._unread[:count]
        self._left -= count
        if not self._left:
            self._finish()
        return bool(self._unread) and not self._left

    def _begin(self, head: bytes) -> None:
        message = Arriving(head)
        if self._responses:
            if not head.startswith(b"HTTP/1.1 ") or not head[9:12].isdigit():
                raise Broken(f"no status line: {head[:60]!r}")
        elif not re.match(rb"[A-Z]+ \S+ HTTP/1\.1\r\n", head):
            raise Broken(f"no request line: {head[:60]!r}")
        self.messages.append(message)
        self.current = message
        method, status = b"", 0
        if self._responses:
            status = message.status
            if status < 200 and status != 101:
                self._finish()
                return
            self.finals.append(message)
            if not self.methods:
                raise Broken("a response that nobody asked for")
            method = self.methods.pop(0)
            if status == 101:
                self._finish()
                self.tunnel = bytearray(self._unread)
                self._unread.clear()
                return
        length = _LENGTH.search(head)
        self._chunked = _CHUNKED.search(head) is not None
        if self._responses and (method == b"HEAD" or status in (204, 304)):
            self._finish()
        elif self._chunked:
            self._left = -1
        elif length:
            self._left = int(length[1])
            if not self._left:
                self._finish()
        elif self._responses:
            message.until_close = True
        else:
            self._finish()

    def _chunk(self, current: Arriving) -> bool:
        if self._left == -2:
            end = self._unread.find(b"\r\n")
            if end < 0:
                return False
            del self._unread[: end + 2]
            if not end:
                self._finish()
            return bool(self._unread)
        if self._left == -1:
            end = self._unread.find(b"\r\n")
            if end < 0:
                return False
            try:
                self._left = int(self._unread[:end].split(b";")[0], 16)
            except ValueError:
                raise Broken(f"no chunk line: {bytes(self._unread[:end])!r}") from None
            del self._unread[: end + 2]
            if not self._left:
                self._left = -2
            return True
        if len(self._unread) < self._left + 2:
            count = min(self._left, len(self._unread))
            if count == self._left:
                return False
            current.body += self._unread[:count]
            del self._unread[:count]
            self._left -= count
            return False
        current.body += self._unread[: self._left]
        if self._unread[self._left : self._left + 2] != b"\r\n":
            raise Broken("no line end behind a chunk")
        del self._unread[: self._left + 2]
        self._left = -1
        return True

    def _finish(self) -> None:
        assert self.current is not None
        self.current.complete = True
        self.current = None
        self._chunked = False
        self._left = 0
