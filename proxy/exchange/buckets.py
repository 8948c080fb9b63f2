"""The buckets of rate limits, one table for all workers: memory that the parent makes before it forks.

The table has a fixed size, however many clients there are. A keyed hash assigns each key to a set of eight places, so
that nobody can choose keys that collide. If all eight are taken, the bucket that will be full soonest is replaced: its
owner loses the least.
"""

import contextlib
import fcntl
import hashlib
import mmap
import os
import secrets
import tempfile
from time import monotonic
from typing import Final

from proxy.policy.rate_limit import RateLimit, take_token

_SETS: Final = 8_192
_PLACES: Final = 8  # of a set: two numbers each, a tag and a time
_SET_BYTES: Final = 16 * _PLACES
#: How long to wait for a lock: it is held for microseconds, unless its holder was stopped or lost its processor.
_PATIENCE_S: Final = 0.003


class Buckets:
    """The tokens left for each key, in `sets` of eight places. A set that another worker has locked is waited for
    `patience_s` at most."""

    def __init__(self, sets: int = _SETS, patience_s: float = _PATIENCE_S) -> None:
        self._sets = sets
        self._patience_s = patience_s
        self._secret = secrets.token_bytes(16)
        self._memory = memoryview(mmap.mmap(-1, sets * _SET_BYTES)).cast("Q")
        self._locks = _anonymous_file()  # empty: the kernel locks bytes beyond the end, too, here one for each set

    def close(self) -> None:
        """Release the memory and the lock file."""
        self._memory.release()
        os.close(self._locks)

    def take(self, key: bytes, limit: RateLimit, now: int, *, only_look: bool = False) -> int:
        """Take a token for `key` at `now` (monotonic nanoseconds), or only look whether there is one. Returns 0 if
        there is, else the nanoseconds until there is."""
        digest = hashlib.blake2b(key, key=self._secret, digest_size=16).digest()
        place = int.from_bytes(digest[:8], "little") % self._sets
        tag = int.from_bytes(digest[8:], "little") or 1  # 0 is an empty place
        held = self._lock(place)
        try:
            return self._take(place * 2 * _PLACES, tag, limit, now, only_look=only_look)
        finally:
            if held:
                fcntl.lockf(self._locks, fcntl.LOCK_UN, 1, place)

    def _take(self, start: int, tag: int, limit: RateLimit, now: int, *, only_look: bool) -> int:
        cells = self._memory[start : start + 2 * _PLACES].tolist()
        tags, times = cells[::2], cells[1::2]
        if tag in tags:
            found = tags.index(tag)
            full_at = times[found]
        else:
            found, full_at = times.index(min(times)), 0  # of an empty place, the time is 0
        after, wait_ns = take_token(full_at, now, limit)
        if not wait_ns and not only_look:
            self._memory[start + 2 * found], self._memory[start + 2 * found + 1] = tag, after
        return wait_ns

    def _lock(self, place: int) -> bool:
        """Lock a set against other workers; return whether that succeeded. The kernel unlocks it if a worker is killed.
        Without the lock, two workers may take the same token: better than waiting for one that was stopped."""
        give_up_at = 0.0
        while True:
            try:
                fcntl.lockf(self._locks, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
            except OSError:
                now = monotonic()
                give_up_at = give_up_at or now + self._patience_s
                if now >= give_up_at:
                    return False
                os.sched_yield()
            else:
                return True


def _anonymous_file() -> int:
    """A file without a name."""
    with contextlib.suppress(OSError, AttributeError):  # some systems have none
        return os.memfd_create("onehop-locks")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
