"""The load that benchmarks and tests of reloads and kills share: it counts as lost only what was not answered."""

import asyncio
import contextlib
import socket
import struct

from tests.harness.scripted import reset
from tests.harness.steady_load import connect


async def test_an_answer_that_came_before_a_reset_is_read() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nok")
        reset(writer.transport)  # as the kernel does for a worker that is killed

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        connection = await connect(server.sockets[0].getsockname()[1])
        connection.writer.write(b"GET / HTTP/1.1\r\n\r\n")
        with contextlib.suppress(ConnectionResetError):
            await connection.writer.wait_closed()
        assert await connection.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 200 OK\r\n\r\n"
        assert await connection.reader.readexactly(2) == b"ok"
        assert connection.is_closed


async def test_a_connection_that_was_reset_while_it_was_idle_is_not_used_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        connection = await connect(listening.getsockname()[1])
        accepted, _ = listening.accept()
        assert not connection.is_closed
        accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        accepted.close()
        assert connection.is_closed, "no event of the loop has told it yet"
        connection.close()
