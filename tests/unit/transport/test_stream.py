"""A stream's back-pressure and deadlines, on a transport that only notes what it is told."""

import asyncio
from collections.abc import Callable

import pytest

from proxy.transport.deadlines import Deadlines
from proxy.transport.fiber import Fiber
from proxy.transport.stream import UNREAD_LIMIT, Stream


class NotingTransport(asyncio.Transport):
    """Notes what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[str] = []
        self.unsent = 0

    def pause_reading(self) -> None:
        self.told.append("pause")

    def resume_reading(self) -> None:
        self.told.append("resume")

    def close(self) -> None:
        self.told.append("close")

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def abort(self) -> None:
        self.told.append("abort")

    def is_closing(self) -> bool:
        return False

    def can_write_eof(self) -> bool:
        return False

    def get_extra_info(self, name: str, default: None = None) -> "SocketNote | None":
        return SocketNote(self.told) if name == "socket" else default


class SocketNote:
    def __init__(self, told: list[str]) -> None:
        self._told = told

    def fileno(self) -> int:
        return -1

    def setsockopt(self, *_: object) -> None:
        self._told.append("reset on close")


@pytest.fixture
async def stream() -> Stream:
    made = Stream(Deadlines(asyncio.get_running_loop()))
    made.connection_made(NotingTransport())
    return made


def transport_of(stream: Stream) -> NotingTransport:
    assert isinstance(stream.transport, NotingTransport)
    return stream.transport


async def read(stream: Stream, into: list[bytes]) -> None:
    into.append(await stream.read(float("inf")))


def test_a_backlog_pauses_reading_until_it_is_read(stream: Stream) -> None:
    stream.data_received(b"x" * UNREAD_LIMIT)
    assert transport_of(stream).told == ["pause"]
    stream.data_received(b"y")
    came: list[bytes] = []
    Fiber(read(stream, came)).resume()
    assert came == [b"x" * UNREAD_LIMIT + b"y"]
    # Not only once the next read waits: there may be none, and what comes on an idle connection has to be seen.
    assert transport_of(stream).told == ["pause", "resume"]


def test_a_connection_that_ended_is_not_told_to_go_on(stream: Stream) -> None:
    stream.data_received(b"x" * UNREAD_LIMIT)
    stream.connection_lost(None)
    came: list[bytes] = []
    Fiber(read(stream, came)).resume()
    assert came == [b"x" * UNREAD_LIMIT]
    assert transport_of(stream).told == ["pause"]


def test_who_closes_can_wait_until_all_is_sent(stream: Stream) -> None:
    transport_of(stream).unsent = 5
    closing = Fiber(stream.wait_flushed())
    closing.resume()
    stream.resume_writing()
    assert not closing.ended
    stream.connection_lost(None)
    assert closing.ended


def test_who_closes_does_not_wait_for_nothing(stream: Stream) -> None:
    closing = Fiber(stream.wait_flushed())
    closing.resume()
    assert closing.ended


def test_lingering_goes_on_while_the_peer_takes_its_answer(stream: Stream) -> None:
    transport_of(stream).unsent = 9
    lingering = Fiber(stream.linger(2.0, limit=100))
    lingering.resume()
    stream.data_received(b"more")
    for transport_of(stream).unsent in (7, 5):
        stream.expire(stream.next_deadline + 1)
        assert "close" not in transport_of(stream).told
    stream.expire(stream.next_deadline + 1)
    assert transport_of(stream).told[-1] == "close"
    assert lingering.ended


def test_lingering_ends_with_what_was_taken_or_with_too_much(stream: Stream) -> None:
    ends: list[Callable[[], None]] = [
        lambda: stream.expire(stream.next_deadline + 1),
        lambda: stream.data_received(b"x" * 101),
    ]
    for end in ends:
        transport_of(stream).told.clear()
        lingering = Fiber(stream.linger(2.0, limit=100))
        lingering.resume()
        end()
        assert lingering.ended
        assert transport_of(stream).told[-1] == "close"


def test_a_peer_that_stops_taking_the_rest_gets_a_reset(stream: Stream) -> None:
    transport_of(stream).unsent = 9
    stream.close()
    for transport_of(stream).unsent in (7, 5):
        stream.expire(stream.next_deadline - 1)
        stream.expire(stream.next_deadline + 1)
        assert transport_of(stream).told == ["close"]
    stream.expire(stream.next_deadline + 1)
    assert transport_of(stream).told == ["close", "reset on close", "abort"]


def test_a_peer_that_takes_slowly_is_waited_for_and_one_that_takes_nothing_is_not(stream: Stream) -> None:
    raised: list[BaseException | None] = []
    transport_of(stream).unsent = 9
    stream.pause_writing()
    shutting_down = Fiber(stream.drain(60.0), raised.append)
    shutting_down.resume()
    for transport_of(stream).unsent in (7, 5):
        stream.expire(stream.next_deadline + 1)
        assert not shutting_down.ended
    stream.expire(stream.next_deadline + 1)
    assert shutting_down.ended
    assert isinstance(raised[0], TimeoutError)
