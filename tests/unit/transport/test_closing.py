"""Ends of a connection that lose nothing, on a transport that only notes what it is told."""

import asyncio

import pytest

from proxy.transport.closing import linger, reset_when_flushed, wait_flushed
from proxy.transport.fiber import Fiber
from proxy.transport.stream import Stream
from tests.unit.transport.noting import noting_stream, transport_of


@pytest.fixture
async def stream() -> Stream:
    return noting_stream()


class Clock:
    """The loop's time, in a test's hands."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: self.now)


@pytest.fixture
async def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def sweep(stream: Stream, clock: Clock, seconds: float) -> None:
    clock.now += seconds
    stream.expire(clock.now)


def test_after_close_one_can_wait_until_all_is_sent(stream: Stream) -> None:
    transport_of(stream).unsent = 5
    closing = Fiber(wait_flushed(stream))
    closing.resume()
    stream.resume_writing()
    assert not closing.ended
    stream.connection_lost(None)
    assert closing.ended


def test_waiting_for_an_empty_queue_ends_at_once(stream: Stream) -> None:
    closing = Fiber(wait_flushed(stream))
    closing.resume()
    assert closing.ended


def test_lingering_goes_on_while_the_peer_takes_its_answer(stream: Stream, clock: Clock) -> None:
    transport_of(stream).unsent = 9
    lingering = Fiber(linger(stream, 2.0, 100.0))
    lingering.resume()
    for transport_of(stream).unsent in (7, 5):
        sweep(stream, clock, 2.1)
        assert "close" not in transport_of(stream).told
    sweep(stream, clock, 2.1)
    assert transport_of(stream).told[-1] == "close"
    assert lingering.ended


def test_lingering_counts_from_the_last_byte_that_came_however_many_there_are(stream: Stream, clock: Clock) -> None:
    lingering = Fiber(linger(stream, 2.0, 100.0))
    lingering.resume()
    for _ in range(40):
        sweep(stream, clock, 1.9)
        stream.data_received(b"x" * 4_000_000)
        assert not lingering.ended
        assert not stream._unread_bytes
    sweep(stream, clock, 2.1)
    assert lingering.ended
    assert [told for told in transport_of(stream).told if told not in ("pause", "resume")] == ["close"]


def test_lingering_ends_after_its_time_in_all(stream: Stream, clock: Clock) -> None:
    lingering = Fiber(linger(stream, 2.0, 10.0))
    lingering.resume()
    for _ in range(9):
        sweep(stream, clock, 1.0)
        stream.data_received(b"x")
        assert not lingering.ended
    sweep(stream, clock, 1.1)
    assert lingering.ended


@pytest.mark.parametrize("lost", [False, True])
def test_lingering_ends_when_the_peer_does(stream: Stream, lost: bool) -> None:
    lingering = Fiber(linger(stream, 2.0, 10.0))
    lingering.resume()
    if lost:
        stream.connection_lost(ConnectionResetError())
    else:
        stream.eof_received()
    assert lingering.ended


def test_a_reset_waits_until_everything_is_taken(stream: Stream, clock: Clock) -> None:
    transport_of(stream).unsent = 9
    resetting = Fiber(reset_when_flushed(stream, 60.0))
    resetting.resume()
    for transport_of(stream).unsent in (7, 5):
        sweep(stream, clock, 59.0)
        assert transport_of(stream).told == []
    transport_of(stream).unsent = 0
    sweep(stream, clock, 0.1)
    assert transport_of(stream).told == ["reset on close", "abort"]
    assert resetting.ended
    assert stream.untaken_bytes() == 0


def test_a_reset_does_not_wait_for_a_peer_that_takes_nothing(stream: Stream, clock: Clock) -> None:
    transport_of(stream).unsent = 9
    resetting = Fiber(reset_when_flushed(stream, 60.0))
    resetting.resume()
    sweep(stream, clock, 1.0)
    sweep(stream, clock, 59.0)
    assert transport_of(stream).told == []
    sweep(stream, clock, 1.1)
    assert transport_of(stream).told == ["reset on close", "abort"]
    assert stream.untaken_bytes() == 9


def test_a_reset_of_what_has_broken_already_is_none(stream: Stream) -> None:
    stream.connection_lost(ConnectionResetError())
    resetting = Fiber(reset_when_flushed(stream, 60.0))
    resetting.resume()
    assert resetting.ended
    assert transport_of(stream).told == []
