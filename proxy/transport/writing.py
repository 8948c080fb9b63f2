"""The writing side of a stream: flow control, and what its peer has taken.

Apart from the reading side only so that each can be read by itself: `stream.Stream` is both.
"""

import asyncio
import sys
from typing import Final

from proxy.transport import fiber, sockets
from proxy.transport.deadlines import NEVER, Deadlines
from proxy.transport.fiber import Fiber
from proxy.transport.parking import PARKED

_NOT_ASKED: Final = 1 << 62  # of untaken bytes: whatever comes next is fewer
#: In these releases, asyncio's own `writelines` never calls `pause_writing` (CVE-2024-12254): buffers would grow.
_WRITELINES_PAUSES: Final = not ((3, 12) <= sys.version_info < (3, 12, 9) or (3, 13) <= sys.version_info < (3, 13, 2))


class ConnectionEnded(Exception):
    """The connection is gone: reset by the peer, or aborted here. A clean end of reading is `b""` instead."""


class WritingSide(asyncio.Protocol):
    """Where bytes go out. At most one fiber writes at a time."""

    __slots__ = (
        "_deadlines", "_ended", "_moved", "_queued", "_untaken", "_untaken_at_end", "_write_deadline", "_writer",
        "_writing_paused", "transport",
    )  # fmt: skip

    def __init__(self, deadlines: Deadlines) -> None:
        self._deadlines = deadlines
        self._ended: BaseException | None = None  # what ended the connection; None while it is open
        self._writing_paused = False
        self._writer: Fiber | None = None
        self._write_deadline = NEVER
        self._queued = 0  # bytes in our own queue, when a fiber began to wait for it
        self._untaken = _NOT_ASKED  # bytes when `has_taken_more` was asked last, less `_moved` at that time
        self._untaken_at_end = 0
        self._moved = 0  # bytes moved here within the kernel, not written by us
        self.transport: asyncio.Transport

    def pause_writing(self) -> None:
        self._writing_paused = True

    def resume_writing(self) -> None:
        self._writing_paused = False
        if self._writer is not None:
            self._writer.resume()

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

    def note_moved(self, count: int) -> None:
        """Note that so many bytes were moved here within the kernel. Else its queue, as full as before, would look as
        if the peer had taken nothing."""
        self._moved += count

    def write_or_note_untaken(self, data: bytes) -> None:
        """Write; where the connection has ended, or the loop is about to tell so, count the bytes among those that the
        peer has not taken."""
        if self._ended is None and not self.transport.is_closing():
            self.transport.write(data)
        else:
            self._untaken_at_end += len(data)

    @property
    def deadlines(self) -> Deadlines:
        """The deadlines and limits that all streams of the worker share."""
        return self._deadlines

    def time(self) -> float:
        """The loop's time, in which deadlines are."""
        return self._deadlines.loop.time()

    @property
    def is_ended(self) -> bool:
        """Whether nothing can be written any more."""
        return self._ended is not None

    @property
    def is_open(self) -> bool:
        """Whether it has neither ended nor is being closed."""
        return self._ended is None and not self.transport.is_closing()

    def has_queued(self) -> bool:
        """Whether some of what was written is still in our own queue."""
        return self._ended is None and self.transport.get_write_buffer_size() > 0

    def must_drain(self) -> bool:
        """Whether the peer is slower than the writer."""
        return self._writing_paused or self._ended is not None

    def queue_little(self) -> None:
        """The peer is slow: from now on, `must_drain` says so as soon as the kernel takes no more."""
        if self._ended is None:
            self.transport.set_write_buffer_limits(0)

    async def drain(self, patience_s: float) -> None:
        """Wait until the peer has taken enough. Raises TimeoutError once it has taken nothing for `patience_s`,
        ConnectionEnded."""
        self._untaken = self.taken_mark()
        self._queued = self.transport.get_write_buffer_size() if self._ended is None else 0
        while self._writing_paused and self._ended is None:
            try:
                await self.wait_to_write(self.time() + patience_s)
            except TimeoutError:
                # The kernel's megabytes empty before we may write again: slow is not silent.
                if not self.has_taken_more():
                    raise
        if self._ended is not None:
            raise ConnectionEnded from self._ended

    async def wait_to_write(self, deadline: float) -> None:
        """Wait until something has changed for a writer: the queue has emptied, or the connection has ended. Raises
        TimeoutError past `deadline` (loop time), and what `interrupt_writer` says."""
        self._writer = fiber.running
        self._write_deadline = deadline
        try:
            await PARKED
        finally:
            self._writer = None
            self._write_deadline = NEVER

    def interrupt_writer(self, error: Exception) -> bool:
        """Raise `error` in the fiber that waits to write; False where none does."""
        if self._writer is None:
            return False
        self._writer.resume(error=error)
        return True

    def untaken_bytes(self) -> int:
        """What was written and the peer has not acknowledged: in our queue, and in the kernel's where it tells. Of a
        connection that broke: what it had not acknowledged then, give or take what our queue held."""
        if self._ended is not None:
            return self._untaken_at_end
        queued = self.transport.get_write_buffer_size()
        return queued + sockets.untaken_bytes(self.transport.get_extra_info("socket"))

    def _note_untaken(self) -> None:
        """The connection ends now, and not by a proper close."""
        raw = self.transport.get_extra_info("socket")
        queued = self.transport.get_write_buffer_size()  # 0 where the loop has thrown it away before it told us
        if not queued and self._writing_paused:
            queued = self._queued
        self._untaken_at_end += queued + (sockets.untaken_bytes(raw) if raw is not None else 0)

    def taken_mark(self) -> int:
        """Falls with what the peer takes, and rises with what is written, but for what the kernel moves here: it fills
        its queue again to where that stood before."""
        return self.untaken_bytes() - self._moved

    def has_taken_more(self) -> bool:
        """Whether the peer has taken anything since this was asked last, or since `forget_taken`."""
        before, self._untaken = self._untaken, self.taken_mark()
        return self._untaken < before

    def forget_taken(self) -> None:
        """The next `has_taken_more` says yes: from then on, it is progress that counts."""
        self._untaken = _NOT_ASKED

    def end_writing(self) -> None:
        """Half-close: the peer reads to the end of what was sent, and may go on sending."""
        if self._ended is None and not self.transport.is_closing() and self.transport.can_write_eof():
            try:  # noqa: SIM105 - `suppress` costs more than the rest of this
                self.transport.write_eof()
            except OSError:  # reset by the peer, and the loop has not told us yet
                pass
