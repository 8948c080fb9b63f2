"""What workers and the control process tell each other: messages of opaque bytes over a socket pair per worker.

Nobody ever waits here: what cannot be sent at once is lost, and the sender knows. Neither side depends on the other: a
worker without a control process serves on with what it last knew.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Final

#: The longest message: the kernel takes 208 KiB into a socket's queue, its own book-keeping included.
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
    """A worker's end. Who is at the other end changes when the control process is replaced."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        #: Called with each message of the control process.
        self.on_message: Callable[[bytes], None] = _ignore
        #: Called when there is a control process that has not heard anything yet.
        self.on_joined: Callable[[], None] = _nothing
        self.report_defect: ReportDefect = _raise
        self._loop = loop
        self._end: _End | None = None

    def connect(self, end: socket.socket) -> None:
        """Talk over this socket from now on."""
        self.close()
        self._end = _End(self._loop, end, self._receive, self._ended)
        self._call(self.on_joined)

    def send(self, message: bytes) -> bool:
        """Tell the control process; False where that is not possible now: the message is lost."""
        return self._end is not None and self._end.send(message)

    def close(self) -> None:
        """Talk no more. Twice does no harm."""
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
        except Exception as exc:  # a defect in what is told must not end the link
            self.report_defect(exc, "a message of the control process")


class Hub:
    """The control process's ends of all links. Workers are known by their seats."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        #: Called with each message of a worker.
        self.on_message: Callable[[int, bytes], None] = lambda seat, message: None
        #: Called for a worker that knows nothing yet: tell it everything that it needs.
        self.on_joined: Callable[[int], None] = lambda seat: None
        #: Called for a worker that could not take a message, once it takes messages again: tell it what it has missed.
        self.on_writable: Callable[[int], None] = lambda seat: None
        #: Called when the worker of a seat has ended.
        self.on_left: Callable[[int], None] = lambda seat: None
        self.report_defect: ReportDefect = _raise
        self._loop = loop
        self._ends: dict[int, _End] = {}
        self._behind: set[int] = set()

    @property
    def seats(self) -> list[int]:
        """Of all workers that can be reached."""
        return list(self._ends)

    def connect(self, seat: int, end: socket.socket) -> None:
        """There is a worker in this seat."""
        if seat in self._ends:  # its predecessor has ended, and the end was not seen yet
            self._left(seat)
        self._ends[seat] = _End(
            self._loop, end, lambda message: self._receive(seat, message), lambda: self._left(seat)
        )  # fmt: skip
        self._call(lambda: self.on_joined(seat))

    def send(self, seat: int, message: bytes) -> bool:
        """Tell one worker; False where the message is lost. `on_writable` is called once the worker takes messages
        again, but not for a message that is longer than any may be."""
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
        """Tell all workers that can take it."""
        for seat in self.seats:
            self.send(seat, message)

    def close(self) -> None:
        """Talk no more."""
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
        """False where the message is not taken at once."""
        if len(message) > MOST_BYTES:
            return False
        with contextlib.suppress(OSError):
            # A zero-length packet would look like the end to the reader.
            return bool(message) and self._end.send(message, socket.MSG_NOSIGNAL) == len(message)
        return False

    def when_writable(self, call: Callable[[], None]) -> None:
        """Call once, as soon as a message is likely taken."""

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
            if self._is_closed:  # by what it was told
                return
            try:
                message = self._end.recv(MOST_BYTES)
            except BlockingIOError:
                return
            except ConnectionResetError:
                continue  # it has ended without reading all; Linux says so once, and before what it had sent
            except OSError:
                message = b""
            if not message:
                self.close()
                self._on_ended()
                return
            self._on_message(message)
