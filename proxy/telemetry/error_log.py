"""The error log, on standard error: defects, warnings, start and stop.

Never waits: a message that cannot be written at once is lost, and the next one says how many were. A closed standard
error is ignored. The rate of messages is bounded, so that a fault that every request meets does not fill the disk.
"""

import contextlib
import os
import select
import socket
import stat
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from typing import Final

import msgspec

from proxy.telemetry.escaping import escape_control

STDERR: Final = 2
ATOMIC_BYTES: Final = 4096  # PIPE_BUF: a write of this size goes into a pipe whole or not at all, and does not mix
_WINDOW_S: Final = 10.0
_PER_WINDOW: Final = 20  # messages of one level
_REPEAT_S: Final = 60.0
_TEXT_SHOWN: Final = 1000
_ENCODING: Final = ("utf-8", "backslashreplace")
_FRAMES_SHOWN: Final = 12  # the innermost ones


class Level(Enum):
    """The severity of a message."""

    ERROR = "error"  # a request failed through a fault of ours
    WARNING = "warning"  # something is wrong, and serving goes on
    INFO = "info"  # start and stop: shown without its level


class _Window:
    """How many messages of one level were written lately."""

    def __init__(self) -> None:
        self.ends_at = 0.0
        self.said = 0
        self.unsaid = 0


#: The most severe first.
_LEVELS: Final = (Level.ERROR, Level.WARNING, Level.INFO)


class _Message(msgspec.Struct, omit_defaults=True):
    """A message as JSON."""

    time: str
    level: str
    message: str
    pid: int
    more: list[str] = []
    unwritten: int = 0  # messages of this level that were not written before it


class ErrorLog:
    """The error log of one process."""

    def __init__(
        self, fd: int = STDERR, clock: Callable[[], float] = time.monotonic, *, level: str = "info", form: str = "text"
    ) -> None:
        """Messages less severe than `level` are not written. `form` is "text", or "json" for one object per line."""
        self._fd = fd
        self.configure(level, form)
        self._clock = clock
        self._windows = {level: _Window() for level in Level}
        self._repeat_at: dict[str, float] = {}

    def configure(self, level: str, form: str) -> None:
        """From now on, write messages that are at least as severe as `level`, in this form."""
        self._said = _LEVELS[: _LEVELS.index(Level(level)) + 1]
        self._as_json = form == "json"

    def error(self, text: str, more: Sequence[str] = ()) -> None:
        """Log that a request failed through a fault of onehop. `more` are further lines, written indented."""
        self._say(Level.ERROR, text, more)

    def warning(self, text: str, more: Sequence[str] = ()) -> None:
        """Log a problem despite which onehop keeps serving."""
        self._say(Level.WARNING, text, more)

    def info(self, text: str) -> None:
        """Log a normal event: start and stop."""
        self._say(Level.INFO, text)

    def announce(self, lines: Sequence[str]) -> None:
        """Write the banner: in text form, these lines without any prefix."""
        if Level.INFO in self._said:
            for line in lines:
                encoded = self._encoded(Level.INFO, line, [], 0) if self._as_json else f"{line}\n".encode(*_ENCODING)
                write_at_once(self._fd, encoded[:ATOMIC_BYTES])

    def warn_once_a_minute(self, topic: str, text: Callable[[], str]) -> None:
        """Warn of what every request may cause. `topic` is from a fixed set; `text` is called only if it is written."""
        now = self._clock()
        if now >= self._repeat_at.get(topic, 0.0):
            self._repeat_at[topic] = now + _REPEAT_S
            self._say(Level.WARNING, text())

    def defect(self, defect: BaseException, where: str) -> None:
        """Log a defect of onehop with its traceback. `where` is a request's id, or what was being done."""
        shown = traceback.TracebackException.from_exception(defect, limit=-_FRAMES_SHOWN)
        lines = [line for piece in shown.format() for line in piece.rstrip("\n").split("\n")]
        said = f"defect in {where}: {type(defect).__name__}"
        self._say(Level.ERROR, said, lines)

    def _say(self, level: Level, text: str, more: Sequence[str] = ()) -> None:
        if level not in self._said:
            return
        now, window = self._clock(), self._windows[level]
        if now >= window.ends_at:
            window.ends_at, window.said = now + _WINDOW_S, 0
        if window.said >= _PER_WINDOW:
            window.unsaid += 1
            return
        window.said += 1
        if write_at_once(self._fd, self._encoded(level, text[:_TEXT_SHOWN], more, window.unsaid)):
            window.unsaid = 0
        else:
            window.unsaid += 1

    def _encoded(self, level: Level, text: str, more: Sequence[str], unwritten: int) -> bytes:
        """At most PIPE_BUF bytes."""
        if self._as_json:
            at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            text, *shown = (line[:_TEXT_SHOWN].encode(*_ENCODING).decode() for line in (text, *more))
            while True:
                message = _Message(at, level.value, text, os.getpid(), shown, unwritten)
                encoded = msgspec.json.encode(message) + b"\n"
                if len(encoded) <= ATOMIC_BYTES:
                    return encoded
                # A traceback's end says what happened: its beginning goes first.
                text, shown = (text, shown[1:]) if shown else (text[: len(text) // 2], [])
        begin = "onehop: " if level is Level.INFO else f"onehop: {level.value}: "
        lines = [begin + escape_control(text), *("  " + escape_control(line[:_TEXT_SHOWN]) for line in more)]
        if unwritten:
            lines.insert(0, f"{begin}{unwritten} more messages like these were not written")
        return _bounded(lines)


def _bounded(lines: list[str]) -> bytes:
    encoded = [line.encode(*_ENCODING) + b"\n" for line in lines]
    # A traceback's end says what happened: its beginning goes first.
    while sum(map(len, encoded)) > ATOMIC_BYTES and len(encoded) > 2:
        del encoded[1]
    return b"".join(encoded)[:ATOMIC_BYTES]


def write_at_once(fd: int, line: bytes) -> bool:
    """Write up to PIPE_BUF bytes without ever waiting. Returns whether they were taken; does not raise OSError."""
    with contextlib.suppress(OSError):
        if stat.S_ISSOCK(os.fstat(fd).st_mode):  # the journal's
            with socket.socket(fileno=os.dup(fd)) as connection:
                return connection.send(line, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL) == len(line)
        with _own_description(fd) as own:
            # Where it could not be opened anew: a pipe that can be written to takes PIPE_BUF bytes.
            writable = select.poll()
            writable.register(own, select.POLLOUT)
            return bool(writable.poll(0)) and os.write(own, line) == len(line)
    return False


@contextlib.contextmanager
def _own_description(fd: int) -> Iterator[int]:
    """`fd` opened again, non-blocking. O_NONBLOCK on `fd` itself would affect all processes that share the pipe."""
    own = fd
    if not stat.S_ISREG(os.fstat(fd).st_mode):  # opened anew, a file would be written from its start
        with contextlib.suppress(OSError):
            own = os.open(f"/proc/self/fd/{fd}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        yield own
    finally:
        if own != fd:
            os.close(own)
