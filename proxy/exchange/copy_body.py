"""Copies a body from one connection to the other: the same way for requests and for responses."""

from collections.abc import Awaitable, Callable
from typing import Final, Protocol, TypeAlias

from proxy.http1 import writer
from proxy.http1.fields import Fields
from proxy.http1.parsing.body import Body, CountedBody, UnboundedBody
from proxy.http1.parsing.chunked import ChunkedBody
from proxy.transport import splicing
from proxy.transport.fiber import yield_to_loop
from proxy.transport.owner import SinkBlocked
from proxy.transport.splicing import Splice
from proxy.transport.stream import Stream

#: Buffers smaller than this together are joined and written in one call: cheaper than a scattered write.
_JOIN_BYTES: Final = 16_384
#: Pieces smaller than this on average are joined: 40,000 one-byte chunks of one read would hold up everybody if each
#: was written as a chunk of its own.
_TINY_PIECE_BYTES: Final = 512

#: After how many written bytes the kernel is asked how many are unacknowledged; and how many unacknowledged bytes mean
#: that the peer is slow.
_CHECK_BYTES: Final = 262_144
_BEHIND_BYTES: Final = 1_048_576
#: While many streams are open: how many bytes a receiver must have been sent, without falling behind, before its sender
#: is read in large pieces. The kernel alone takes a mebibyte for a receiver that reads nothing.
_KEEPS_UP_FROM_BYTES: Final = 2 * _BEHIND_BYTES

#: The last bytes of a body are read, not moved within the kernel, because more than the body may come with its end. How
#: many: `spliced_from_bytes` divided by this.
_PARTS_READ_AT_END: Final = 32

#: Says which trailer fields go on.
Trailers: TypeAlias = Callable[[Fields], Fields]


class BodySource(Protocol):
    """Where a body comes from."""

    @property
    def body(self) -> Body:
        """What has been read of it."""

    @property
    def stream(self) -> Stream:
        """The connection on which it comes."""

    @property
    def only_counts(self) -> bool:
        """Whether what arrives is only counted: nobody looks at it, and no limit but its declared length applies."""

    async def read_body(self, deadline: float) -> list[bytes]:
        """Wait for more of it, until `deadline` (loop time), and return the pieces. Raises ProxyError."""


class BodySink:
    """Where a body goes: a stream, how the body is delimited there, and how to wait until its peer has read enough."""

    __slots__ = ("_trailers", "_unchecked_bytes", "_wait", "chunked", "stream")

    def __init__(
        self, stream: Stream, *, chunked: bool, trailers: Trailers | None, wait: Callable[[], Awaitable[None]]
    ) -> None:
        self.stream = stream
        self.chunked = chunked
        self._trailers = trailers
        self._wait = wait
        self._unchecked_bytes = 0  # written since the kernel was asked how much of it is untaken

    def write(self, pieces: list[bytes], body: Body, head: bytes = b"") -> None:
        """Write pieces of the body, behind the message's head where that goes with them, and the end where the body is
        complete."""
        buffers = framed(pieces, body, chunked=self.chunked, trailers=self._trailers)
        if head:
            buffers = [head, *buffers]
        if buffers:
            write_all(self.stream, buffers)

    def is_behind(self, written: int) -> bool | None:
        """Whether the peer takes less than it is given, after `written` more bytes; None: not checked this time.

        The kernel may take megabytes before our own queue fills, and by then another 250 KiB would be in our hands.
        """
        if self.stream.must_drain():
            return True
        self._unchecked_bytes += written
        if self._unchecked_bytes < _CHECK_BYTES:
            return None
        self._unchecked_bytes = 0
        return self.stream.untaken_bytes() > _BEHIND_BYTES

    async def wait(self) -> None:
        """Wait until the peer has read enough. Raises ProxyError where it reads no more."""
        if self.stream.must_drain():
            await self._wait()


class _BodyForwarder:
    """Writes what arrives of a body to its sink within the very read, without resuming the fiber that copies the body:
    for all but the body's end, as long as its bytes are only counted and the sink's peer keeps up."""

    __slots__ = ("_body", "_deadline", "_full_reads_from", "_sink", "_source")

    def __init__(
        self,
        source: Stream,
        body: CountedBody | UnboundedBody | ChunkedBody,
        sink: BodySink,
        deadline: Callable[[], float],
        full_reads_from: int,
    ) -> None:
        self._source = source
        self._body = body
        self._sink = sink
        self._deadline = deadline
        self._full_reads_from = full_reads_from  # bytes of the body that come before

    def forward(self, data: bytes) -> bool:
        """Pass on what arrived; or return False, and the fiber gets it."""
        sink = self._sink
        if sink.stream.must_drain() or not self._pass_on(data):
            return False
        is_behind = sink.is_behind(len(data))
        if is_behind:
            self._source.interrupt_reader(SinkBlocked())
            return True
        if is_behind is False and self._body.received_bytes >= self._full_reads_from:
            self._source.unthrottle()
        self._source.set_read_deadline(self._deadline())
        return True

    def _pass_on(self, data: bytes) -> bool:
        """Count and write what arrived. Returns False, and has done nothing, where that holds the body's end, or chunks
        that only `receive` can read."""
        body, sink = self._body, self._sink
        if isinstance(body, ChunkedBody):
            if sink.chunked and body.receive_only_chunk(data):
                sink.stream.write(data)  # an event of a stream, mostly
                return True
            pieces = body.receive_whole_chunks(data)
            if pieces is None:
                return False
            sink.write(pieces, body)
        elif not body.count_only(len(data)):
            return False
        elif sink.chunked:
            sink.write([data], body)
        else:
            sink.stream.write(data)
        return True


