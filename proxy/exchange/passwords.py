"""Checks passwords beside the event loop: bcrypt takes a tenth of a second on purpose.

A right password is remembered for a minute, by a keyed digest of name, password and hash: no password stays in memory,
and one whose hash has changed in the file is checked again. Wrong passwords are not remembered.
"""

import asyncio
import contextlib
import hashlib
import secrets
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final

from proxy.errors import LimitReached
from proxy.exchange.users_file import UsersFile

_REMEMBERED_S: Final = 60.0
_MOST_REMEMBERED: Final = 4_096
_MOST_WAITING: Final = 64  # checks: more, at a tenth of a second each, would take longer than clients wait
_TOO_MANY: Final = "too many passwords are being checked"
_THREADS: Final = 2  # bcrypt releases the GIL: more threads would take CPU time from serving requests


class Passwords:
    """The passwords of a worker's clients."""

    def __init__(self, loop: asyncio.AbstractEventLoop, report: Callable[[str], None]) -> None:
        """`report` is called with a line of text for each problem of a file."""
        self._loop = loop
        self._report = report
        self._files: dict[str, UsersFile] = {}
        self._secret = secrets.token_bytes(32)
        self._remembered: dict[bytes, float] = {}  # digest to the loop time until which it holds, the oldest first
        self._waiting: dict[bytes, list[asyncio.Future[bool]]] = {}  # for the check of a digest
        self._threads = ThreadPoolExecutor(_THREADS, "password")

    def shut_down(self) -> None:
        """Start no further check."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def are_remembered(self, path: str, name: bytes, password: bytes) -> bool:
        """Whether this was found right within the last minute."""
        now = self._loop.time()
        file = self._file(path, now)
        hashed = file.users.hashes.get(name)
        if hashed is None:
            return False
        return self._remembered.get(self._digest(path.encode(), name, password, hashed), 0.0) > now

    def _file(self, path: str, now: float) -> UsersFile:
        file = self._files.get(path)
        if file is None:
            file = self._files[path] = UsersFile(path, self._report)
        if file.look(now):
            self._remembered.clear()
        return file

    async def are_right(self, path: str, name: bytes, password: bytes) -> bool:
        """Whether this is the password of a user in the file. Raises LimitReached if too many checks wait."""
        if self.are_remembered(path, name, password):
            return True
        file = self._files[path]  # looked at just now
        hashed = file.users.hashes.get(name)
        digest = self._digest(path.encode(), name, password, hashed or b"")
        waiting = self._waiting.get(digest)
        if waiting is None:
            if len(self._waiting) >= _MOST_WAITING:
                raise LimitReached(_TOO_MANY, code="too_many_logins")
            try:
                job = self._threads.submit(_fits, password, hashed or file.users.nobody)
            except RuntimeError as exc:  # the system gives us no thread
                detail = f"no thread to check a password: {exc}"
                raise LimitReached(_TOO_MANY, detail=detail, code="too_many_logins") from exc
            waiting = self._waiting[digest] = []
            job.add_done_callback(lambda job: self._tell(digest, job, known=hashed is not None))
        # One future each: a client that leaves cancels its own, not those of others with the same password.
        answer: asyncio.Future[bool] = self._loop.create_future()
        waiting.append(answer)
        return await answer

    def _digest(self, *parts: bytes) -> bytes:
        digest = hashlib.blake2b(key=self._secret, digest_size=32)
        for part in parts:
            digest.update(b"%d:%b" % (len(part), part))
        return digest.digest()

    def _tell(self, digest: bytes, job: "Future[bool]", *, known: bool) -> None:
        """In a thread: hand a result to the loop."""
        with contextlib.suppress(RuntimeError):  # the loop has closed meanwhile: no request waits any more
            self._loop.call_soon_threadsafe(self._checked, digest, job, known)

    def _checked(self, digest: bytes, job: "Future[bool]", known: bool) -> None:
        defect = None if job.cancelled() else job.exception()
        right = defect is None and not job.cancelled() and known and job.result()
        if right:
            while len(self._remembered) >= _MOST_REMEMBERED:
                del self._remembered[next(iter(self._remembered))]
            self._remembered.pop(digest, None)
            self._remembered[digest] = self._loop.time() + _REMEMBERED_S
        for answer in self._waiting.pop(digest, ()):
            if answer.done():
                continue  # its client has left
            if defect is not None:
                answer.set_exception(defect)
            else:
                answer.set_result(right)


def _fits(password: bytes, hashed: bytes) -> bool:
    import bcrypt  # an extra: the configuration has checked that it is there

    fits: Any = bcrypt.checkpw(password, hashed)
    return bool(fits)
