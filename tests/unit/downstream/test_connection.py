"""A client connection's phases, on a transport that only notes what it is told."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable

import pytest

from proxy.downstream.connection import NEXT_REQUEST_S, ClientConnection
from proxy.downstream.phases import Ending, Phase
from proxy.errors import ClientGone, ProxyError
from proxy.http1.message import RequestHead
from proxy.policy.forwarded import ClientIdentity
from proxy.policy.settings import Limits, Timeouts
from proxy.transport import fiber, sockets
from proxy.transport.deadlines import BUFFER_BYTES, NEVER
from proxy.transport.fiber import Fiber
from proxy.transport.parking import PARKED
from proxy.transport.stream import PeerEnd
from tests.unit.transport.noting import noting_stream, transport_of

GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"


class Exchange:
    """Stands for what is under way, in a test's hands."""

    def __init__(self) -> None:
        self.is_uploading = False
        self.abandoned = False
        self.begun = 0
        self.started: list[float] = []
        self._carrying: Fiber | None = None

    def abandon(self, _: ProxyError) -> None:
        self.abandoned = True

    def run(self, client: ClientConnection, _: RequestHead, started: float) -> Awaitable[bool]:
        client.exchange = self
        self.started.append(started)
        self.begun += 1
        return self._wait()

    async def _wait(self) -> bool:
        self._carrying = fiber.running
        await PARKED
        return True

    def finish(self) -> None:
        assert self._carrying is not None
        self._carrying.resume()


class Scene:
    """A client connection that is being served."""

    def __init__(self, *, half_close: bool = False) -> None:
        self.stream = noting_stream()
        self.told = transport_of(self.stream).told
        identity = ClientIdentity(b"127.0.0.1", False)
        self.client = ClientConnection(
            self.stream, identity, "127.0.0.1", Timeouts(), Limits(), self.stream._deadlines,
            fast_path=True, half_close=half_close,
        )  # fmt: skip
        self.exchange = Exchange()
        self.refused: list[ProxyError] = []
        self.serving = Fiber(self.client.serve(self.exchange.run, self._refuse))
        self.serving.resume()

    async def _refuse(self, _: ClientConnection, error: ProxyError, started: float) -> None:
        self.refused.append(error)
        self.exchange.started.append(started)

    def is_in(self, phase: Phase) -> bool:
        return self.client.phase is phase

    def end(self) -> None:
        if not self.stream.is_ended:
            self.stream.connection_lost(None)
        self.serving.cancel()

    def wait(self, seconds: float = 1.0) -> None:
        """Let as much time pass for its deadlines."""
        self.stream.expire(asyncio.get_running_loop().time() + seconds)


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    made = Scene()
    yield made
    made.end()


async def test_phases_follow_what_arrives(scene: Scene) -> None:
    assert scene.is_in(Phase.IDLE)
    scene.stream.data_received(GET[:5])
    assert scene.is_in(Phase.HEAD)
    scene.stream.data_received(GET[5:])
    assert scene.is_in(Phase.EXCHANGE)
    scene.exchange.finish()
    assert scene.is_in(Phase.IDLE)
    scene.stream.data_received(b"\r\n")
    assert scene.is_in(Phase.IDLE)  # a line end behind a body begins no request
    scene.stream.eof_received()
    assert scene.is_in(Phase.ENDING)
    assert scene.told == ["close"]


async def test_an_end_within_a_head_is_a_refusal(scene: Scene) -> None:
    scene.stream.data_received(GET[:5])
    scene.stream.eof_received()
    assert [error.code for error in scene.refused] == ["request_cut"]


