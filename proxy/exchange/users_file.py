"""A file of users and their passwords, read again when it changes."""

import os
from collections.abc import Callable
from typing import Final

from proxy.policy.basic_auth import Users, parse_users

_LOOK_AGAIN_S: Final = 1.0  # at the file, when it is asked for
_MOST_BYTES: Final = 1 << 20


def read_users(path: str) -> Users:
    """Read an htpasswd file. Raises OSError, and ValueError where it holds no users, or what is none."""
    with open(path, "rb") as file:
        content = file.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise ValueError(f"1: the file is larger than {_MOST_BYTES} bytes")
    return parse_users(content)


class UsersFile:
    """The users of one file. It is read again when it changes; a broken one leaves those of before."""

    def __init__(self, path: str, report: Callable[[str], None]) -> None:
        self._path = path
        self._report = report
        self._looked_at: object = None
        self._look_at = 0.0
        self.users = Users({})  # where the file cannot be read: nobody

    def look(self, now: float) -> bool:
        """Read the file where it has changed, at most once a second; return whether there are other users now."""
        if now < self._look_at:
            return False
        self._look_at = now + _LOOK_AGAIN_S
        try:
            found = os.stat(self._path)
            version = (found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino, found.st_dev)
            if version == self._looked_at:
                return False
            self._looked_at = version
            self.users = read_users(self._path)
        except OSError as exc:
            self._say(exc.strerror or "cannot be read")
        except ValueError as exc:
            self._say(str(exc))
        else:
            return True
        return False

    def _say(self, problem: str) -> None:
        kept = "the users of before are let in" if self.users.hashes else "nobody is let in"
        self._report(f"{self._path}: {problem}; {kept}")
