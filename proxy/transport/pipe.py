"""A pipe between two connections, through which the kernel moves bytes that this process never sees: splice(2), which
Linux has."""

import contextlib
import fcntl
import os
from typing import TYPE_CHECKING, Final

from proxy.transport.sockets import LoopSocket

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike

#: Whether this system has it.
IS_KNOWN: Final = hasattr(os, "splice")
#: Descriptors of one pipe: both of its ends, and another one for each connection, since an event loop takes no second
#: callback for one that a transport has.
DESCRIPTORS: Final = 4
#: What a pipe is asked to hold: with more, moving 10 MB gets hardly cheaper.
_PIPE_BYTES: Final = 262_144
_SET_PIPE_SIZE: Final = getattr(fcntl, "F_SETPIPE_SZ", 1031)  # where Python has no name for it


class Pipe:
    """One pipe. `source` and `sink` are what an event loop watches for it."""

    __slots__ = ("_ends", "_from", "_to", "held_bytes", "sink", "source")

    def __init__(self, source: LoopSocket, sink: LoopSocket) -> None:
        """Raises OSError: there are no descriptors left."""
        self.held_bytes = 0
        with contextlib.ExitStack() as made:
            self._from = os.dup(source.fileno())
            made.callback(os.close, self._from)
            self._to = os.dup(sink.fileno())
            made.callback(os.close, self._to)
            self._ends = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
            made.pop_all()
        # To compiled code an `int` would be a number, and no simulated descriptor.
        self.source: FileDescriptorLike = self._from
        self.sink: FileDescriptorLike = self._to
        with contextlib.suppress(OSError):  # its user's pipes are too large together (pipe(7)): it holds less
            fcntl.fcntl(self._ends[1], _SET_PIPE_SIZE, _PIPE_BYTES)

    def fill(self, most: int) -> int:
        """Move up to `most` bytes from the source into the pipe, which is empty; 0: the source has ended.

        Raises OSError (BlockingIOError: there is nothing)."""
        self.held_bytes = moved = os.splice(self._from, self._ends[1], min(most, _PIPE_BYTES))
        return moved

    def empty(self) -> None:
        """Move what it holds to the sink. Raises OSError (BlockingIOError: the sink takes no more for now)."""
        while self.held_bytes:
            self.held_bytes -= os.splice(self._ends[0], self._to, self.held_bytes)

    def close(self) -> bytes:
        """Close its descriptors; return what it holds."""
        held = os.read(self._ends[0], self.held_bytes) if self.held_bytes else b""
        for descriptor in (self._from, self._to, *self._ends):
            os.close(descriptor)
        return held
