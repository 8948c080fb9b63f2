"""Bodies on their way from one connection to the other: what is written, in how many buffers, and when it waits."""

from collections.abc import Callable
from typing import Any

import pytest

from proxy.errors import ClientGone, UpstreamClosed
from proxy.exchange.copy_body import BodySink, copy_body, framed
from proxy.http1.parsing.body import Body, CountedBody, UnboundedBody
from proxy.http1.parsing.chunked import ChunkedBody
from proxy.policy.settings import Limits


def counted(length: int, received: bytes) -> CountedBody:
    body = CountedBody(length)
    body.receive(received)
    return body


def chunked(received: bytes) -> ChunkedBody:
    body = ChunkedBody(Limits(), with_h11=False)
    body.receive(received)
    return body


FRAMED = [
    # body                              pieces                 chunked   written
    (counted(5, b"hello"),              [b"hello"],            False,    b"hello"),
    (counted(9, b"hello"),              [b"hello"],            False,    b"hello"),
    (counted(9, b"hello"),              [b"hello"],            True,     b"5\r\nhello\r\n"),
    (chunked(b"5\r\nhello\r\n"),        [b"hello"],            True,     b"5\r\nhello\r\n"),
    (chunked(b"5\r\nhello\r\n0\r\n\r\n"), [b"hello"],          True,     b"5\r\nhello\r\n0\r\n\r\n"),
    (chunked(b"0\r\n\r\n"),             [],                    True,     b"0\r\n\r\n"),
    (chunked(b"0\r\nA: 1\r\nB: 2\r\n\r\n"), [],                True,     b"0\r\nB: 2\r\n\r\n"),
    (chunked(b"5\r\nhello\r\n0\r\n\r\n"), [b"hello"],          False,    b"hello"),
    (UnboundedBody(),                   [b"a" * 600, b"b"],    True,     b"259\r\n" + b"a" * 600 + b"b\r\n"),
    (UnboundedBody(),                   [b"a" * 2000, b"b"],   True,     b"7d0\r\n" + b"a" * 2000 + b"\r\n1\r\nb\r\n"),
    (UnboundedBody(),                   [],                    True,     b""),
]  # fmt: skip


@pytest.mark.parametrize(("body", "pieces", "as_chunks", "written"), FRAMED)
def test_a_body_is_framed_anew(body: Body, pieces: list[bytes], as_chunks: bool, written: bytes) -> None:
    buffers = framed(pieces, body, chunked=as_chunks, trailers=lambda lines: lines[1:])
    assert b"".join(buffers) == written


@pytest.mark.parametrize("as_chunks", [True, False])
def test_thousands_of_tiny_pieces_are_few_buffers(as_chunks: bool) -> None:
    body, pieces = UnboundedBody(), [b"x"] * 43_000
    buffers = framed(pieces, body, chunked=as_chunks)
    assert len(buffers) <= 3
    assert b"".join(buffers) == (b"a7f8\r\n" + b"x" * 43_000 + b"\r\n" if as_chunks else b"x" * 43_000)


def test_trailers_go_nowhere_where_nobody_says_which() -> None:
    assert framed([], chunked(b"0\r\nA: 1\r\n\r\n"), chunked=True) == [b"0\r\n\r\n"]


