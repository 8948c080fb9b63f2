"""A loop that was held up (a machine without time for it, a defect that blocks): what arrived meanwhile counts."""

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.harness.running_proxy import running_proxy
from tests.harness.scripted import OK, PATIENCE_S, client

HELD_UP_S = 1.0
GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"


@contextmanager
def answering_while_held_up(loop: asyncio.AbstractEventLoop) -> Iterator[int]:
    """A service in a thread of its own: it has answered before the loop, which it stops for a while, goes on."""

    def serve() -> None:
        connection, _ = listening.accept()
        with connection:
            connection.settimeout(PATIENCE_S)
            received = b""
            while b"\r\n\r\n" not in received:
                received += connection.recv(65_536)
            stopping.send(b"!")
            stopped.wait(PATIENCE_S)
            with contextlib.suppress(ConnectionResetError):  # where it was given up all the same
                connection.sendall(OK)
                while connection.recv(65_536):
                    pass

    def hold_up() -> None:
        loop.remove_reader(stop)
        stopped.set()
        time.sleep(HELD_UP_S)

    stopped = threading.Event()
    stop, stopping = socket.socketpair()
    with stop, stopping, socket.create_server(("127.0.0.1", 0)) as listening:
        loop.add_reader(stop, hold_up)
        listening.settimeout(PATIENCE_S)
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            thread.join(PATIENCE_S)


@pytest.mark.parametrize("ends", [True, False], ids=["a client that has ended its side", "a service with little time"])
async def test_an_answer_that_came_in_time_is_passed_on(ends: bool) -> None:
    """libuv runs timers before it looks at sockets: a deadline must not overtake the bytes that met it."""
    with answering_while_held_up(asyncio.get_running_loop()) as port:
        timeouts = {} if ends else {"response_head_s": HELD_UP_S / 2}
        async with running_proxy(port, timeouts=timeouts) as proxy, client(proxy.port) as peer:
            await peer.send(GET)
            if ends:
                peer.half_close()
            assert (await peer.response())[1] == b"ok"
