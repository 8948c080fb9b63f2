"""How the parent notices that a child's event loop is blocked, and learns where."""

import asyncio
import contextlib
import faulthandler
import mmap
import os
import signal
from typing import Final

#: Makes a child dump its stack, even while its event loop or the interpreter hangs.
STACK_SIGNAL: Final = signal.SIGUSR2
_LONGEST_S: Final = 1.0
_LINES: Final = 25  # the innermost frames
_BYTES: Final = 16_384


def beat_s(stall_s: float) -> float:
    """The time between two beats, and between two looks at them."""
    return min(_LONGEST_S, stall_s / 4)


class Heartbeat:
    """A count in shared memory, which a process raises as long as its event loop runs."""

    def __init__(self) -> None:
        self._count = memoryview(mmap.mmap(-1, 8)).cast("Q")

    @property
    def count(self) -> int:
        """How often it has beaten."""
        return self._count[0]

    def keep_beating(self, loop: asyncio.AbstractEventLoop, stall_s: float) -> None:
        """Beat now, and a few times in every `stall_s`."""
        self._count[0] += 1
        loop.call_later(beat_s(stall_s), self.keep_beating, loop, stall_s)


class StackFile:
    """Memory into which a child dumps its stack when it hangs or crashes, for the parent to read."""

    def __init__(self) -> None:
        self._fd: int | None = None
        with contextlib.suppress(OSError, AttributeError):  # some systems have no such file
            self._fd = os.memfd_create("onehop-stack")

    def clear(self) -> None:
        """Forget what the last child wrote."""
        if self._fd is not None:
            os.ftruncate(self._fd, 0)
            os.lseek(self._fd, 0, os.SEEK_SET)

    def write_on_demand(self) -> None:
        """In the child: write the stack at STACK_SIGNAL, and before a fatal signal ends the process."""
        file = 2 if self._fd is None else self._fd
        faulthandler.enable(file, all_threads=False)
        faulthandler.register(STACK_SIGNAL, file, all_threads=False, chain=False)

    def lines(self) -> list[str]:
        """In the parent: what was written, the innermost frame first."""
        if self._fd is None:
            return []
        return os.pread(self._fd, _BYTES, 0).decode("utf-8", "replace").splitlines()[:_LINES]

    def close(self) -> None:
        """Give the memory back."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