class PacedStream:
    """Stands for the stream of a source, and notes how it is read."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.forwarder: object = None
        self.is_one_of_many = False

    def reset_pace(self) -> None:
        self.told.append("reset_pace")

    def throttle(self) -> None:
        self.told.append("throttle")

    def unthrottle(self) -> None:
        self.told.append("unthrottle")


class Source:
    """Gives a body in the pieces of a script, or raises what stands there."""

    only_counts = False

    def __init__(self, body: Body, *script: bytes | Exception) -> None:
        self.body = body
        self.stream: Any = PacedStream()
        self._script = list(script)
        self.deadlines: list[float] = []

    async def read_body(self, deadline: float) -> list[bytes]:
        self.deadlines.append(deadline)
        step = self._script.pop(0)
        if isinstance(step, Exception):
            raise step
        return self.body.receive(step)


class Reader:
    """Stands for a stream, and for the peer that reads from it."""

    def __init__(self, *, slow: bool = False) -> None:
        self.received: list[bytes] = []
        self.slow = slow
        self.untaken: list[int] = []  # what the kernel holds, each time it is asked
        self.queues_little = False

    def untaken_bytes(self) -> int:
        return self.untaken.pop(0)

    def queue_little(self) -> None:
        self.queues_little = True

    def write(self, data: bytes) -> None:
        self.received.append(data)

    def writelines(self, buffers: list[bytes]) -> None:
        self.received += buffers

    def must_drain(self) -> bool:
        return self.slow


def sink(reader: Reader, *, wait: Callable[[], None] = lambda: None, as_chunks: bool = False) -> BodySink:
    async def waited() -> None:
        wait()

    return BodySink(reader, chunked=as_chunks, trailers=None, wait=waited)  # type: ignore[arg-type]


@pytest.mark.interpreted
async def test_a_body_is_copied_to_its_end_and_no_further() -> None:
    reader, source = Reader(), Source(CountedBody(10), b"hello", b"worldand more")
    times = iter([7.0, 8.0])
    await copy_body(source, sink(reader), lambda: next(times))
    assert reader.received == [b"hello", b"world"]
    assert source.deadlines == [7.0, 8.0]
    assert source.body.left_over == b"and more"


@pytest.mark.interpreted
async def test_a_complete_body_is_not_waited_for() -> None:
    await copy_body(Source(counted(2, b"hi")), sink(Reader(slow=True), wait=lambda: pytest.fail("it waited")), float)


@pytest.mark.interpreted
async def test_what_arrived_before_a_failure_has_been_written() -> None:
    reader = Reader()
    with pytest.raises(UpstreamClosed):
        await copy_body(Source(CountedBody(10), b"hello", UpstreamClosed()), sink(reader, as_chunks=True), float)
    assert b"".join(reader.received) == b"5\r\nhello\r\n"


@pytest.mark.interpreted
async def test_nothing_is_read_for_a_peer_that_reads_no_more() -> None:
    def gone() -> None:
        raise ClientGone

    source = Source(CountedBody(10), b"hello")
    with pytest.raises(ClientGone):
        await copy_body(source, sink(Reader(slow=True), wait=gone), float)
    assert source.deadlines == []


@pytest.mark.interpreted
async def test_a_source_is_read_sparingly_while_the_peer_of_the_sink_is_behind() -> None:
    block = b"x" * 262_144
    reader, source = Reader(), Source(CountedBody(5 * len(block)), *[block] * 5)
    reader.untaken = [1 << 20, (1 << 20) + 1, 5 << 20, 0]
    await copy_body(source, sink(reader), float)
    assert source.stream.told == ["unthrottle", "throttle", "throttle", "unthrottle", "reset_pace"]
    assert reader.queues_little


@pytest.mark.interpreted
async def test_of_many_bodies_each_is_read_sparingly_until_its_receiver_has_taken_much() -> None:
    block = b"x" * 262_144
    reader, source = Reader(), Source(CountedBody(10 * len(block)), *[block] * 10)
    source.stream.is_one_of_many = True
    reader.untaken = [0] * 10
    await copy_body(source, sink(reader), float)
    assert source.stream.told == ["throttle", "unthrottle", "unthrottle", "reset_pace"]
    assert reader.queues_little


@pytest.mark.interpreted
async def test_how_far_behind_it_is_is_asked_once_in_a_quarter_of_a_mebibyte() -> None:
    reader, source = Reader(), Source(CountedBody(400_000), *[b"x" * 50_000] * 8)
    reader.untaken = [0]
    await copy_body(source, sink(reader), float)
    assert source.stream.told == ["unthrottle", "reset_pace"]
