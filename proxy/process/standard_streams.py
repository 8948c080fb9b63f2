"""Standard input, output and error of a process that was started without them."""

import os
import sys
from typing import Final

_STANDARD: Final = (0, 1, 2)


def open_missing() -> None:
    """Open the null device where standard input, output or error is closed, before anything else is opened.

    Else the first sockets would get these numbers: the access log would be written into a listener, and libuv aborts a
    process that closes a descriptor below 3.
    """
    for fd in _STANDARD:
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free: this one
    # For a closed stream, Python sets None; print(file=None) would write to standard output.
    if sys.stdout is None:
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115  # as long as the process lives
    if sys.stderr is None:
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115
