"""Bodies of which most pieces are passed on within the read that brings them: what resumes a fiber, and what is counted."""

from collections.abc import Iterator

import pytest

from proxy.errors import ProtocolError, UpstreamClosed
from proxy.exchange.copy_body import BodySink, copy_body
from proxy.http1.message import CHUNKED, UNTIL_CLOSE, BodyFraming, FixedLength
from proxy.http1.parsing.body import Body
from proxy.http1.parsing.head_parser import HeadParser
from proxy.policy.settings import Limits
from proxy.transport.body_reader import BodyCutShort, BodyReader
from proxy.transport.fiber import Fiber
from proxy.transport.stream import Stream
from tests.unit.transport.noting import noting_stream, transport_of

pytestmark = pytest.mark.interpreted  # compiled code asks for its own classes where a stand-in of the source is given

BLOCK = 262_144


class Source:
    """A body that is read from a stream, and how often a fiber asked for more of it."""

    def __init__(self, stream: Stream, framing: BodyFraming, *, only_counts: bool = True) -> None:
        self.stream = stream
        self.only_counts = only_counts
        self.asked = 0
        self.reader = BodyReader(stream, HeadParser(Limits(), fast_path=True))
        self.reader.begin(framing)

    @property
    def body(self) -> Body:
        return self.reader.body

    async def read_body(self, deadline: float) -> list[bytes]:
        self.asked += 1
        return await self.reader.read(deadline)


class Copying:
    """A body that is being copied from one stream to another."""

    def __init__(self, of: int | BodyFraming, *, only_counts: bool = True, as_chunks: bool = False) -> None:
        self.stream, self.peer = noting_stream(), noting_stream()
        framing = FixedLength(of) if isinstance(of, int) else of
        self.source = Source(self.stream, framing, only_counts=only_counts)
        self.ends: list[BaseException | None] = []
        self._times: Iterator[float] = iter(range(100, 200))
        sink = BodySink(self.peer, chunked=as_chunks, trailers=None, wait=self._wait)
        Fiber(copy_body(self.source, sink, lambda: next(self._times)), self.ends.append).resume()

    async def _wait(self) -> None:
        if self.peer.is_ended:
            raise UpstreamClosed

    @property
    def written(self) -> bytes:
        return transport_of(self.peer).written

    @property
    def told(self) -> list[str]:
        return transport_of(self.stream).told


async def test_only_the_end_of_a_body_resumes_the_fiber() -> None:
    copying = Copying(8)
    for data, written in [(b"abc", b"abc"), (b"def", b"abcdef"), (b"gh, and more", b"abcdefgh")]:
        assert copying.ends == []
        copying.stream.data_received(data)
        assert copying.written == written
    assert copying.ends == [None]
    assert copying.source.asked == 1
    assert copying.source.body.received_bytes == 8
    assert copying.source.reader.parser.unread == b", and more"
    assert copying.stream.forwarder is None


@pytest.mark.parametrize(("as_chunks", "first", "second"), [
    (True, b"3\r\nabc\r\n", b"3\r\nabc\r\n4\r\ndefg\r\n"),
    (False, b"abc", b"abcdefg"),
])  # fmt: skip
async def test_whole_chunks_are_passed_on_without_the_fiber(as_chunks: bool, first: bytes, second: bytes) -> None:
    copying = Copying(CHUNKED, as_chunks=as_chunks)
    for data, written in [(b"03\r\nabc\r\n", first), (b"4\r\ndefg\r\n", second)]:
        copying.stream.data_received(data)
        assert copying.written == written
    assert copying.source.asked == 1
    assert copying.source.body.received_bytes == 7
    copying.stream.data_received(b"1\r\nh\r\n0\r\n\r\n")
    assert copying.ends == [None]
    assert copying.written == second + (b"1\r\nh\r\n0\r\n\r\n" if as_chunks else b"h")
    assert copying.source.body.received_bytes == 8


async def test_a_chunk_that_comes_alone_is_passed_on_as_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    copying = Copying(CHUNKED, as_chunks=True)
    given: list[bytes] = []
    monkeypatch.setattr(transport_of(copying.peer), "write", given.append)
    event, other = b"3\r\nabc\r\n", b"B\r\nhello world\r\n"
    for data in (event, other, event):
        copying.stream.data_received(data)
    assert given == [event, b"b\r\nhello world\r\n", event]
    assert given[0] is event
    assert copying.source.body.received_bytes == 17
    assert copying.source.asked == 1


