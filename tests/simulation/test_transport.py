"""The simulated transport against real ones: the same script over both, and the same told to the protocol."""

import asyncio
import contextlib
import os
import socket
import struct
from collections.abc import Callable
from typing import Any, Protocol

import pytest
import uvloop

from tests.simulation.dice import Dice
from tests.simulation.kernel import Endpoint, Network
from tests.simulation.listening import ListeningSocket
from tests.simulation.loop import SimulatedLoop
from tests.simulation.transport import Flavour

LARGE = 12_000_000  # more than any kernel takes from a writer whose peer does not read

Step = tuple[Any, ...]
SCRIPTS: dict[str, tuple[list[Step], list[str]]] = {
    "bytes, then the end": (
        [("peer sends", b"abc"), ("peer ends",), ("write", b"answer"), ("peer reads",), ("close",)],
        ["data abc", "eof", "peer got answer", "lost None"],
    ),
    "a peer that closes, and a write behind it": (
        [("peer sends", b"bye"), ("peer closes",), ("write", b"x"), ("write", b"y")],
        ["data bye", "eof", "lost EPIPE"],
    ),
    "a reset while reading": ([("peer sends", b"bye"), ("peer resets",)], ["data bye", "lost ECONNRESET"]),
    "a reset while reading is paused is met by a write": (
        [("pause",), ("peer sends", b"last words"), ("peer resets",), ("write", b"x")],
        ["lost ECONNRESET", "still readable last words"],
    ),
    "a reset behind the peer's end": (
        [("peer sends", b"all"), ("peer ends",), ("peer resets",), ("write", b"x")],
        ["data all", "eof", "lost EPIPE"],
    ),
    "an end while reading is paused": (
        [("pause",), ("peer sends", b"abc"), ("peer ends",), ("resume",)],
        ["data abc", "eof"],
    ),
    "a close with bytes unread is a reset": (
        [("write", b"unread"), ("peer closes",), ("write", b"x")],
        ["lost ECONNRESET"],
    ),
    "a peer that does not read": (
        [("write large",), ("peer reads all",), ("close",)],
        ["pause_writing", "resume_writing", "peer got everything", "lost None"],
    ),
    "what is queued at close is sent first": (
        [("write large",), ("close",), ("peer reads all",)],
        ["pause_writing", "resume_writing", "peer got everything", "lost None"],
    ),
    "half-closed here": (
        [("write", b"ask"), ("write_eof",), ("peer reads",), ("peer sends", b"answer"), ("peer closes",)],
        ["peer got ask", "data answer", "eof"],
    ),
    "an abort": ([("write", b"x"), ("abort",)], ["lost None"]),
}  # fmt: skip


class Recorder(asyncio.Protocol):
    """What the protocol was told, in order."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.transport: Any = None
        self.left: Callable[[], bytes] = bytes  # what is readable once the connection is lost

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if self.told and self.told[-1].startswith("data "):
            self.told[-1] += data.decode()
        else:
            self.told.append(f"data {data.decode()}")

    def eof_received(self) -> bool:
        self.told.append("eof")
        return True

    def pause_writing(self) -> None:
        self.told.append("pause_writing")

    def resume_writing(self) -> None:
        self.told.append("resume_writing")

    def connection_lost(self, exc: Exception | None) -> None:
        name = {32: "EPIPE", 104: "ECONNRESET"}.get(exc.errno or 0) if isinstance(exc, OSError) else repr(exc)
        self.told.append(f"lost {name}")
        if left := self.left():
            self.told.append(f"still readable {left.decode()}")


class PeerSocket(Protocol):
    """The other side of the connection."""

    def send(self, data: bytes) -> object: ...
    def recv(self, count: int) -> bytes: ...
    def end(self) -> None: ...
    def close(self) -> None: ...
    def reset(self) -> None: ...


class RealPeer:
    """On a real socket."""

    def __init__(self, raw: socket.socket) -> None:
        self._raw = raw
        self.send = raw.send
        self.recv = raw.recv
        self.close = raw.close

    def end(self) -> None:
        self._raw.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        self._raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._raw.close()


class SimulatedPeer:
    """On a simulated one."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.send = endpoint.send
        self.recv = endpoint.recv
        self.end = endpoint.shut_down_writing
        self.close = endpoint.close
        self.reset = endpoint.reset