async def test_a_refusal_is_not_dated_before_the_request_before_it(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.stream.data_received(GET)
    monkeypatch.setattr(scene.stream._deadlines.loop, "time", lambda: 0.0)  # uvloop's is behind, by a millisecond
    scene.exchange.finish()
    scene.stream.data_received(GET[:5])
    scene.stream.eof_received()
    assert [error.code for error in scene.refused] == ["request_cut"]
    assert 0.0 < scene.exchange.started[0] <= scene.exchange.started[1]


async def test_a_client_that_ends_its_side_is_gone_after_a_while(scene: Scene) -> None:
    scene.stream.data_received(GET)
    scene.stream.eof_received()
    assert scene.stream.alarm_at != NEVER
    scene.wait(0.4)
    assert not scene.exchange.abandoned
    scene.wait(0.6)
    assert scene.exchange.abandoned
    assert scene.client.is_gone
    scene.exchange.finish()  # also where it then says that the connection goes on
    assert scene.is_in(Phase.ENDING)


async def test_one_that_takes_what_the_kernel_moves_is_not(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then the kernel's queue is as full each time."""
    monkeypatch.setattr(sockets, "untaken_bytes", lambda _: 4_000_000)
    scene.stream.data_received(GET)
    scene.stream.eof_received()
    scene.stream.note_moved(1_000_000)
    scene.wait(0.6)
    assert not scene.exchange.abandoned
    scene.wait(1.2)
    assert scene.exchange.abandoned


async def test_one_that_is_answered_in_time_is_not(scene: Scene) -> None:
    scene.stream.data_received(GET + GET)
    scene.stream.eof_received()
    scene.exchange.finish()
    assert scene.stream.alarm_at == NEVER
    scene.wait()
    assert not scene.exchange.abandoned


async def test_each_pipelined_request_has_its_own_time(scene: Scene) -> None:
    scene.stream.data_received(GET + GET)
    scene.stream.eof_received()
    scene.exchange.finish()
    for _ in range(3):  # a turn of the loop is left to others in between
        await asyncio.sleep(0)
    assert scene.exchange.begun == 2
    assert scene.stream.alarm_at != NEVER
    scene.wait(0.6)
    assert scene.exchange.abandoned


async def test_a_request_that_is_still_on_its_way_is_waited_for(scene: Scene) -> None:
    scene.exchange.is_uploading = True
    scene.stream.data_received(GET)
    scene.stream.eof_received()
    scene.wait(0.6)
    assert not scene.exchange.abandoned
    scene.exchange.is_uploading = False
    scene.wait(1.2)
    assert scene.exchange.abandoned


async def test_with_half_close_a_client_that_ended_its_side_is_still_served() -> None:
    scene = Scene(half_close=True)
    scene.stream.data_received(GET)
    scene.stream.eof_received()
    assert scene.stream.alarm_at == NEVER
    scene.wait()
    assert not scene.exchange.abandoned
    scene.end()


async def test_nobody_leaves_a_tunnel_by_ending_a_side(scene: Scene) -> None:
    scene.stream.data_received(GET)
    scene.client.begin_tunnel()
    scene.stream.eof_received()
    scene.client.peer_ended(PeerEnd.RESET)
    scene.wait()
    scene.stream.connection_lost(ConnectionResetError())
    assert not scene.exchange.abandoned
    assert scene.told == []


async def test_a_reset_ends_the_exchange(scene: Scene) -> None:
    scene.stream.data_received(GET)
    scene.stream.connection_lost(ConnectionResetError())
    assert scene.exchange.abandoned
    assert scene.client.is_gone


async def test_a_reset_while_reading_is_paused_is_looked_for(scene: Scene) -> None:
    scene.stream.data_received(GET)
    scene.stream.data_received(b"x" * BUFFER_BYTES)
    assert scene.told == ["pause"]
    scene.wait(0.0)  # the transport's socket is none: the kernel says that it is gone
    assert scene.told == ["pause", "abort"]


async def test_nothing_is_begun_for_a_client_that_is_gone(scene: Scene) -> None:
    scene.stream.data_received(GET + GET)
    scene.stream.connection_lost(ConnectionResetError())
    scene.exchange.finish()
    for _ in range(3):
        await asyncio.sleep(0)
    assert scene.exchange.begun == 1


async def test_a_wait_to_write_ends_when_the_client_is_gone(scene: Scene) -> None:
    raised: list[BaseException | None] = []
    scene.stream.data_received(GET)
    scene.stream.eof_received()
    scene.stream.pause_writing()
    Fiber(scene.client.wait_for_client(), raised.append).resume()
    scene.wait(0.6)
    assert isinstance(raised[0], ClientGone)


async def test_shutting_down_leaves_a_busy_connection_time_for_its_next_request(scene: Scene) -> None:
    scene.stream.data_received(GET)
    scene.client.shut_down()
    scene.exchange.finish()
    assert scene.is_in(Phase.IDLE)
    assert scene.told == []
    scene.wait(NEXT_REQUEST_S + 0.1)
    assert scene.is_in(Phase.ENDING)


async def test_shutting_down_leaves_an_idle_connection_time_for_a_request_on_its_way(scene: Scene) -> None:
    scene.stream.data_received(GET)
    scene.exchange.finish()
    scene.client.shut_down()
    assert scene.told == []
    scene.wait(NEXT_REQUEST_S + 0.1)
    assert scene.told == ["close"]


@pytest.mark.parametrize("only_the_end_delimits", [True, False])
async def test_a_cut_response_is_delivered_before_its_end_is_seen(scene: Scene, only_the_end_delimits: bool) -> None:
    untaken: list[int] = []

    async def deliver() -> None:
        untaken.append(await scene.client.deliver_cut(only_the_end_delimits=only_the_end_delimits))

    scene.stream.data_received(GET)
    transport_of(scene.stream).unsent = 9
    Fiber(deliver()).resume()
    for transport_of(scene.stream).unsent in (7, 5):
        scene.wait(59.0)
        assert not untaken
        assert "abort" not in scene.told
    transport_of(scene.stream).unsent = 0
    scene.wait()
    assert untaken == [0]
    assert ("reset on close" in scene.told) == only_the_end_delimits


async def test_it_ends_with_its_own_exception_though_it_waited_while_handling_it() -> None:
    stream, ends = noting_stream(), list[BaseException | None]()
    identity = ClientIdentity(b"127.0.0.1", False)
    client = ClientConnection(
        stream, identity, "127.0.0.1", Timeouts(), Limits(), stream._deadlines, fast_path=True
    )  # fmt: skip

    async def refuse(client: ClientConnection, _: ProxyError, started: float) -> None:
        client.ending = Ending.LINGER
        await PARKED

    serving = Fiber(client.serve(Exchange().run, refuse), ends.append)
    serving.resume()
    stream.data_received(b"\0\r\n\r\n")
    serving.cancel()  # while it handles a refusal
    assert sys.exc_info() == (None, None, None)
    assert client.phase is Phase.ENDING
    assert not ends
    stream.eof_received()  # while it handles that it was cancelled
    assert [type(exc) for exc in ends] == [asyncio.CancelledError]
    stream.connection_lost(None)
