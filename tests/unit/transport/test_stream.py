"""A stream's back-pressure and deadlines, on a transport that only notes what it is told."""

import pytest

from proxy.transport.fiber import Fiber
from proxy.transport.stream import UNREAD_LIMIT, Stream
from tests.unit.transport.noting import noting_stream, transport_of


@pytest.fixture
async def stream() -> Stream:
    return noting_stream()


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
    waiting = Fiber(stream.drain(60.0), raised.append)
    waiting.resume()
    for transport_of(stream).unsent in (7, 5):
        stream.expire(stream.next_deadline + 1)
        assert not waiting.ended
    stream.expire(stream.next_deadline + 1)
    assert waiting.ended
    assert isinstance(raised[0], TimeoutError)
