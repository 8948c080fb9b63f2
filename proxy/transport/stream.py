"""One TCP connection as a stream: read, write, back-pressure, deadlines. Knows nothing of HTTP.

An `asyncio.Protocol`, not a StreamReader: what was read is handed on as the very object that arrived. Deadlines are
attributes that one timer per worker sweeps (`Deadlines`), so that no request costs a timer.
"""

import asyncio
import contextlib
import fcntl
import socket
import struct
import sys
import termios
from collections.abc import Callable, Generator
from types import coroutine
from typing import Final, cast

from proxy.transport import fiber
from proxy.transport.deadlines import NEVER, Deadlines
from proxy.transport.fiber import Fiber, parked

#: Reading pauses while this much is unread: one busy peer's burst, times thousands of connections, is what it costs.
UNREAD_LIMIT: Final = 65_536

_NOT_ASKED: Final = float("inf")  # of untaken bytes: whatever comes next is fewer
_CLOSE_S: Final = 30.0  # without a byte taken of what is still queued when a connection is closed
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)  # SO_LINGER, zero seconds: close() sends RST
#: In these releases, asyncio's own `writelines` tells nobody to pause (CVE-2024-12254): buffers would grow.
_WRITELINES_PAUSES: Final = not ((3, 12) <= sys.version_info < (3, 12, 9) or (3, 13) <= sys.version_info < (3, 13, 2))


class ConnectionEnded(Exception):
    """The connection is gone: reset by the peer, or aborted here. A clean end of reading is `b""` instead."""


