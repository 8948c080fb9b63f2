"""The memory of a worker: free memory is given back to the system after a peak, and a limit is watched.

glibc keeps what was freed between blocks that are still in use: after a thousand slow clients, nearly all of it. It
gives it back when asked to, which takes milliseconds; so it is asked seldom, and only after a large peak.
"""

import ctypes
import os
from collections.abc import Callable
from typing import Final

from proxy.transport.deadlines import Deadlines

_LOOK_S: Final = 1.0
_TRIM_S: Final = 10.0  # between two trims
_GROWN_BYTES: Final = 16 << 20  # trim again when this much more is resident than after the last trim,
_GONE: Final = 64  # or when this many connections have ended since
_ROOM: Final = 0.9  # of the limit: below that share, new clients are accepted again
#: glibc gives a buffer of 128 KiB and more pages of its own, and what is free at the end of the heap back to the
#: system: bodies pass in buffers of up to 256 KiB, and the kernel would clear their pages for every read anew. That was
#: half of what 10 MB over TLS cost.
_PAGES_OF_THEIR_OWN_BYTES: Final = 1 << 20
_FREE_AT_THE_END_BYTES: Final = 4 << 20
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


class Memory:
    """Checks the resident memory at sweeps of the deadlines. `on_full` is called when the limit is reached, and when
    memory has fallen below it again, with the resident bytes."""

    def __init__(self, limit_bytes: int, deadlines: Deadlines, on_full: Callable[[bool, int], None]) -> None:
        """`limit_bytes`: 0 is none."""
        self._limit_bytes = limit_bytes
        self._connections = deadlines.streams
        deadlines.on_sweep.append(self.sweep)
        self._on_full = on_full
        self._is_full = False
        self._look_at = self._trim_at = 0.0
        self._trimmed_bytes = 0  # resident, after the last trim
        self._most_connections = 0  # since then
        self._trim = _find_trim()

    def sweep(self, now: float) -> None:
        """Trim and compare with the limit, at most once a second. `now` is loop time."""
        if now < self._look_at:
            return
        self._look_at = now + _LOOK_S
        held = resident_bytes()
        self._most_connections = max(self._most_connections, len(self._connections))
        ended = self._most_connections - len(self._connections)
        if now >= self._trim_at and (held > self._trimmed_bytes + _GROWN_BYTES or ended >= _GONE):
            self._trim_at = now + _TRIM_S
            self._trim(0)
            held = self._trimmed_bytes = resident_bytes()
            self._most_connections = len(self._connections)
        if not self._limit_bytes:
            return
        is_full = held > self._limit_bytes * (_ROOM if self._is_full else 1.0)
        if is_full is not self._is_full:
            self._is_full = is_full
            self._on_full(is_full, held)


def reuse_buffers() -> bool:
    """Let the C library keep freed buffers for reuse; `Memory` gives back what stays free. Returns whether it has such
    a setting (glibc has)."""
    try:
        tell: Callable[[int, int], int] = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(tell(_M_MMAP_THRESHOLD, _PAGES_OF_THEIR_OWN_BYTES) and tell(_M_TRIM_THRESHOLD, _FREE_AT_THE_END_BYTES))


def resident_bytes() -> int:
    """The resident memory of this process; 0 where the system does not tell."""
    try:
        with open("/proc/self/statm", "rb") as statm:
            return int(statm.read().split()[1]) * _PAGE
    except OSError:
        return 0


def _find_trim() -> Callable[[int], object]:
    """glibc's malloc_trim; with other C libraries, a function that does nothing."""
    try:
        trim: Callable[[int], object] = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):
        return lambda _: 0
    return trim