async def copy_body(source: BodySource, sink: BodySink, deadline: Callable[[], float]) -> None:
    """Copy what is still to come of a body, up to its end. `deadline` says by when the next bytes are due (loop time).

    Raises what the source and the sink raise. Everything that arrived before has then been written.
    """
    body, stream = source.body, source.stream
    full_reads_from = 0  # bytes of the body that come before
    if stream.is_one_of_many and not body.complete:
        stream.throttle()
        sink.stream.queue_little()
        full_reads_from = _KEEPS_UP_FROM_BYTES
    is_behind = sink.is_behind(0)
    splice: Splice | None = None
    if isinstance(body, CountedBody | UnboundedBody | ChunkedBody) and source.only_counts:
        stream.forwarder = _BodyForwarder(stream, body, sink, deadline, full_reads_from)
    try:
        while not body.complete:
            if is_behind:
                if splice is None or splice.is_over:
                    stream.throttle()
                    sink.stream.queue_little()
                await sink.wait()
            elif is_behind is False and body.received_bytes >= full_reads_from:
                stream.unthrottle()
            if splice is None:
                splice = await _begin_splice(source, sink, deadline)
            if splice is not None:
                splice.go_on()
            try:
                pieces = await source.read_body(deadline())
            except SinkBlocked:
                is_behind = True
                continue
            if splice is not None:
                splice.end()  # what a broken connection has left comes this way: then nothing may pass it by
            sink.write(pieces, body)
            is_behind = None if body.complete else sink.is_behind(sum(map(len, pieces)))
    finally:
        if splice is not None:
            splice.end()
        stream.forwarder = None
        stream.reset_pace()


async def _begin_splice(source: BodySource, sink: BodySink, deadline: Callable[[], float]) -> Splice | None:
    """Begin to move what is still to come of a body, but for its end, within the kernel. None where that is impossible,
    at least for now."""
    body, stream = source.body, source.stream
    if (
        not isinstance(body, CountedBody)
        or sink.chunked
        or not source.only_counts
        or not splicing.is_possible(stream, sink.stream)
        or body.missing_bytes < stream.deadlines.spliced_from_bytes
        or stream.has_unread()
    ):
        return None
    splice = None
    stream.hand_over_reading()
    try:
        if sink.stream.has_queued():
            await yield_to_loop()  # uvloop writes what is queued once in each turn
        if stream.is_open and sink.stream.is_open and not sink.stream.has_queued():
            count = body.missing_bytes - stream.deadlines.spliced_from_bytes // _PARTS_READ_AT_END
            splice = Splice(stream, sink.stream, count, body.count_only, deadline)
    except OSError:  # no descriptor is left: it is read and written
        pass
    finally:
        if splice is None:
            stream.take_reading_back()
    return splice


def framed(pieces: list[bytes], body: Body, *, chunked: bool, trailers: Trailers | None = None) -> list[bytes]:
    """Pieces of a body as the buffers to write, with the last chunk where the body is complete."""
    if len(pieces) > 1 and sum(map(len, pieces)) < len(pieces) * _TINY_PIECE_BYTES:
        pieces = [b"".join(pieces)]
    if not chunked:
        return pieces
    buffers = writer.chunks(pieces)
    if body.complete:
        buffers.append(writer.last_chunk(trailers(body.trailers) if trailers is not None else []))
    return buffers


def write_all(stream: Stream, buffers: list[bytes]) -> None:
    """Write buffers in order: joined where they are small, untouched where they are not."""
    if len(buffers) == 1:
        stream.write(buffers[0])
    elif len(buffers) == 2 and len(buffers[0]) + len(buffers[1]) <= _JOIN_BYTES:
        stream.write(buffers[0] + buffers[1])  # a head, and a body that came in one piece
    elif sum(map(len, buffers)) <= _JOIN_BYTES:
        stream.write(b"".join(buffers))
    else:
        stream.writelines(buffers)