class Stream(asyncio.Protocol):
    """One connection. At most one fiber reads and one writes at a time; what happens here resumes them at once."""

    __slots__ = (
        "__weakref__", "_close_deadline", "_deadlines", "_ended", "_eof", "_read_deadline", "_reader",
        "_reading_paused", "_unread", "_unread_bytes", "_untaken", "_write_deadline", "_writer",
        "_writing_paused", "on_connected", "on_lost", "transport", "watcher",
    )  # fmt: skip

    def __init__(self, deadlines: Deadlines, on_connected: "Callable[[Stream], None] | None" = None) -> None:
        self._deadlines = deadlines
        self.on_connected = on_connected
        self.on_lost: Callable[[], None] | None = None
        self.watcher: Callable[[], None] | None = None  # told of anything that happens on an idle connection
        self._unread: list[bytes] = []
        self._unread_bytes = 0
        self._eof = False
        self._ended: BaseException | None = None
        self._reading_paused = False
        self._writing_paused = False
        self._reader: Fiber | None = None
        self._writer: Fiber | None = None
        self._read_deadline = NEVER
        self._write_deadline = NEVER
        self._close_deadline = NEVER
        self._untaken: float = _NOT_ASKED  # bytes, when `_has_taken_more` was asked last
        self.transport: asyncio.Transport

    # -- what the loop calls -------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is one, but not by inheritance
        self._deadlines.streams.add(self)
        if self.on_connected is not None:
            self.on_connected(self)

    def data_received(self, data: bytes) -> None:
        if self._reader is not None:
            self._reader.resume(data)  # as the object that arrived, to the read that waits for it
            return
        self._unread.append(data)
        self._unread_bytes += len(data)
        if self.watcher is not None:
            self.watcher()
        elif self._unread_bytes >= UNREAD_LIMIT and not self._reading_paused:
            self._reading_paused = True
            self.transport.pause_reading()

    def eof_received(self) -> bool:
        self._eof = True
        if self._reader is not None:
            self._reader.resume()
        elif self.watcher is not None:
            self.watcher()
        return True  # a half-closed peer may still be owed an answer

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended = self._ended or exc or ConnectionEnded()
        self._deadlines.streams.discard(self)
        if self._reader is not None:
            self._reader.resume()
        if self._writer is not None:
            self._writer.resume()
        if self.watcher is not None:
            self.watcher()
        if self.on_lost is not None:
            self.on_lost()

    def pause_writing(self) -> None:
        self._writing_paused = True

    def resume_writing(self) -> None:
        self._writing_paused = False
        if self._writer is not None:
            self._writer.resume()

    # -- reading -------------------------------------------------------------------------------------------------

    @coroutine
    def read(self, deadline: float) -> Generator[None, bytes | None, bytes]:
        """Return what arrived, at least one byte; `b""` once the peer has ended its side.

        Raises TimeoutError past `deadline` (loop time), ConnectionEnded if the connection broke.
        """
        while not self._unread:
            if self._ended is not None:
                raise ConnectionEnded from self._ended
            if self._eof:
                return b""
            self._reader = fiber.running
            self._read_deadline = deadline
            try:
                data = yield
            finally:
                self._reader = None
                self._read_deadline = NEVER
            if data is not None:
                return data
        # Several segments are many small ones: joining costs less than a turn for each.
        data = self._unread[0] if len(self._unread) == 1 else b"".join(self._unread)
        self._unread.clear()
        self._unread_bytes = 0
        if self._reading_paused and self._ended is None:
            # Now, not when the next read waits: on a connection that goes idle, surplus bytes would go unnoticed.
            self._reading_paused = False
            self.transport.resume_reading()
        return data

    def set_read_deadline(self, deadline: float) -> None:
        """Give a read that is under way until `deadline`."""
        if self._reader is not None:
            self._read_deadline = deadline

    def has_unread(self) -> bool:
        """Whether a read would return at once."""
        return bool(self._unread) or self._eof or self._ended is not None

    @property
    def is_ended(self) -> bool:
        """Whether nothing can be written any more."""
        return self._ended is not None

    @property
    def at_eof(self) -> bool:
        """Whether the peer has ended its side."""
        return self._eof or self._ended is not None

    # -- writing -------------------------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Send, or queue: `drain` afterwards where `data` may be large. Writing to an ended connection is a no-op:
        the end is found when reading, where it has a cause."""
        if self._ended is None:
            self.transport.write(data)

    def writelines(self, buffers: list[bytes]) -> None:
        """Send several buffers in order, unjoined."""
        if self._ended is None:
            if _WRITELINES_PAUSES:
                self.transport.writelines(buffers)
            else:
                for data in buffers:
                    self.transport.write(data)

    def must_drain(self) -> bool:
        """Whether the peer is slower than the writer."""
        return self._writing_paused or self._ended is not None

    async def drain(self, patience_s: float) -> None:
        """Wait until the peer has taken enough. Raises TimeoutError once it has taken nothing for `patience_s`,
        ConnectionEnded."""
        self._untaken = self._untaken_bytes()
        while self._writing_paused and self._ended is None:
            self._writer = fiber.running
            self._write_deadline = self._deadlines.loop.time() + patience_s
            try:
                await parked()
            except TimeoutError:
                # The kernel's megabytes empty before we may write again: slow is not silent.
                if not self._has_taken_more():
                    raise
            finally:
                self._writer = None
                self._write_deadline = NEVER
        if self._ended is not None:
            raise ConnectionEnded from self._ended

    def _untaken_bytes(self) -> int:
        """What was written and the peer has not acknowledged: ours, and the kernel's where it tells."""
        if self._ended is not None:
            return 0
        untaken = self.transport.get_write_buffer_size()
        raw = self.transport.get_extra_info("socket")
        with contextlib.suppress(OSError, ValueError):
            untaken += int.from_bytes(fcntl.ioctl(raw.fileno(), termios.TIOCOUTQ, bytes(4)), sys.byteorder)
        return untaken

    def _has_taken_more(self) -> bool:
        """Whether the peer has taken anything since this was asked last."""
        before, self._untaken = self._untaken, self._untaken_bytes()
        return self._untaken < before

    def end_writing(self) -> None:
        """Half-close: the peer reads to the end of what was sent, and may go on sending."""
        if self._ended is None and not self.transport.is_closing() and self.transport.can_write_eof():
            with contextlib.suppress(OSError):  # reset by the peer, and the loop has not told us yet
                self.transport.write_eof()

    # -- ending --------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Close once everything written has been sent; reset where the peer stops taking it."""
        if self._ended is None and not self.transport.is_closing():
            self._close_deadline = self._deadlines.loop.time() + _CLOSE_S
            self._untaken = _NOT_ASKED
            self.transport.close()

    def abort(self) -> None:
        """Close at once; what is unsent is lost. Who waits here is resumed when the loop says that it is gone."""
        if self._ended is None:
            self._ended = ConnectionEnded()
            self.transport.abort()

    def reset(self) -> None:
        """Close at once with RST: a peer that reads until close must not take this for a proper end."""
        raw = self.transport.get_extra_info("socket")
        if raw is not None and self._ended is None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self.abort()

    async def wait_flushed(self) -> None:
        """Wait, after `close`, until all that was written has been sent, or cannot be."""
        while self._ended is None and self.transport.get_write_buffer_size():
            self._writer = fiber.running
            try:
                await parked()
            finally:
                self._writer = None

    async def linger(self, patience_s: float, limit: int) -> None:
        """Half-close, discard what still comes up to `limit` bytes, then close (RFC 9112 §9.6): after `patience_s`, but
        not while the peer is still taking what it was sent.

        Closing with unread bytes would send a reset, which can overtake and destroy the answer just sent.
        """
        self.end_writing()
        loop = self._deadlines.loop
        deadline = loop.time() + patience_s
        self._untaken = _NOT_ASKED
        try:
            while limit > 0:
                try:
                    discarded = await self.read(deadline)
                except TimeoutError:
                    if not self._has_taken_more() or not self._untaken:
                        break  # the peer had its chance to read
                    deadline = loop.time() + patience_s
                else:
                    if not discarded:
                        break
                    limit -= len(discarded)
        except ConnectionEnded:
            pass
        finally:
            self.close()

    # -- deadlines -----------------------------------------------------------------------------------------------

    @property
    def next_deadline(self) -> float:
        """The loop time at which something on this stream is overdue."""
        return min(self._read_deadline, self._write_deadline, self._close_deadline)

    def expire(self, now: float) -> None:
        """Fail whoever waits past its deadline."""
        if self._read_deadline < now and self._reader is not None:
            self._reader.resume(error=TimeoutError())
        if self._write_deadline < now and self._writer is not None:
            self._writer.resume(error=TimeoutError())
        if self._close_deadline < now:
            if self._has_taken_more():
                self._close_deadline = now + _CLOSE_S
            else:
                self.reset()
