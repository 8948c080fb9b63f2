"""What becomes of connections in the kernel's queue as a worker stops."""

import asyncio
import contextlib
import errno
import socket

from proxy.downstream.acceptor import Acceptor


class Unsteady(socket.socket):
    """A listening socket, of whose first connection the kernel says that it has been aborted."""

    has_failed = False

    def accept(self) -> tuple[socket.socket, object]:
        if not self.has_failed:
            self.has_failed = True
            raise OSError(errno.ECONNABORTED, "Software caused connection abort")
        return super().accept()


async def test_a_connection_that_was_aborted_in_the_queue_costs_none_behind_it() -> None:
    taken: list[socket.socket] = []
    acceptor = Acceptor(
        asyncio.get_running_loop(),
        take=lambda accepted, _: taken.append(accepted),
        may_accept=lambda _: False,
        on_shortage=lambda _: None,
    )
    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(Unsteady())
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        acceptor.listen([listening])
        for _ in range(2):
            stack.enter_context(socket.create_connection(listening.getsockname()))
        acceptor.shut_down()
        for accepted in taken:
            accepted.close()
    assert len(taken) == 2
