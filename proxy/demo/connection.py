"""A client's connection: its requests are answered one after the other, until either side closes it.

When the client disconnects, the answer under way is cancelled.
"""

import asyncio
from collections.abc import Awaitable, Callable

import h11

from proxy.demo.exchange import Exchange
from proxy.demo.wire import READ_BYTES, Wire

Answering = Callable[[Exchange], Awaitable[None]]


class DemoConnection(asyncio.StreamReaderProtocol):
    """asyncio's streams, with a task that is cancelled when the connection is lost: asyncio's own notices a lost
    connection only at its next write."""

    def __init__(self, answering: Answering) -> None:
        super().__init__(asyncio.StreamReader(limit=READ_BYTES), self._begin)
        self._answering = answering
        self._conversation: asyncio.Task[None] | None = None

    def _begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._conversation = asyncio.get_running_loop().create_task(converse(reader, writer, self._answering))

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._conversation is not None:
            self._conversation.cancel()


async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answering: Answering) -> None:
    """Answer one client until either side closes. Raises only for defects of this service."""
    try:
        wire = Wire(reader, writer)
        try:
            await _answer_in_turn(wire, answering)
        except h11.RemoteProtocolError as exc:
            await _answer_mistake(wire, exc)
        await wire.linger()
    except OSError:
        pass  # the client is gone, or was silent for too long
    finally:
        writer.transport.abort()  # nothing is lost: `linger` has waited until the client has read the answer


async def _answer_in_turn(wire: Wire, answering: Answering) -> None:
    ordinal = 0
    while (request := await wire.next_request()) is not None:
        ordinal += 1
        exchange = Exchange(wire, request, ordinal)
        await answering(exchange)
        if wire.http.our_state is not h11.DONE:
            return  # the answer said so, or the connection is no longer HTTP
        await exchange.discard_body()
        if wire.http.their_state is not h11.DONE:
            return
        wire.http.start_next_cycle()


async def _answer_mistake(wire: Wire, mistake: h11.RemoteProtocolError) -> None:
    if wire.http.our_state not in {h11.IDLE, h11.SEND_RESPONSE}:
        return  # an answer is under way: it can only be cut
    body = f"{mistake}\n".encode()
    fields = [
        (b"Content-Type", b"text/plain"),
        (b"Content-Length", b"%d" % len(body)),
        (b"Connection", b"close"),
    ]
    head = h11.Response(status_code=mistake.error_status_hint, headers=fields)
    parts: list[h11.Event] = [head, h11.Data(data=body), h11.EndOfMessage()]
    await wire.write(b"".join(wire.http.send(part) or b"" for part in parts))
