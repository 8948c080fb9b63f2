"""The scripted upstream: one server on one port, which plays the answers of whichever case is on."""

import asyncio
import contextlib

from tests.conformance.play import Play
from tests.conformance.steps import Answer, Close, Early, EndAcknowledged, Invite, ReadBody, Reset, Tunnel
from tests.harness.scripted import PATIENCE_S, reset
from tests.harness.strict import Incomplete, Violation
from tests.harness.wire import Message, Wire, body, request_head


class Upstream:
    """The service behind a proxy: plays the answers of whichever case is on."""

    def __init__(self) -> None:
        self.play: Play | None = None
        self.port = 0
        self._server: asyncio.Server | None = None
        self._tasks: dict[asyncio.Task[None], Wire] = {}

    async def start(self, port: int = 0) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", port, backlog=256)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close everything."""
        assert self._server is not None
        self._server.close()
        await self.retire(0.05)
        await self._server.wait_closed()

    async def retire(self, patience_s: float) -> None:
        """End every connection, and wait a moment for the proxy to notice: the next case starts with none.

        The moment begins once the proxy can know of it. Else it would rightly send the next case's first request on
        such a connection, and a POST, which it must not send again, would be answered 502.
        """
        for wire in self._tasks.values():
            wire.end_writing()
        await self._ended(patience_s)
        late = [wire for wire in self._tasks.values() if wire.end_is_unacknowledged()]
        if late:
            with contextlib.suppress(TimeoutError):  # it reads nothing at all
                async with asyncio.timeout(PATIENCE_S):
                    for wire in late:
                        await wire.end_acknowledged()
            await self._ended(patience_s)
        left = list(self._tasks.items())
        for task, wire in left:
            wire.abort()
            task.cancel()
        if left:
            await asyncio.wait([task for task, _ in left])

    async def _ended(self, patience_s: float) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=patience_s)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        wire = Wire(reader, writer)
        task = asyncio.current_task()
        assert task is not None
        self._tasks[task] = wire
        try:
            if self.play is not None:
                await self._serve(self.play, wire)
            while await wire.more():
                pass
        except asyncio.CancelledError:
            pass
        finally:
            del self._tasks[task]
            writer.close()

    async def _serve(self, play: Play, wire: Wire) -> None:
        record = play.record
        number = -1
        try:
            while (message := await request_head(wire)) is not None:
                if number < 0:
                    number, record.connections = record.connections, record.connections + 1
                message.connection = number
                record.requests.append(message)
                if not await self._answer(play, wire, message, play.next_answer()):
                    return
        except Violation as fault:
            record.upstream_faults.append(str(fault))
            wire.abort()
        except Incomplete:
            record.upstream_faults.append(f"a head was cut: {bytes(wire.unread)[:200]!r}")

    async def _answer(self, play: Play, wire: Wire, message: Message, answer: Answer) -> bool:
        """Play one answer; whether the connection goes on."""
        steps = answer if isinstance(answer, tuple) else (answer,)
        if not isinstance(steps[0], Early):
            await body(wire, message)
            if not message.complete:
                return False
        for step in steps:
            match step:
                case Early():
                    pass
                case ReadBody():
                    await body(wire, message)
                case Invite():
                    if message.values("expect"):
                        await wire.send(b"HTTP/1.1 100 Continue\r\n\r\n")
                case EndAcknowledged():
                    await wire.end_acknowledged()
                case Close():
                    wire.writer.close()
                    return False
                case Reset():
                    reset(wire.writer.transport)
                    return False
                case Tunnel():
                    while wire.unread or await wire.more():
                        data = await wire.take(len(wire.unread))
                        play.record.tunnelled += data
                        await wire.send(data)
                    return False
                case _:
                    assert await play.common(step, wire), f"{step} is no step of an upstream's"
        if not message.complete:
            await body(wire, message)
        return message.complete
