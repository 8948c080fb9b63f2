"""systemd: sockets that it passes (sd_listen_fds(3)), and the state that it is sent (sd_notify(3)).

Without systemd, its variables are not set, and nothing happens here.
"""

import contextlib
import os
import socket
import time
from typing import Final

_FIRST_FD: Final = 3


def passed_sockets() -> list[socket.socket]:
    """The listening sockets that systemd has bound for this process. It keeps them open over a restart, with the
    connections in their queues."""
    if os.environ.pop("LISTEN_PID", "") != str(os.getpid()):
        return []
    count = os.environ.pop("LISTEN_FDS", "")
    os.environ.pop("LISTEN_FDNAMES", None)
    found = []
    for fd in range(_FIRST_FD, _FIRST_FD + (int(count) if count.isdecimal() else 0)):
        with contextlib.suppress(OSError):  # not a socket
            passed = socket.socket(fileno=fd)
            passed.set_inheritable(False)
            passed.setblocking(False)
            if passed.type == socket.SOCK_STREAM:
                found.append(passed)
    return found


def notify(state: str) -> None:
    """Tell the service manager, if there is one. Never waits."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
        sender.setblocking(False)
        sender.sendto(state.encode(), "\0" + address[1:] if address.startswith("@") else address)


def notify_reloading() -> None:
    """A reload begins; `READY=1` ends it (Type=notify-reload)."""
    notify(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")


def watchdog_s() -> float:
    """The seconds between two `WATCHDOG=1`, half of what systemd allows; 0: never."""
    micros, pid = os.environ.get("WATCHDOG_USEC", ""), os.environ.get("WATCHDOG_PID", "")
    if not micros.isdecimal() or pid not in ("", str(os.getpid())):
        return 0.0
    return int(micros) / 2_000_000
