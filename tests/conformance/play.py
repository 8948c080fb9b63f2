"""Play one case: a scripted client and a scripted upstream round a proxy that is real. Records, and judges nothing."""

import asyncio
import contextlib
import socket
import struct
from dataclasses import dataclass, field

from tests.conformance.steps import (
    Answer,
    Await,
    Case,
    Close,
    Closed,
    Early,
    HalfClose,
    Interim,
    Learn,
    Leave,
    NewConnection,
    Pause,
    Quiet,
    ReadBody,
    Reset,
    Response,
    Signal,
    Slowly,
    Step,
    Tunnel,
    Tunnelled,
    Verdict,
    w,
)
from tests.conformance.wire import Cut, Malformed, Message, Wire, body, request_head, response

_SETTLE_S = 0.03  # after a case: what a proxy sends upstream unasked is on its way by then


@dataclass
class Record:
    """What both ends of a case saw."""

    requests: list[Message] = field(default_factory=list)  # at the upstream, in order of arrival
    connections: int = 0  # at the upstream
    tunnelled: bytes = b""  # at the upstream, after a 101
    upstream_faults: list[str] = field(default_factory=list)
    responses: list[Message] = field(default_factory=list)  # at the client
    interims: list[Message] = field(default_factory=list)
    tunnelled_back: bytes = b""
    surplus: bytes = b""  # at the client, where silence was expected
    ends: dict[int, str] = field(default_factory=dict)  # of the client's connections: open, closed, reset
    client_faults: list[str] = field(default_factory=list)


class Play:
    """One case under way."""

    def __init__(self, case: Case, patience_s: float) -> None:
        self.case = case
        self.patience_s = patience_s
        self.record = Record()
        self._events: dict[str, asyncio.Event] = {}
        self._answered = 0

    def next_answer(self) -> Answer:
        """The upstream's answer to the request that has just arrived."""
        answers = self.case.upstream
        answer = answers[min(self._answered, len(answers) - 1)]
        self._answered += 1
        return answer

    def event(self, name: str) -> asyncio.Event:
        """The event of a signal."""
        return self._events.setdefault(name, asyncio.Event())

    async def common(self, step: Step, wire: Wire) -> bool:
        """Take a step that both sides know; whether it was one."""
        match step:
            case str() | bytes():
                await wire.send(w(step))
            case Slowly(data):
                await wire.send(w(data), slowly=True)
            case Pause(seconds):
                await asyncio.sleep(seconds)
            case Signal(name):
                self.event(name).set()
            case Await(name):
                await self.event(name).wait()
            case HalfClose():
                with contextlib.suppress(OSError):
                    wire.writer.write_eof()
            case _:
                return False
        return True


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
        """End every connection, and wait a moment for the proxy to notice: the next case starts with none."""
        for wire in self._tasks.values():
            with contextlib.suppress(OSError):
                if wire.writer.can_write_eof() and not wire.writer.is_closing():
                    wire.writer.write_eof()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=patience_s)
        left = list(self._tasks.items())
        for task, wire in left:
            wire.abort()
            task.cancel()
        if left:
            await asyncio.wait([task for task, _ in left])

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
        except Malformed as fault:
            record.upstream_faults.append(str(fault))
            wire.abort()
        except Cut:
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
                case Close():
                    wire.writer.close()
                    return False
                case Reset():
                    raw = wire.writer.get_extra_info("socket")
                    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    wire.abort()
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


class _Stop(Exception):
    """The client's script cannot go on."""


async def play_case(case: Case, proxy_port: int, upstream: Upstream, patience_s: float) -> Record:
    """Play a case over the proxy at `proxy_port`, whose upstream is `upstream`."""
    play = upstream.play = Play(case, patience_s)
    record = play.record
    wires: list[Wire] = []
    try:
        wires.append(await _connect(proxy_port))
        for step in case.steps:
            number = len(wires) - 1
            record.ends.setdefault(number, "open")
            if isinstance(step, NewConnection):
                wires.append(await _connect(proxy_port))
                continue
            try:
                async with asyncio.timeout(patience_s):
                    if not await play.common(step, wires[-1]):
                        await _client_step(step, wires[-1], number, play)
            except TimeoutError:
                record.client_faults.append(f"nothing within {patience_s:g} s for {_shown(step)}")
                raise _Stop from None
            except Malformed as fault:
                record.client_faults.append(f"the client received {fault}")
                raise _Stop from None
            finally:
                if wires[-1].ended:
                    record.ends[number] = wires[-1].ended
    except _Stop:
        pass
    except OSError as exc:
        record.client_faults.append(f"the proxy cannot be reached: {exc}")
    finally:
        await asyncio.sleep(_SETTLE_S)
        for wire in wires:
            wire.abort()
        upstream.play = None
        await upstream.retire(0.1)
    return record


async def _connect(port: int) -> Wire:
    return Wire(*await asyncio.open_connection("127.0.0.1", port))


async def _client_step(step: Step, wire: Wire, number: int, play: Play) -> None:
    record = play.record
    match step:
        case Response(method):
            if await _response(wire, number, record, method) is None:
                raise _Stop
        case Interim():
            message = await response(wire, "GET")
            if message is None:
                raise _Stop
            if message.status >= 200:
                message.connection = number
                record.responses.append(message)
                record.client_faults.append(f"a final {message.status} where an interim response was due")
                raise _Stop
            record.interims.append(message)
        case Verdict():
            try:
                async with asyncio.timeout(min(play.patience_s, 1.0)):
                    message = await _response(wire, number, record, "GET")
            except TimeoutError:
                with contextlib.suppress(OSError):
                    wire.writer.write_eof()
                message = await _response(wire, number, record, "GET")
            if message is not None:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.3):
                        while await wire.more():
                            pass
        case Closed():
            while await wire.more():
                pass
            record.surplus += bytes(wire.unread)
            wire.unread.clear()
        case Quiet(seconds):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    while await wire.more():
                        pass
            record.surplus += bytes(wire.unread)
            wire.unread.clear()
        case Tunnelled(count):
            with contextlib.suppress(Cut):
                record.tunnelled_back += await wire.take(count)
        case Learn(make):
            await wire.send(w(make(record)))
        case Leave():
            wire.abort()
        case _:
            raise AssertionError(f"{step} is no step of a client's")


async def _response(wire: Wire, number: int, record: Record, method: str) -> Message | None:
    interims: list[Message] = []
    while True:
        try:
            message = await response(wire, method)
        except Cut:
            record.client_faults.append("a response head was cut")
            return None
        if message is None:
            return None
        message.connection = number
        if message.status >= 200 or message.status == 101:
            message.interims = interims
            record.responses.append(message)
            return message
        interims.append(message)
        record.interims.append(message)


def _shown(step: Step) -> str:
    return type(step).__name__
