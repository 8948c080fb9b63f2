"""The end of an admin listener, whose socket another process serves on: what is on its way to it is answered."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from proxy.admin.server import AdminServer, application
from proxy.telemetry.error_log import ErrorLog
from tests.harness.scripted import PATIENCE_S, client, raw_client
from tests.harness.waiting import until
from tests.unit.admin.serving import Counts

GET = b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
CLOSES = b"\r\nconnection: close\r\n"


class Listener:
    """An admin listener on a socket that somebody else has open, too."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._kept = self._socket.dup()
        self.port: int = self._socket.getsockname()[1]
        app = application(Counts().instance, "", is_loopback=True)
        self._server = AdminServer(app, ErrorLog())

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        serving = asyncio.create_task(self._server.serve(self._socket))
        with self._kept:
            yield
            self._server.end()
            async with asyncio.timeout(PATIENCE_S):
                await serving

    async def hand_over(self) -> None:
        """Stop accepting, and tell every connection."""
        self._server.end()
        await until(lambda: self._socket.fileno() == -1)


def hold_up(for_s: float) -> None:
    """Block the event loop, as a machine without a free core does."""
    time.sleep(for_s)


@pytest.mark.parametrize("served_before", [0, 1, 2])
async def test_a_client_that_is_connected_may_ask_once_more(
    served_before: int, capsys: pytest.CaptureFixture[str]
) -> None:
    listener = Listener()
    async with listener.serving(), client(listener.port) as peer:
        for _ in range(served_before):
            await peer.send(GET)
            assert CLOSES not in (await peer.response())[0]
        await listener.hand_over()
        await peer.send(GET)
        head, body = await peer.response()
        assert CLOSES in head
        assert body == b"live\n"
        assert await peer.ended()
    assert not capsys.readouterr().err


async def test_a_request_that_arrives_while_the_loop_is_held_up_is_answered() -> None:
    listener, loop = Listener(), asyncio.get_running_loop()
    async with listener.serving(), raw_client(listener.port) as raw:
        raw.send(GET)
        received = await loop.sock_recv(raw, 65_536)
        await listener.hand_over()
        raw.send(GET)
        hold_up(1.0)
        async with asyncio.timeout(PATIENCE_S):
            while data := await loop.sock_recv(raw, 65_536):
                received += data
    assert received.count(b"HTTP/1.1 200 OK\r\n") == 2


async def test_a_client_that_is_accepted_at_the_last_moment_is_answered(capsys: pytest.CaptureFixture[str]) -> None:
    listener, loop = Listener(), asyncio.get_running_loop()
    async with listener.serving(), client(listener.port):
        await asyncio.sleep(0)
        with socket.create_connection(("127.0.0.1", listener.port)) as late:  # the loop finds it as it is told to end
            late.setblocking(False)
            await listener.hand_over()
            await loop.sock_sendall(late, GET)
            async with asyncio.timeout(PATIENCE_S):
                head = await loop.sock_recv(late, 65_536)
            assert CLOSES in head
    assert not capsys.readouterr().err


async def test_clients_that_say_nothing_are_closed_in_a_moment(capsys: pytest.CaptureFixture[str]) -> None:
    listener = Listener()
    async with listener.serving(), client(listener.port) as silent, client(listener.port) as served:
        await served.send(GET)
        await served.response()
        await listener.hand_over()
        assert await silent.some() == await served.some() == b""  # no reset
    assert not capsys.readouterr().err
