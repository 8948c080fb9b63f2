"""A stream's back-pressure and deadlines, on a transport that only notes what it is told."""

import asyncio

import pytest

from proxy.transport import pacing
from proxy.transport.deadlines import BUFFER_BYTES
from proxy.transport.fiber import Fiber
from proxy.transport.pacing import FREE_FULL_READS, FULL_READ_BYTES
from proxy.transport.small_reads import SmallReads
from proxy.transport.stream import Stream
from tests.unit.transport.noting import NotingTransport, noting_stream, transport_of


@pytest.fixture
async def stream() -> Stream:
    return noting_stream()


async def read(stream: Stream, into: list[bytes]) -> None:
    into.append(await stream.read(float("inf")))


def test_a_backlog_pauses_reading_until_it_is_read(stream: Stream) -> None:
    stream.data_received(b"x" * BUFFER_BYTES)
    assert transport_of(stream).told == ["pause"]
    stream.data_received(b"y")
    came: list[bytes] = []
    Fiber(read(stream, came)).resume()
    assert came == [b"x" * BUFFER_BYTES + b"y"]
    # Not only once the next read waits: there may be none, and what comes on an idle connection has to be seen.
    assert transport_of(stream).told == ["pause", "resume"]


def test_a_connection_that_ended_is_not_told_to_go_on(stream: Stream) -> None:
    stream.data_received(b"x" * BUFFER_BYTES)
    stream.connection_lost(None)
    came: list[bytes] = []
    Fiber(read(stream, came)).resume()
    assert came == [b"x" * BUFFER_BYTES]
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


def test_a_throttled_stream_reads_nothing_until_it_is_asked_and_then_small_pieces(stream: Stream) -> None:
    stream.throttle()
    stream.throttle()
    assert transport_of(stream).told == ["pause", "SmallReads"]
    came: list[bytes] = []
    Fiber(read(stream, came)).resume()
    assert transport_of(stream).told == ["pause", "SmallReads", "resume"]
    small_reads = transport_of(stream).protocol
    assert isinstance(small_reads, SmallReads)
    assert len(small_reads.get_buffer(-1)) == BUFFER_BYTES
    small_reads.get_buffer(-1)[:3] = b"abc"
    small_reads.buffer_updated(3)
    small_reads.get_buffer(-1)[:3] = b"def"
    assert came == [b"abc"]
    stream.unthrottle()
    stream.unthrottle()
    assert transport_of(stream).told[3:] == ["pause", "Stream", "resume"]


@pytest.mark.interpreted
def test_where_many_streams_are_open_one_reads_small_pieces_between_messages(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream._deadlines.streams.add(stream)
    stream.reset_pace()
    assert transport_of(stream).told == []
    monkeypatch.setattr(pacing, "MANY_STREAMS", 1)
    assert stream.is_one_of_many
    stream.reset_pace()
    stream.reset_pace()
    assert transport_of(stream).told == ["pause", "SmallReads", "resume"]
    transport_of(stream).told.clear()
    stream.data_received(b"abc")  # nobody reads: what comes next waits in the kernel
    assert transport_of(stream).told == ["pause"]
    monkeypatch.setattr(pacing, "MANY_STREAMS", 2)
    stream.reset_pace()
    assert transport_of(stream).told == ["pause", "Stream"]


def test_what_a_peer_has_ended_stays_ended_however_it_is_read(stream: Stream) -> None:
    stream.throttle()
    stream.eof_received()
    stream.unthrottle()
    stream.reset_pace()
    assert stream.at_eof


def test_a_stream_that_has_ended_is_neither_throttled_nor_unthrottled(stream: Stream) -> None:
    stream.eof_received()
    stream.throttle()
    stream.connection_lost(None)
    stream.throttle()
    stream.unthrottle()
    assert transport_of(stream).told == []


def test_what_a_loop_tells_reaches_a_throttled_stream(stream: Stream) -> None:
    stream.throttle()
    small_reads = transport_of(stream).protocol
    assert isinstance(small_reads, SmallReads)
    small_reads.pause_writing()
    assert stream.must_drain()
    small_reads.resume_writing()
    assert not stream.must_drain()
    assert small_reads.eof_received()
    assert stream.at_eof
    small_reads.connection_lost(None)
    assert stream.is_ended


async def test_behind_many_large_pieces_a_turn_of_the_loop_is_left_to_others(stream: Stream) -> None:
    def arrive(size: int = FULL_READ_BYTES) -> None:
        Fiber(read(stream, [])).resume()
        stream.data_received(b"x" * size)

    for _ in range(FREE_FULL_READS):
        arrive()
        arrive(FULL_READ_BYTES - 1)
    assert transport_of(stream).told == []
    arrive()
    assert transport_of(stream).told == ["pause"]
    await asyncio.sleep(0)
    assert transport_of(stream).told == ["pause", "resume"]
    for _ in range(FREE_FULL_READS):
        arrive()
    assert transport_of(stream).told == ["pause", "resume"]
    arrive()
    stream.throttle()
    await asyncio.sleep(0)
    assert "resume" not in transport_of(stream).told[2:]


async def test_large_pieces_of_all_connections_are_counted_together(stream: Stream) -> None:
    other = Stream(stream._deadlines)
    other.connection_made(NotingTransport())
    for _ in range(FREE_FULL_READS):
        Fiber(read(other, [])).resume()
        other.data_received(b"x" * FULL_READ_BYTES)
    Fiber(read(stream, [])).resume()
    stream.data_received(b"x" * FULL_READ_BYTES)
    assert transport_of(other).told == []
    assert transport_of(stream).told == ["pause"]


async def test_what_a_forwarder_does_not_pass_on_goes_to_the_fiber_that_waits(stream: Stream) -> None:
    taken: list[bytes] = []
    came: list[bytes] = []

    class Two:
        def forward(self, data: bytes) -> bool:
            taken.append(data)
            return len(taken) < 3

    stream.forwarder = Two()
    stream.data_received(b"unread")
    Fiber(read(stream, came)).resume()
    Fiber(read(stream, came)).resume()
    for data in (b"a", b"b", b"c"):
        stream.data_received(data)
    assert taken == [b"a", b"b", b"c"]
    assert came == [b"unread", b"c"]


async def test_a_reader_is_interrupted_where_it_waits(stream: Stream) -> None:
    raised: list[BaseException | None] = []
    stream.interrupt_reader(ValueError())  # nobody waits
    Fiber(read(stream, []), raised.append).resume()
    error = ValueError()
    stream.interrupt_reader(error)
    assert raised == [error]


async def test_a_break_of_which_the_loop_was_told_first_is_the_loops_to_tell(stream: Stream) -> None:
    """It was told ECONNRESET; who asks the kernel behind it gets EPIPE, which would mean a proper end before."""
    transport_of(stream).closes = True
    stream.fail(BrokenPipeError())
    assert stream.ended_by is None
    stream.connection_lost(error := ConnectionResetError())
    assert stream.ended_by is error


async def test_what_such_a_connection_was_to_get_is_untaken(stream: Stream) -> None:
    transport_of(stream).closes = True
    stream.write_or_note_untaken(b"held")
    stream.connection_lost(ConnectionResetError())
    assert stream.untaken_bytes() == 4


async def test_a_break_that_the_loop_does_not_know_of_ends_the_connection(stream: Stream) -> None:
    stream.fail(error := ConnectionResetError())
    assert stream.ended_by is error
    assert transport_of(stream).told[-1] == "abort"