async def play(steps: list[Step], recorder: Recorder, peer: PeerSocket) -> list[str]:
    """Run a script; return what was told, and what the peer got."""
    transport, told = recorder.transport, recorder.told
    got = 0
    for name, *given in steps:
        is_lost = any(said.startswith("lost") for said in told)
        if is_lost and not name.startswith("peer"):
            continue  # a protocol writes no more then: uvloop raises
        match name:
            case "peer sends":
                peer.send(given[0])
            case "peer ends":
                peer.end()
            case "peer closes":
                peer.close()
            case "peer resets":
                peer.reset()
            case "peer reads":
                told.append(f"peer got {peer.recv(1000).decode()}")
            case "peer reads all":
                for _ in range(100_000):
                    with contextlib.suppress(BlockingIOError):
                        got += len(peer.recv(1_000_000))
                    if got == LARGE:
                        break
                    await asyncio.sleep(0)
                told.append("peer got everything" if got == LARGE else f"peer got {got} bytes")
            case "write":
                transport.write(given[0])
            case "write large":
                transport.write(b"x" * LARGE)
            case "pause":
                transport.pause_reading()
            case "resume":
                transport.resume_reading()
            case "write_eof" | "close" | "abort":
                getattr(transport, name)()
            case _:
                raise AssertionError(name)
        for _ in range(10):
            await asyncio.sleep(0.001)
    result = list(told)
    if not any(said.startswith("lost") for said in told):
        transport.abort()
    for _ in range(5):
        await asyncio.sleep(0.001)
    return result


def settled(told: list[str]) -> list[str]:
    """Whether writing may go on is told just before or after the peer has read everything: the order is no promise."""
    return sorted(told) if "peer got everything" in told else told


async def over_a_real_socket(steps: list[Step]) -> list[str]:
    loop = asyncio.get_running_loop()
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(1)
        raw = socket.socket()
        raw.connect(listening.getsockname())
        accepted, _ = listening.accept()
    raw.setblocking(False)
    recorder = Recorder()
    await loop.connect_accepted_socket(lambda: recorder, accepted)

    def left() -> bytes:
        try:
            return os.read(recorder.transport.get_extra_info("socket").fileno(), 1000)
        except OSError:
            return b""

    recorder.left = left
    try:
        return await play(steps, recorder, RealPeer(raw))
    finally:
        raw.close()


class Prompt(Dice):
    """No delays: on a loopback interface, what is sent has arrived."""

    def random(self) -> float:
        return 0.35

    def another(self) -> "Prompt":
        return self

    def choice(self, seq: Any) -> Any:  # the largest
        return seq[-1]


def over_a_simulated_socket(steps: list[Step], flavour: Flavour) -> list[str]:
    network = Network(Prompt(1))
    loop = SimulatedLoop(network, flavour, {80: ListeningSocket(network, "service")})

    async def run() -> list[str]:
        recorder = Recorder()
        await loop.create_connection(lambda: recorder, "192.0.2.1", 80)
        endpoint = loop.services[80].queue.pop()

        def left() -> bytes:
            try:
                return recorder.transport.endpoint.recv(1000)  # type: ignore[no-any-return]
            except OSError:
                return b""

        recorder.left = left
        return await play(steps, recorder, SimulatedPeer(endpoint))

    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(run())
    finally:
        asyncio.set_event_loop(None)
        loop.close()


@pytest.mark.parametrize("name", SCRIPTS)
@pytest.mark.parametrize("kind", ["asyncio", "uvloop", "simulated asyncio", "simulated uvloop"])
def test_every_transport_tells_the_same(name: str, kind: str) -> None:
    steps, expected = SCRIPTS[name]
    if kind.startswith("simulated"):
        told = over_a_simulated_socket(steps, Flavour[kind.split()[1].upper()])
    else:
        factory = asyncio.new_event_loop if kind == "asyncio" else uvloop.new_event_loop
        with asyncio.Runner(loop_factory=factory) as runner:
            told = runner.run(over_a_real_socket(steps))
    assert settled(told) == settled(expected)
