"""Writes lines to a descriptor in a thread: a slow terminal or a full pipe never blocks the event loop."""

import errno
import os
import queue
import select
import stat
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

_BATCHES_WAITING: Final = 256  # some 16 MiB; beyond that, lines are dropped
_PIPE_BYTES: Final = 4096  # PIPE_BUF: workers share a pipe, and up to this size their lines do not mix
#: In a file the lines of workers never mix, and fewer calls cost less.
_FILE_BYTES: Final = 65_536
_RETRY_S: Final = 1.0


def open_file(path: str) -> int:
    """Open a file to add lines to; several processes may. Raises OSError, for a named pipe that nobody reads, too:
    waiting for its reader would stop the event loop."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
    return os.open(path, flags, 0o640)


class Batch(NamedTuple):
    """Whole lines. If `dropped` is not 0, the first of them says that so many were dropped before."""

    lines: bytes
    dropped: int = 0


class LineWriter:
    """Writes batches of whole lines, in order."""

    def __init__(self, fd: int, on_failure: Callable[[OSError], None]) -> None:
        """`on_failure` is called, in another thread, when lines cannot be written: once until some were."""
        self._fd = fd
        self._at_a_time = _bytes_at_a_time(fd)
        self._on_failure = on_failure
        self._fails = False
        self._batches: queue.Queue[Batch | int | None] = queue.Queue(_BATCHES_WAITING)
        self._at_once: deque[int] = deque()  # descriptors to switch to before anything else is written
        self._cut_a_line = False  # the last write ended within a line
        self.unwritten: deque[int] = deque()  # how many lines could not be written, in portions
        self.has_reader = True
        self._thread = threading.Thread(target=self._write_batches, name="access-log", daemon=True)
        self._thread.start()

    def put(self, batch: Batch, patience_s: float) -> bool:
        """Queue a batch; False where there was no room within `patience_s`."""
        try:
            self._batches.put(batch, block=patience_s > 0, timeout=patience_s)
        except queue.Full:
            return False
        return True

    def go_on_in(self, fd: int) -> None:
        """Write what is taken from now on to another descriptor, and close the old one. Where the queue is full,
        because the old file filled its disk, earlier batches go to the new one, too."""
        try:
            self._batches.put_nowait(fd)
        except queue.Full:
            self._at_once.append(fd)

    def close(self, patience_s: float) -> None:
        """Write what was taken, for at most `patience_s` in all."""
        ends_at = time.monotonic() + patience_s
        try:
            self._batches.put(None, timeout=patience_s)
        except queue.Full:
            return
        self._thread.join(max(ends_at - time.monotonic(), 0.0))

    def _write_batches(self) -> None:
        while (batch := self._batches.get()) is not None:
            while self._at_once:
                self._replace(self._at_once.popleft())
            if isinstance(batch, int):
                self._replace(batch)
                continue
            if not self._write_batch(batch):
                return

    def _write_batch(self, batch: Batch) -> bool:
        """Whether there is anybody to write for."""
        lines, start = batch.lines, 0
        if self._cut_a_line:
            lines = b"\n" + lines  # else the next line would be appended to the part of the last one
        while start < len(lines):
            end = lines.rfind(b"\n", start, start + self._at_a_time) + 1 or lines.find(b"\n", start) + 1
            try:
                start += os.write(self._fd, lines[start:end])
                self._cut_a_line = lines[start - 1 : start] != b"\n"
            except BlockingIOError:  # another process made the pipe non-blocking, and it is full
                select.select([], [self._fd], [], _RETRY_S)
            except OSError as exc:
                self.has_reader = exc.errno not in (errno.EPIPE, errno.EBADF)  # else serving goes on without a log
                if not self._fails:
                    self._fails = True
                    self._on_failure(exc)
                if self.has_reader:
                    # A full disk, for example: the rest of this batch is dropped, and the next one is tried.
                    taken = batch.lines.count(b"\n")
                    unwritten = min(lines.count(b"\n", start), taken)  # the line end that was put in front is no line
                    if batch.dropped and unwritten == taken:
                        unwritten += batch.dropped - 1
                    self.unwritten.append(unwritten)
                    time.sleep(_RETRY_S)
                return self.has_reader
        self._fails = False
        return True

    def _replace(self, fd: int) -> None:
        os.close(self._fd)
        self._fd, self._at_a_time, self._cut_a_line = fd, _bytes_at_a_time(fd), False


def _bytes_at_a_time(fd: int) -> int:
    try:
        return _FILE_BYTES if stat.S_ISREG(os.fstat(fd).st_mode) else _PIPE_BYTES
    except OSError:  # nothing can be written to it, either
        return _PIPE_BYTES
