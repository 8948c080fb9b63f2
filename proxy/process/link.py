"""Messages between workers and the control process: opaque bytes, over a socket pair per worker.

Sending never blocks: a message that cannot be sent at once is lost, and the sender is told so. Neither side depends on
the other: a worker without a control process keeps serving with what it last knew.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Final

#: The longest message: the queue of a socket holds 208 KiB, the kernel's own overhead included.
MOST_BYTES: Final = 128 * 1024
_PER_TURN: Final = 64  # messages of one link, before others have a turn of the loop

ReportDefect = Callable[[BaseException, str], None]


def pair() -> tuple[socket.socket, socket.socket]:
    """Two ends that are connected. Raises OSError."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def _ignore(_: bytes) -> None:
    pass


def _nothing() -> None:
    pass


def _raise(defect: BaseException, _: str) -> None:
    raise defect


class Link:
    """A worker's end. It is connected anew when the control process is replaced."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        #: Called with each message of the control process.
        self.on_message: Callable[[bytes], None] = _ignore
        #: Called when a new control process is connected, which knows nothing yet.
        self.on_joined: Callable[[], None] = _nothing
        self.report_defect: ReportDefect = _raise
        self._loop = loop
        self._end: _End | None = None

    def connect(self, end: socket.socket) -> None:
        """Use this socket from now on."""
        self.close()
        self._end = _End(self._loop, end, self._receive, self._ended)
        self._call(self.on_joined)

    def send(self, message: bytes) -> bool:
        """Send a message to the control process. False: it could not be sent at once, and is lost."""
        return self._end is not None and self._end.send(message)

    def close(self) -> None:
        """Close the connection. Twice does no harm."""
        if self._end is not None:
            self._end.close()
            self._end = None

    def _receive(self, message: bytes) -> None:
        self._call(lambda: self.on_message(message))

    def _ended(self) -> None:
        self._end = None  # the parent starts another control process, and sends its socket

    def _call(self, call: Callable[[], None]) -> None:
        try:
            call()
        except Exception as exc:  # a defect in one receiver must not end the link
            self.report_defect(exc, "a message of the control process")


class Hub:
    """The control process's ends of all links. Workers are known by their seats."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        #: Called with each message of a worker.
        self.on_message: Callable[[int, bytes], None] = lambda seat, message: None
        #: Called for a new worker, which knows nothing yet: send it everything that it needs.
        self.on_joined: Callable[[int], None] = lambda seat: None
        #: Called for a worker that missed a message, once it accepts messages again: send it what it missed.
        self.on_writable: Callable[[int], None] = lambda seat: None
        #: Called when the worker of a seat has ended.
        self.on_left: Callable[[int], None] = lambda seat: None
        self.report_defect: ReportDefect = _raise
        self._loop = loop
        self._ends: dict[int, _End] = {}
        self._behind: set[int] = set()

    @property
    def seats(self) -> list[int]:
        """The seats of all connected workers."""
        return list(self._ends)

    def connect(self, seat: int, end: socket.socket) -> None:
        """Connect the worker in this seat."""
        if seat in self._ends:  # its predecessor has ended, which was not noticed yet
            self._left(seat)
        self._ends[seat] = _End(
            self._loop, end, lambda message: self._receive(seat, message), lambda: self._left(seat)
        )  # fmt: skip
        self._call(lambda: self.on_joined(seat))

    def send(self, seat: int, message: bytes) -> bool:
        """Send a message to one worker; False: it is lost. Then `on_writable` is called once the worker accepts
        messages again, unless the message is longer than MOST_BYTES."""
        end = self._ends.get(seat)
        if end is None:
            return False
        if end.send(message):
            return True
        if seat not in self._behind and len(message) <= MOST_BYTES:
            self._behind.add(seat)
            end.when_writable(lambda: self._caught_up(seat))
        return False

    def broadcast(self, message: bytes) -> None:
        """Send a message to all workers."""
        for seat in self.seats:
            self.send(seat, message)

    def close(self) -> None:
        """Close all connections."""
        for end in self._ends.values():
            end.close()
        self._ends.clear()

    def _receive(self, seat: int, message: bytes) -> None:
        self._call(lambda: self.on_message(seat, message))

    def _caught_up(self, seat: int) -> None:
        self._behind.discard(seat)
        self._call(lambda: self.on_writable(seat))

    def _left(self, seat: int) -> None:
        self._behind.discard(seat)
        self._ends.pop(seat).close()
        self._call(lambda: self.on_left(seat))

    def _call(self, call: Callable[[], None]) -> None:
        try:
            call()
        except Exception as exc:  # one worker's message must not end the work for all
            self.report_defect(exc, "a message of a worker")


class _End:
    """One end of a pair, on an event loop."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        end: socket.socket,
        on_message: Callable[[bytes], None],
        on_ended: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._end = end
        self._on_message = on_message
        self._on_ended = on_ended
        self._is_closed = False
        end.setblocking(False)
        loop.add_reader(end, self._receive)

    def send(self, message: bytes) -> bool:
        """Send a message; False where that is not possible at once."""
        if len(message) > MOST_BYTES:
            return False
        with contextlib.suppress(OSError):
            # A zero-length packet would look like the end to the reader.
            return bool(message) and self._end.send(message, socket.MSG_NOSIGNAL) == len(message)
        return False

    def when_writable(self, call: Callable[[], None]) -> None:
        """Call once, as soon as the socket is writable."""

        def writable() -> None:
            self._loop.remove_writer(self._end)
            call()

        self._loop.add_writer(self._end, writable)

    def close(self) -> None:
        """Close this end. Twice does no harm."""
        if not self._is_closed:
            self._is_closed = True
            self._loop.remove_reader(self._end)
            self._loop.remove_writer(self._end)
            self._end.close()

    def _receive(self) -> None:
        for _ in range(_PER_TURN):
            if self._is_closed:  # by the receiver of the message before
                return
            try:
                message = self._end.recv(MOST_BYTES)
            except BlockingIOError:
                return
            except ConnectionResetError:
                continue  # Linux reports the reset once, before the messages that the other end had sent
            except OSError:
                message = b""
            if not message:
                self.close()
                self._on_ended()
                return
            self._on_message(message)
