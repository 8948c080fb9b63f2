"""What a test must not leave behind: tasks, sockets, threads, and errors that only the loop has heard of."""

import asyncio
import contextlib
import os
import socket
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest


def _sockets() -> set[str]:
    """The TCP sockets of this process, by inode: a number is used again, an inode is not so soon. Those of other kinds
    are the loops' own, which uvloop makes when it first needs them."""
    found = set()
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):  # the folder's own descriptor is gone by now
            inode = os.readlink(f"/proc/self/fd/{name}")
            if inode.startswith("socket:"):
                with socket.fromfd(int(name), socket.AF_INET, socket.SOCK_STREAM) as copy:
                    if copy.getsockopt(socket.SOL_SOCKET, socket.SO_DOMAIN) in (socket.AF_INET, socket.AF_INET6):
                        found.add(inode)
    return found


def _threads() -> set[threading.Thread]:
    """The threads, without those of the loop's executor: the loop ends them when it is closed."""
    return {thread for thread in threading.enumerate() if not thread.name.startswith(("asyncio_", "uvloop_"))}


@pytest.fixture(autouse=True)
async def nothing_is_left_over() -> AsyncIterator[None]:
    """Fail where a test leaves a task, a socket or a thread, or an exception that nobody has retrieved."""
    loop = asyncio.get_running_loop()
    told: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: told.append(context))
    tasks, sockets, threads = asyncio.all_tasks(), _sockets(), _threads()
    yield

    def left() -> list[object]:
        running = {task for task in asyncio.all_tasks() - tasks - {asyncio.current_task()} if not task.done()}
        return [*running, *(_sockets() - sockets), *(_threads() - threads)]

    for pause_s in (0, 0, 0.01, 0.05, 0.2, 0.5):  # a transport that was closed gives its socket back a turn later
        if left():
            await asyncio.sleep(pause_s)
    loop.set_exception_handler(None)
    assert not left(), f"left over: {left()}"
    assert not told, f"the loop was told of {told}"
