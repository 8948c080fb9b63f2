"""A file of users and their passwords, read again when it changes. Times are the event loop's, in seconds."""

import os
from collections.abc import Callable
from typing import Final

from proxy.policy.basic_auth import Users, parse_users
from proxy.transport.regular_file import read_regular

_LOOK_AGAIN_S: Final = 1.0  # least time between two looks at the file
_MOST_BYTES: Final = 1 << 20


def read_users(path: str) -> Users:
    """Read an htpasswd file. Raises OSError, and ValueError where it holds no users or a malformed line."""
    content = read_regular(path, _MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise ValueError(f"1: the file is larger than {_MOST_BYTES} bytes")
    return parse_users(content)


class UsersFile:
    """The users of one file. It is read again when it changes; while it cannot be used, the previous users stay."""

    def __init__(self, path: str, report: Callable[[str], None]) -> None:
        self._path = path
        self._report = report
        self._read: object = None  # which version of the file was read last; None: read it at the next look
        self._next_look = 0.0
        self._problem = ""  # reported last, and not over
        self.users = Users({})  # nobody, until the file has been read

    def look(self, now: float) -> bool:
        """Read the file where it has changed, at most once a second; return whether there are other users now."""
        if now < self._next_look:
            return False
        self._next_look = now + _LOOK_AGAIN_S
        try:
            found = os.stat(self._path)
            version = (found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino, found.st_dev)
            if version == self._read:
                return False
            self._read = version
            self.users = read_users(self._path)
        except OSError as exc:
            self._read = None  # perhaps out of descriptors for a moment: a user removed meanwhile must not stay
            self._say(exc.strerror or "cannot be read")
        except ValueError as exc:
            self._say(str(exc))
        else:
            self._problem = ""
            return True
        return False

    def _say(self, problem: str) -> None:
        if problem == self._problem:
            return  # else one line in each second, for as long as it lasts
        self._problem = problem
        kept = "the previous users are let in" if self.users.hashes else "nobody is let in"
        self._report(f"{self._path}: {problem}; {kept}")