@pytest.mark.parametrize("pieces", [
    [b"3;a=b\r\nabc\r\n", b"1\r\nd\r\n"],
    [b"3\r\nab", b"c\r\n1\r\nd\r\n"],
    [b"3", b"\r\nabc\r\n1\r\nd\r\n"],
    [b"3\r\nabc\r\n", b"1\r\nd\r", b"\n"],
])  # fmt: skip
async def test_chunks_that_only_receive_can_read_resume_the_fiber(pieces: list[bytes]) -> None:
    copying = Copying(CHUNKED)
    for data in pieces:
        copying.stream.data_received(data)
    assert copying.source.asked > 1
    assert copying.written == b"abcd"
    copying.stream.data_received(b"0\r\n\r\n")
    assert copying.ends == [None]


async def test_a_broken_chunk_ends_the_copy_behind_what_went_on() -> None:
    copying = Copying(CHUNKED)
    copying.stream.data_received(b"3\r\nabc\r\n")
    copying.stream.data_received(b"1\r\ndd\r\n")
    assert isinstance(copying.ends[0], ProtocolError)
    assert copying.written == b"abc"


async def test_a_body_that_only_its_end_delimits_is_passed_on_in_chunks_without_the_fiber() -> None:
    copying = Copying(UNTIL_CLOSE, as_chunks=True)
    copying.stream.data_received(b"abc")
    copying.stream.data_received(b"d")
    assert copying.written == b"3\r\nabc\r\n1\r\nd\r\n"
    assert copying.source.asked == 1
    copying.stream.eof_received()
    assert copying.ends == [None]
    assert copying.written == b"3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n"


@pytest.mark.parametrize("pieces", [[b"abc", b"def", b"ghi"], [b"3\r\nabc\r\n", b"3\r\ndef\r\n", b"0\r\n\r\n"]])
async def test_a_body_that_is_not_only_counted_resumes_the_fiber_each_time(pieces: list[bytes]) -> None:
    copying = Copying(9 if pieces[0] == b"abc" else CHUNKED, only_counts=False)
    for data in pieces:
        copying.stream.data_received(data)
    assert copying.ends == [None]
    assert copying.source.asked == 3


async def test_each_piece_gives_the_next_one_its_time() -> None:
    copying = Copying(9)
    for deadline in (100.0, 101.0, 102.0):
        assert copying.stream.next_deadline == deadline
        copying.stream.data_received(b"a")
    copying.stream.expire(104.0)
    assert isinstance(copying.ends[0], TimeoutError)
    assert copying.stream.forwarder is None


async def test_a_peer_that_falls_behind_throttles_the_source_until_it_keeps_up() -> None:
    copying = Copying(5 * BLOCK)
    copying.stream.data_received(b"x" * BLOCK)
    assert "SmallReads" not in copying.told
    transport_of(copying.peer).unsent = (1 << 20) + 1
    copying.stream.data_received(b"x" * BLOCK)
    assert copying.told[-3:] == ["pause", "SmallReads", "resume"]
    transport_of(copying.peer).unsent = 0
    copying.stream.data_received(b"x" * BLOCK)
    assert copying.told[-1:] == ["resume"]
    assert "Stream" in copying.told
    copying.stream.data_received(b"x" * BLOCK)
    copying.stream.data_received(b"x" * BLOCK)
    assert copying.ends == [None]
    assert copying.written == b"x" * 5 * BLOCK
    assert copying.source.body.received_bytes == 5 * BLOCK


async def test_a_peer_that_is_gone_ends_the_copy() -> None:
    copying = Copying(9)
    copying.stream.data_received(b"abc")
    copying.peer.connection_lost(ConnectionResetError())
    copying.stream.data_received(b"def")
    assert isinstance(copying.ends[0], UpstreamClosed)
    assert copying.written == b"abc"


async def test_what_arrived_before_a_cut_has_been_written() -> None:
    copying = Copying(9)
    copying.stream.data_received(b"abc")
    copying.stream.eof_received()
    assert isinstance(copying.ends[0], BodyCutShort)
    assert copying.written == b"abc"
    assert copying.source.body.received_bytes == 3
