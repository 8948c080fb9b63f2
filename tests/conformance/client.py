"""The scripted client, and a whole case round a proxy that is real."""

import asyncio
import contextlib

from tests.conformance.play import Play, Record
from tests.conformance.steps import (
    Case,
    Closed,
    Interim,
    Learn,
    Leave,
    Maybe,
    NewConnection,
    Quiet,
    Response,
    Step,
    Tunnelled,
    Verdict,
    w,
)
from tests.conformance.upstream import Upstream
from tests.harness.strict import Incomplete, Violation
from tests.harness.wire import Message, Wire, response

_SETTLE_S = 0.03  # after a case: what a proxy sends upstream unasked is on its way by then


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
            except Violation as fault:
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
            record.received.setdefault(number, []).append(message)
            if message.status >= 200:
                message.connection = number
                record.responses.append(message)
                record.client_faults.append(f"a final {message.status} where an interim response was due")
                raise _Stop
            record.interims.append(message)
        case Maybe(seconds):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await _response(wire, number, record, "GET")
        case Verdict(method):
            try:
                async with asyncio.timeout(min(play.patience_s, 1.0)):
                    message = await _response(wire, number, record, method)
            except TimeoutError:
                wire.end_writing()
                message = await _response(wire, number, record, method)
            if message is not None:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(2.0 if "close" in message.options() else 0.15):
                        while await wire.more():
                            pass
            record.surplus += bytes(wire.unread)
            wire.unread.clear()
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
            with contextlib.suppress(Incomplete):
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
        except Incomplete:
            record.client_faults.append("a response head was cut")
            return None
        if message is None:
            return None
        message.connection = number
        record.received.setdefault(number, []).append(message)
        if message.status >= 200 or message.status == 101:
            message.interims = interims
            record.responses.append(message)
            return message
        interims.append(message)
        record.interims.append(message)


def _shown(step: Step) -> str:
    return type(step).__name__
