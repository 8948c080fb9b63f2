"""One TCP connection as a stream: read, write, flow control, deadlines. Knows nothing of HTTP.

An `asyncio.Protocol`, not a StreamReader: what was read is handed on as the very object that arrived. Deadlines are
attributes that one timer per worker sweeps (`Deadlines`), so that no request costs a timer.
"""

import asyncio
from collections.abc import Callable
from typing import Final, cast

from proxy.transport import fiber, sockets
from proxy.transport.deadlines import NEVER, Deadlines
from proxy.transport.fiber import Fiber
from proxy.transport.owner import Forwarder, Owner
from proxy.transport.pacing import FINISHED, FULL_READ_BYTES, PacedReading, Reading
from proxy.transport.parking import PARKED
from proxy.transport.sockets import PeerEnd, Remainder
from proxy.transport.writing import ConnectionEnded

__all__ = ["FINISHED", "ConnectionEnded", "Owner", "PeerEnd", "Reading", "Stream"]

_PAUSED: Final = Reading.PAUSED
CLOSE_S: Final = 30.0  # without a byte taken of what is still queued when a connection is closed


class Stream(PacedReading):
    """One connection. At most one fiber reads and one writes at a time; what happens here resumes them at once."""

    __slots__ = (
        "__weakref__",
        "_arrived",
        "_close_deadline",
        "_read_deadline",
        "_reader",
        "_remainder",
        "_unread",
        "_unread_bytes",
        "alarm_at",
        "forwarder",
        "on_connected",
        "owner",
        "watcher",
    )  # fmt: skip

    def __init__(self, deadlines: Deadlines, on_connected: "Callable[[Stream], None] | None" = None) -> None:
        super().__init__(deadlines)
        self.on_connected = on_connected
        self.owner: Owner | None = None
        self.alarm_at = NEVER  # loop time
        self.watcher: Callable[[], None] | None = None  # told of anything that happens on an idle connection
        self.forwarder: Forwarder | None = None  # is offered what arrives, before the fiber that waits to read
        self._unread: list[bytes] = []
        self._unread_bytes = 0
        self._arrived: bytes | None = None  # for the read that is being resumed
        self._remainder: Remainder | None = None
        self._reader: Fiber | None = None
        self._read_deadline = NEVER
        self._close_deadline = NEVER

    # -- what the loop calls -------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is one, but not by inheritance
        if self._ended is not None:
            self.transport.abort()  # given up while this call was scheduled
            return
        self._deadlines.streams.add(self)
        if self.on_connected is not None:
            on_connected, self.on_connected = self.on_connected, None  # it is as large as the stream
            on_connected(self)

    def data_received(self, data: bytes) -> None:
        if self._reader is not None:
            if len(data) >= FULL_READ_BYTES or (self._reads_small and len(data) >= self._deadlines.buffer_bytes):
                self._let_others_read()
            if self.forwarder is not None and self.forwarder.forward(data):
                return
            self._arrived = data  # the object itself goes to the read that waits for it
            self._reader.resume()
            return
        self._unread.append(data)
        self._unread_bytes += len(data)
        if self.watcher is not None:
            self.watcher()
        elif self._unread_bytes >= self._deadlines.buffer_bytes or self._reads_small:
            self._pause()

    def eof_received(self) -> bool:
        self._reading = FINISHED
        if self._reader is not None:
            self._reader.resume()
        elif self.watcher is not None:
            self.watcher()
        if self.owner is not None:
            self.owner.peer_ended(PeerEnd.FIN)
        return True  # a half-closed peer may still be owed an answer

    def fail(self, error: OSError) -> None:
        """End it by an error that the kernel has reported: only once, so that the loop would see a clean end."""
        if self._ended is None and not self.transport.is_closing():  # else the loop was told first, and tells us soon
            self.connection_lost(error)
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._ended is None:
            self._ended = exc or ConnectionEnded()
            if isinstance(exc, OSError):
                self._break(exc)
        if self._remainder is None:
            self._deadlines.streams.discard(self)
        if self._reader is not None:
            self._reader.resume()
        if self._writer is not None:
            self._writer.resume()
        if self.watcher is not None:
            self.watcher()
        if self.owner is not None:
            owner, self.owner = self.owner, None  # else each would keep the other until garbage is collected
            owner.connection_lost()

    # -- reading -------------------------------------------------------------------------------------------------

    async def read(self, deadline: float) -> bytes:
        """Return what arrived, at least one byte; `b""` once the peer has ended its side.

        Raises TimeoutError past `deadline` (loop time), ConnectionEnded if the connection broke: only once everything
        that had arrived before has been returned.
        """
        while not self._unread:
            if self._remainder is not None:
                return self._read_remainder()
            if self._reading is FINISHED:
                return b""
            if self._ended is not None:
                raise ConnectionEnded from self._ended
            if self._reading is _PAUSED:
                self._resume()
            self._reader = fiber.running
            self._read_deadline = deadline
            try:
                await PARKED
            finally:
                self._reader = None
                self._read_deadline = NEVER
            arrived = self._arrived
            if arrived is not None:
                self._arrived = None
                return arrived
        # Several segments are many small ones: joining costs less than a turn for each.
        data = self._unread[0] if len(self._unread) == 1 else b"".join(self._unread)
        self._unread.clear()
        self._unread_bytes = 0
        if self._reading is _PAUSED and self._ended is None:
            # Now, not when the next read waits: on a connection that goes idle, surplus bytes would go unnoticed.
            self._resume()
        return data

    def push_back(self, data: bytes) -> None:
        """Let `data`, which was read, be the next to be read."""
        self._unread.insert(0, data)
        self._unread_bytes += len(data)

    def set_read_deadline(self, deadline: float) -> None:
        """Give a read that is under way until `deadline`."""
        if self._reader is not None:
            self._read_deadline = deadline

    def interrupt_reader(self, error: Exception) -> None:
        """Raise `error` in the fiber that waits to read, if one does."""
        if self._reader is not None:
            self._reader.resume(error=error)

    def has_unread(self) -> bool:
        """Whether a read would return at once."""
        return bool(self._unread) or self._reading is FINISHED or self._ended is not None

    def has_arrived(self) -> bool:
        """Whether a read would return at once, or the kernel holds bytes that the loop has not read: a system call."""
        return self.has_unread() or sockets.unread_bytes(self.transport.get_extra_info("socket")) > 0

    @property
    def ended_by(self) -> BaseException | None:
        """What ended the connection; None while it is open."""
        return self._ended

    @property
    def at_eof(self) -> bool:
        """Whether the peer has ended its side."""
        return self._reading is FINISHED or self._ended is not None

    def _break(self, error: OSError) -> None:
        """The connection broke. What its peer had sent before that is still to be read."""
        self._note_untaken()
        raw = self.transport.get_extra_info("socket")
        if raw is None or self._reading is FINISHED or self._close_deadline != NEVER:
            return
        self._remainder = Remainder(raw, error)
        if first := self._decoded(self._remainder.first):
            self._unread.append(first)
            self._unread_bytes += len(first)
        if not self._remainder.has_more:
            self._drop_remainder()

    def _read_remainder(self) -> bytes:
        assert self._remainder is not None
        while data := self._remainder.next():
            if decoded := self._decoded(data):
                return decoded
        self._drop_remainder()
        if self._reading is not FINISHED:
            raise ConnectionEnded from self._ended
        return b""

    def _decoded(self, data: bytes) -> bytes:
        """What the peer has said by what the kernel held: over plain TCP, just that."""
        return data

    def _ended_cleanly(self) -> bool:
        """Whether the peer ended its side properly before the connection broke."""
        return self._remainder is not None and self._remainder.ended_cleanly

    def _drop_remainder(self) -> None:
        if self._remainder is not None:
            self._remainder.drop()
            if self._ended_cleanly():
                self._reading = FINISHED
            self._remainder = None
            self._deadlines.streams.discard(self)

    def give_up(self) -> None:
        """Opening it has failed, and the loop closes what there is of it: uvloop may still call
        `connection_made`, and then never calls `connection_lost`."""
        self._ended = self._ended or ConnectionEnded()
        self._deadlines.streams.discard(self)

    # -- ending --------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Close once everything written has been sent; reset where the peer stops taking it. What has not been read is
        lost: see `closing` for gentler ways."""
        self._drop_remainder()
        if self._ended is None and not self.transport.is_closing():
            self._close_deadline = self.time() + CLOSE_S
            self.forget_taken()
            self.transport.close()

    def abort(self) -> None:
        """Close at once; what is unsent is lost. A fiber that waits is resumed by `connection_lost`."""
        self._drop_remainder()
        if self._ended is None:
            self._ended = ConnectionEnded()
            self.transport.abort()

    def reset(self) -> None:
        """Close at once with RST: a peer that reads until close must not take this for a proper end."""
        raw = self.transport.get_extra_info("socket")
        if raw is not None and self._ended is None:
            self._note_untaken()
            sockets.reset_on_close(raw)
        self.abort()

    def cut(self) -> None:
        """Close at once, and wait for nobody: by a reset, unless the connection is closing already and the kernel has
        all that was written."""
        if not self.transport.is_closing() or self.transport.get_write_buffer_size():
            self.reset()

    # -- deadlines -----------------------------------------------------------------------------------------------

    @property
    def next_deadline(self) -> float:
        """The loop time at which something on this stream is overdue."""
        if self.is_unwatched:
            return 0.0  # every sweep looks
        return min(self._read_deadline, self._write_deadline, self._close_deadline, self.alarm_at)

    def expire(self, now: float) -> None:
        """Raise TimeoutError in the fibers whose deadline has passed, and do what else is due."""
        if self._read_deadline < now and self._reader is not None:
            self._reader.resume(error=TimeoutError())
        if self._write_deadline < now and self._writer is not None:
            self._writer.resume(error=TimeoutError())
        if self._close_deadline < now:
            if self.has_taken_more():
                self._close_deadline = now + CLOSE_S
            else:
                self.reset()
        if self.owner is None:
            return
        if self.is_unwatched and self._ended is None:
            end = sockets.peer_end(self.transport.get_extra_info("socket"))
            if end is not None:
                self.owner.peer_ended(end)
        if self.alarm_at < now:
            self.alarm_at = NEVER
            self.owner.alarm()
