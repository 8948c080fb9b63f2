"""A full-screen terminal, which is restored however the command ends."""

import contextlib
import os
import select
import shutil
import signal
import socket
import sys
import termios
import tty
from collections.abc import Sequence
from types import FrameType
from typing import Any, Final, NoReturn

from proxy.cli.figures import Row, Tone

_ENTER: Final = "\x1b[?1049h\x1b[?25l"  # the alternate screen, without a cursor
_LEAVE: Final = "\x1b[?25h\x1b[?1049l"
_TONES: Final = {Tone.TITLE: "\x1b[1m", Tone.BAD: "\x1b[31m"}
#: Signals that would end the program without restoring the terminal. For SIGINT, Python raises KeyboardInterrupt.
_ENDING: Final = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


class Screen:
    """A context manager that takes over the terminal, and restores it. For the main thread only."""

    def __init__(self) -> None:
        self._input = sys.stdin.fileno() if sys.stdin.isatty() else None
        self._before: list[Any] | None = None
        self._woken, self._wake = socket.socketpair()
        self._handlers: dict[int, Any] = {}

    def __enter__(self) -> "Screen":
        self._woken.setblocking(False)
        self._wake.setblocking(False)
        self._handlers = {number: signal.signal(number, self._end) for number in _ENDING}
        self._handlers[signal.SIGINT] = signal.getsignal(signal.SIGINT)
        self._handlers[signal.SIGTSTP] = signal.signal(signal.SIGTSTP, self._suspend)
        self._handlers[signal.SIGWINCH] = signal.signal(signal.SIGWINCH, lambda *_: None)
        signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        try:
            self._take()
        except BaseException:  # a signal came meanwhile, and `with` would not call __exit__
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for number in self._handlers:
            signal.signal(number, signal.SIG_IGN)  # a second Ctrl-C must not interrupt this
        try:
            self._give_back()
        finally:
            signal.set_wakeup_fd(-1)
            for number, handler in self._handlers.items():
                signal.signal(number, handler)
            self._woken.close()
            self._wake.close()

    @property
    def columns(self) -> int:
        """The width of the terminal now."""
        return shutil.get_terminal_size().columns

    def draw(self, rows: Sequence[Row]) -> None:
        """Show these rows, and how many do not fit."""
        height = shutil.get_terminal_size().lines
        shown = list(rows)
        if len(shown) > height:
            more = f"{len(shown) - height + 1} more lines: enlarge the window"
            shown = [*shown[: height - 1], Row(more[: self.columns])]
        lines = [f"{_TONES.get(tone, '')}{text}\x1b[0m\x1b[K" for text, tone in shown]
        sys.stdout.write("\x1b[H" + "\r\n".join(lines) + "\x1b[J")
        sys.stdout.flush()

    def wait(self, seconds: float) -> str:
        """Wait for a key, but at most so long or until the window changes its size. Return the key, or ""."""
        watched = [self._woken, *([] if self._input is None else [self._input])]
        ready, _, _ = select.select(watched, [], [], seconds)
        if self._woken in ready:
            with contextlib.suppress(BlockingIOError):
                self._woken.recv(4096)
        if self._input is None or self._input not in ready:
            return ""
        key = os.read(self._input, 16)
        return key.decode("latin-1") or "q"  # end of input: the terminal is gone

    def _take(self) -> None:
        if self._input is not None:
            self._before = termios.tcgetattr(self._input)
            tty.setcbreak(self._input, termios.TCSANOW)
        sys.stdout.write(_ENTER)
        sys.stdout.flush()

    def _give_back(self) -> None:
        with contextlib.suppress(OSError, termios.error):  # a terminal that is gone needs nothing
            sys.stdout.write(_LEAVE)
            sys.stdout.flush()
            if self._input is not None and self._before is not None:
                termios.tcsetattr(self._input, termios.TCSANOW, self._before)

    def _end(self, number: int, _: FrameType | None) -> NoReturn:
        raise SystemExit(128 + number)  # as shells report a program that was ended by a signal

    def _suspend(self, number: int, _: FrameType | None) -> None:
        """Ctrl-Z: restore the terminal and stop; after `fg`, take it over again."""
        self._give_back()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
        signal.signal(number, self._suspend)
        self._take()
