"""How many file descriptors this process may open, and whether that is enough to start."""

import contextlib
import os
import resource
from typing import Final

from proxy.process.listeners import CannotStart

_OF_WORKER: Final = 10  # event loop and its wake-up pair, access log, name lookup; and one client with its upstream
_OF_PARENT: Final = 6  # wake-up pair, a probe for each address, a file that is read


def raise_limit() -> None:
    """Take as many descriptors as we may: a soft limit of 1,024, which many systems set, is 500 clients."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def require(workers: int, addresses: int) -> None:
    """Raise CannotStart where the limit leaves no room to serve even one client."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = _open_now() + workers * (addresses + 2) + _OF_PARENT + _OF_WORKER
    if limit < needed:
        workers_need = "1 worker needs" if workers == 1 else f"{workers} workers need"
        raise CannotStart(
            f"too few file descriptors: the limit is {limit} (ulimit -n); {workers_need} {needed} to start, and 2 more "
            "for each client at once"
        )


def _open_now() -> int:
    with contextlib.suppress(OSError):
        return len(os.listdir("/proc/self/fd"))
    return 3
