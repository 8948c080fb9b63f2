"""A pipe through which the kernel moves bytes from one connection to another: splice(2), on Linux. This process never
sees them."""

import contextlib
import fcntl
import os
from typing import TYPE_CHECKING, Final

from proxy.transport.sockets import LoopSocket

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike

#: Whether this system has splice(2).
IS_KNOWN: Final = hasattr(os, "splice")
#: Descriptors of one pipe: its two ends, and a duplicate of each connection's, since an event loop accepts no callback
#: for a descriptor that belongs to a transport.
DESCRIPTORS: Final = 4
#: The capacity that is asked for. A larger one makes moving 10 MB hardly cheaper.
_PIPE_BYTES: Final = 262_144
_SET_PIPE_SIZE: Final = getattr(fcntl, "F_SETPIPE_SZ", 1031)  # Linux's number: not every Python names it


class Pipe:
    """A pipe between two connections. `source` and `sink` are the descriptors that an event loop has to watch."""

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
        # Not typed `int`: compiled code would then refuse the simulation's descriptors, which are objects.
        self.source: FileDescriptorLike = self._from
        self.sink: FileDescriptorLike = self._to
        with contextlib.suppress(OSError):  # one user's pipes hold too much together (pipe(7)): it keeps its size
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
