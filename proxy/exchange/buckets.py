"""The buckets of rate limits, one table for all workers: memory that the parent makes before it forks.

The table has a fixed size: whoever comes from however many addresses, it costs no more. A key has one place in a set of
eight, found by a keyed hash, so that nobody can choose keys that meet in one. Where all eight are taken, the bucket
that is full soonest gives way: its owner loses least, and is limited least until then.
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
#: For a lock that is held for some microseconds, unless its holder has been stopped or has lost its processor.
_PATIENCE_S: Final = 0.003


class Buckets:
    """Who has how many tokens left. `sets` of eight places each; another worker is waited for `patience_s` at most."""

    def __init__(self, sets: int = _SETS, patience_s: float = _PATIENCE_S) -> None:
        self._sets = sets
        self._patience_s = patience_s
        self._secret = secrets.token_bytes(16)
        self._memory = memoryview(mmap.mmap(-1, sets * _SET_BYTES)).cast("Q")
        self._locks = _anonymous_file()  # empty: a byte beyond its end can be locked for each set, all the same

    def close(self) -> None:
        """Let go of the memory."""
        self._memory.release()
        os.close(self._locks)

    def take(self, key: bytes, limit: RateLimit, now: int, *, only_look: bool = False) -> int:
        """Take a token for `key` at `now` (monotonic nanoseconds), or only look whether there is one. Returns 0, or how
        long it takes until it has one."""
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
        """Keep the other workers off a set; the kernel gives back what a worker held that was killed. Where it cannot
        be had, two workers may take the same token: better than to wait for one that was stopped."""
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
