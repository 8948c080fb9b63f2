"""Moves bytes from one connection to another within the kernel (splice(2)): a large body takes half the CPU."""

import errno
from collections.abc import Callable
from typing import Final

from proxy.transport.owner import SinkBlocked
from proxy.transport.pipe import Pipe
from proxy.transport.stream import Stream

_TURN_BYTES: Final = 1_048_576  # moved before other connections have a turn
#: The kernel cannot splice (gVisor), must not (seccomp), or has no memory for it: then bytes are read and written.
_UNAVAILABLE: Final = frozenset(
    {errno.EINVAL, errno.ENOSYS, errno.EPERM, errno.EOPNOTSUPP, errno.ENOMEM, errno.ENOBUFS}
)


def is_possible(source: Stream, sink: Stream) -> bool:
    """Whether bytes can go from one to the other within the kernel: both are plain, and not too many do so now."""
    shared = source.deadlines
    return type(source) is Stream and type(sink) is Stream and shared.splices < shared.most_splices


class Splice:
    """Moves a number of bytes from one stream to another, while a fiber waits to read from the source, and nobody
    writes to the sink. Once they are moved, or where the splice ends before, the event loop reads the source again."""

    __slots__ = ("_arrived", "_deadline", "_is_blocked", "_left", "_pipe", "_sink", "_source", "is_over")

    def __init__(
        self, source: Stream, sink: Stream, count: int, arrived: Callable[[int], object], deadline: Callable[[], float]
    ) -> None:
        """Move `count` bytes. `arrived` is called with the number of bytes of each move; `deadline` says by when the
        next are due (loop time). Raises OSError: there are no descriptors left."""
        self._pipe = Pipe(source.transport.get_extra_info("socket"), sink.transport.get_extra_info("socket"))
        self._source = source
        self._sink = sink
        self._left = count
        self._arrived = arrived
        self._deadline = deadline
        self._is_blocked = False  # the sink takes no more for now
        self.is_over = False  # the event loop reads the source again
        source.deadlines.splices += 1
        source.hand_over_reading()

    def go_on(self) -> None:
        """Move what arrives, from now on. The fiber that waits to read then gets SinkBlocked, TimeoutError, or what
        comes behind the last of these bytes."""
        if not self.is_over:
            self._source.deadlines.loop.add_reader(self._pipe.source, self._source_is_ready)

    def end(self) -> None:
        """Move no more. What is in the pipe goes to the sink; one that took no more stays marked as slow. Calling it
        twice does no harm."""
        if self.is_over:
            return
        self.is_over = True
        source, sink, pipe = self._source, self._sink, self._pipe
        shared = source.deadlines
        shared.splices -= 1
        shared.loop.remove_reader(pipe.source)
        shared.loop.remove_writer(pipe.sink)
        held = pipe.close()
        if held:
            sink.write_or_note_untaken(held)
        source.take_reading_back()

    # -- what the loop calls -------------------------------------------------------------------------------------

    def _source_is_ready(self) -> None:
        moved = 0
        while self._left and moved < _TURN_BYTES:
            try:
                taken = self._pipe.fill(self._left)
            except BlockingIOError:
                if moved:
                    break
                self.end()  # ready, and nothing to move: at urgent data, which reading skips, that would be for ever
                return
            except OSError as error:
                self._failed(self._source, error)
                return
            if not taken:
                self.end()  # the event loop will read the end of the source, and tell of it
                return
            moved += taken
            self._left -= taken
            self._arrived(taken)
            if not self._empty_pipe():
                return
        if not self._left:
            self.end()
        elif moved >= _TURN_BYTES:
            # Anew, as uvloop calls only once where the connection has been reset, and what came before is unread.
            loop = self._source.deadlines.loop
            loop.remove_reader(self._pipe.source)
            loop.call_soon(self.go_on)
        self._source.set_read_deadline(self._deadline())

    def _sink_is_ready(self) -> None:
        if self._empty_pipe():
            self._source.deadlines.loop.remove_writer(self._pipe.sink)
            self._is_blocked = False
            self._sink.resume_writing()

    def _empty_pipe(self) -> bool:
        """Give the sink what is in the pipe; return whether that was all."""
        pipe = self._pipe
        held = pipe.held_bytes
        try:
            pipe.empty()
        except BlockingIOError:
            self._sink.note_moved(held - pipe.held_bytes)
            self._await_sink()
            return False
        except OSError as error:
            self._failed(self._sink, error)
            return False
        self._sink.note_moved(held)
        return True

    def _await_sink(self) -> None:
        if not self._is_blocked:
            self._is_blocked = True
            loop = self._source.deadlines.loop
            loop.remove_reader(self._pipe.source)
            loop.add_writer(self._pipe.sink, self._sink_is_ready)
            self._sink.pause_writing()
            self._source.interrupt_reader(SinkBlocked())

    def _failed(self, stream: Stream, error: OSError) -> None:
        """The kernel refuses to splice, or has reported a broken connection: only once, so the loop never learns it."""
        if error.errno in _UNAVAILABLE:
            self._source.deadlines.most_splices = 0
            if self._is_blocked:
                self._sink.resume_writing()
            self.end()
        elif stream is self._source:
            self.end()
            stream.fail(error)
        else:
            stream.fail(error)
            if not self.is_over:  # it is over where whoever was told of the break has ended the exchange
                self.end()
                self._source.interrupt_reader(SinkBlocked())  # waiting for the sink, the fiber learns that it is gone
