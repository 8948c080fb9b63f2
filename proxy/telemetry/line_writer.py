"""Writes lines to a descriptor in a thread: a slow terminal or a full pipe never blocks the event loop."""

import errno
import os
import queue
import select
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

_BATCHES_WAITING: Final = 256  # some 16 MiB; beyond that, lines are dropped
_ATOMIC: Final = 4096  # PIPE_BUF: workers share a pipe, and up to this size their lines do not mix
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
        while start < len(lines):
            end = lines.rfind(b"\n", start, start + _ATOMIC) + 1 or lines.find(b"\n", start) + 1
            try:
                self._write_whole(lines[start:end])
            except OSError as exc:
                self.has_reader = exc.errno not in (errno.EPIPE, errno.EBADF)  # else serving goes on without a log
                if not self._fails:
                    self._fails = True
                    self._on_failure(exc)
                if self.has_reader:
                    # A full disk, for example: the rest of this batch is dropped, and the next one is tried.
                    said_before = batch.dropped - 1 if batch.dropped and not start else 0
                    self.unwritten.append(lines.count(b"\n", start) + said_before)
                    time.sleep(_RETRY_S)
                return self.has_reader
            start = end
        self._fails = False
        return True

    def _replace(self, fd: int) -> None:
        os.close(self._fd)
        self._fd, self._cut_a_line = fd, False

    def _write_whole(self, lines: bytes) -> None:
        if self._cut_a_line:
            lines = b"\n" + lines  # else the next line would be appended to the part of the last one
        while lines:
            try:
                written = os.write(self._fd, lines)
                self._cut_a_line = lines[written - 1 : written] != b"\n"
                lines = lines[written:]
            except BlockingIOError:  # another process made the pipe non-blocking, and it is full
                select.select([], [self._fd], [], _RETRY_S)
