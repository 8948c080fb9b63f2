"""What the kernel knows of a connection, and the event loop does not tell. Elsewhere than on Linux it tells less."""

import errno
import fcntl
import os
import select
import socket
import struct
import sys
import termios
from collections.abc import Callable
from enum import Enum, auto
from typing import Final, Protocol

_PIECE_BYTES: Final = 65_536
#: Of what a lost connection has left, where we lack the descriptor to read it piece by piece.
_AT_ONCE_BYTES: Final = 1024 * 1024
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)  # SO_LINGER, zero seconds: close() sends RST
_COUNT: Final = bytearray(4)  # an int that the kernel writes: what cannot be written to costs `ioctl` twice as much
_RDHUP: Final = getattr(select, "POLLRDHUP", 0)  # Linux: the peer has ended its side, unread bytes before that or not


class LoopSocket(Protocol):
    """What both event loops give as a transport's socket."""

    def fileno(self) -> int: ...


class PeerEnd(Enum):
    """How a peer has ended its side of a connection."""

    FIN = auto()
    RESET = auto()


def untaken_bytes(raw: LoopSocket) -> int:
    """Bytes in the kernel's send queue that the peer has not acknowledged; 0 where the system cannot say."""
    return _queued_bytes(raw, termios.TIOCOUTQ)


def unread_bytes(raw: LoopSocket) -> int:
    """Bytes in the kernel's receive queue; 0 where the system cannot say."""
    return _queued_bytes(raw, termios.FIONREAD)


def _queued_bytes(raw: LoopSocket, which: int) -> int:
    try:
        fcntl.ioctl(raw.fileno(), which, _COUNT)
    except (OSError, ValueError):
        return 0
    return int.from_bytes(_COUNT, sys.byteorder)


def reset_on_close(raw: socket.socket) -> None:
    """From now on, closing the socket sends RST, and drops what is unsent."""
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)


def peer_end(raw: LoopSocket) -> PeerEnd | None:
    """Whether the peer has ended its side, also where bytes before its end are unread."""
    poller = select.poll()
    try:
        poller.register(raw.fileno(), _RDHUP)
        events = [happened for _, happened in poller.poll(0)]
    except (OSError, ValueError):
        return PeerEnd.RESET
    if not events:
        return None
    return PeerEnd.RESET if events[0] & (select.POLLERR | select.POLLHUP) else PeerEnd.FIN


def poll_for_reading(raw: LoopSocket) -> Callable[[int], list[tuple[int, int]]]:
    """A function to be called with 0 whenever it is asked whether bytes or the end of the peer are still to be read: it
    returns an event then, and else an empty list. Not to be called once the socket is closed: its descriptor may be
    another one's. Raises OSError or ValueError where it is closed already."""
    poller = select.poll()
    poller.register(raw.fileno(), select.POLLIN)
    return poller.poll


class Remainder:
    """The unread remainder of a connection that its peer broke: what was sent before the reset.

    A reset leaves the kernel's receive queue readable, but the event loop closes the socket as soon as it has said that
    the connection is lost. So the first piece is read within that very call; where there is more, a second descriptor
    keeps the queue, and the reader takes it at its own pace.
    """

    def __init__(self, raw: LoopSocket, error: OSError) -> None:
        """Raises nothing: where nothing can be read, there is nothing."""
        self.first = b""
        #: Whether the peer has ended its side properly, before it broke the connection: only then does Linux say EPIPE.
        self.ended_cleanly = False
        self._proper_end = error.errno == errno.EPIPE
        self._kept: socket.socket | None = None
        descriptor = raw.fileno()
        self.first = self._read_up_to(_PIECE_BYTES, descriptor)
        if len(self.first) >= _PIECE_BYTES:
            try:
                self._kept = socket.socket(fileno=os.dup(descriptor))
            except OSError:  # out of descriptors
                self.first += self._read_up_to(_AT_ONCE_BYTES, descriptor)

    @property
    def has_more(self) -> bool:
        """Whether `next` is worth a call."""
        return self._kept is not None

    def next(self) -> bytes:
        """The next piece, or `b""`: that was all."""
        if self._kept is None:
            return b""
        piece = self._read(self._kept.fileno())
        if not piece:
            self.drop()
        return piece

    def drop(self) -> None:
        """Forget the rest. Twice does no harm."""
        if self._kept is not None:
            self._kept.close()
            self._kept = None

    def _read_up_to(self, count: int, descriptor: int) -> bytes:
        pieces: list[bytes] = []
        while count > 0 and (piece := self._read(descriptor)):
            pieces.append(piece)
            count -= len(piece)
        return b"".join(pieces)

    def _read(self, descriptor: int) -> bytes:
        try:
            piece = os.read(descriptor, _PIECE_BYTES)  # does not block: the event loop has set it so
        except OSError:
            return b""
        if not piece:
            self.ended_cleanly = self._proper_end
        return piece
