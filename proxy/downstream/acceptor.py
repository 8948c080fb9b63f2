"""Accepting connections, and leaving them in the kernel's queue while there is no room for them.

The event loops' own servers empty that queue at once. Without a free descriptor, libuv then closes each newcomer, and
asyncio reports the same failure thousands of times. So connections are accepted here.
"""

import asyncio
import errno
import select
import socket
from collections.abc import Callable, Iterable
from typing import Final

_PER_TURN: Final = 64  # of one socket, before others have a turn of the loop
_SHORTAGE: Final = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


class Acceptor:
    """The listening sockets on which a worker accepts. `take` is given each connection."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        take: Callable[[socket.socket, socket.socket], None],
        may_accept: Callable[[socket.socket], bool],
        on_shortage: Callable[[OSError], None],
    ) -> None:
        self._loop = loop
        self._take = take  # what was accepted, and on which socket
        self._may_accept = may_accept  # asked before each accept
        self._on_shortage = on_shortage  # descriptors or memory: `may_accept` could not know
        self._listening: list[socket.socket] = []
        self._at_once = 1
        self.is_paused = False

    def listen(self, sockets: Iterable[socket.socket]) -> None:
        """Accept on these, too."""
        for listening in sockets:
            listening.setblocking(False)
            self._listening.append(listening)
            if not self.is_paused:
                self._loop.add_reader(listening, self._accept_from, listening)

    def close(self, sockets: Iterable[socket.socket]) -> None:
        """Accept no more on these, and close them."""
        for listening in sockets:
            if listening in self._listening:
                self._listening.remove(listening)
                self._loop.remove_reader(listening)
            listening.close()

    def pause(self) -> None:
        """Leave new connections in the queue."""
        if not self.is_paused:
            self.is_paused = True
            for listening in self._listening:
                self._loop.remove_reader(listening)

    def resume(self) -> None:
        """Accept again, from the next turn of the loop on."""
        if self.is_paused:
            self.is_paused = False
            for listening in self._listening:
                self._loop.add_reader(listening, self._accept_from, listening)

    def somebody_waits(self) -> bool:
        """Whether there is a connection to accept."""
        return any(map(has_waiting, self._listening))

    def shut_down(self) -> None:
        """Close the sockets, and serve every connection in their queues, as long as there are descriptors: the kernel
        resets those that are left in a queue."""
        for listening in list(self._listening):
            waiting: list[socket.socket] = []
            self._loop.remove_reader(listening)
            while True:
                try:
                    waiting.append(listening.accept()[0])
                except ConnectionAbortedError:
                    continue  # that one has ended already: others may stand behind it
                except OSError:  # BlockingIOError: the queue is empty
                    break
            self.close([listening])  # before they are served: whoever connects meanwhile would be reset
            for accepted in waiting:
                self._take(accepted, listening)

    def _accept_from(self, listening: socket.socket) -> None:
        # After a single connection, accept is not called again only to find the queue empty: that costs as much.
        for _ in range(self._at_once):
            if not self._may_accept(listening):
                return
            try:
                accepted, _ = listening.accept()
            except BlockingIOError:
                self._at_once = 1
                return
            except OSError as exc:  # other errors: the connection has ended already, accept(2)
                if exc.errno in _SHORTAGE:
                    self._on_shortage(exc)
                    return
            else:
                self._take(accepted, listening)
        self._at_once = min(2 * self._at_once, _PER_TURN)


def has_waiting(listening: socket.socket) -> bool:
    """Whether a connection waits in the queue of a listening socket."""
    poller = select.poll()
    poller.register(listening, select.POLLIN)
    return bool(poller.poll(0))
