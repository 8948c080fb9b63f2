"""Files that a configuration names, and that are no pipes: reading one would wait for ever for whoever writes into it,
and find nothing in it at a reload."""

import errno
import os
import stat
from pathlib import Path


def read_regular(path: str | Path, most_bytes: int = -1) -> bytes:
    """The first bytes of a file, or all of it. Raises OSError, also for what is no regular file."""
    require_regular(path)
    with open(path, "rb", opener=_without_waiting) as file:  # it may be a pipe by now
        return file.read(most_bytes) or b""


def require_regular(*paths: str | Path) -> None:
    """Raises OSError where one of these is not there, or is no regular file; "" is passed over."""
    for path in paths:
        if not path:
            continue
        mode = os.stat(path).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "it is not a regular file")


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)
