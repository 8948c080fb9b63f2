"""After a 101: bytes both ways, untouched, until one side is silent too long or both have ended."""

import asyncio
from enum import Enum, auto

from proxy.transport.fiber import Fiber
from proxy.transport.owner import SinkBlocked
from proxy.transport.stream import ConnectionEnded, Stream


class TunnelEnd(Enum):
    """Why a tunnel ended, as the log says it."""

    CLOSED = "closed"  # both sides have ended theirs
    IDLE = "idle"  # nothing moved for too long
    RESET_BY_CLIENT = "reset_by_client"
    RESET_BY_UPSTREAM = "reset_by_upstream"
    SHUT_DOWN = "shut_down"  # the worker ended first


class _DirectionEnd(Enum):
    """How one direction ended."""

    FINISHED = auto()  # its source has ended its side, and its sink is half-closed
    SINK_LOST = auto()  # its sink is gone; what that had sent before still goes the other way
    BROKEN = auto()  # its source broke, or somebody was silent for too long: the tunnel ends


class _TunnelForwarder:
    """Writes what arrives on one side to the other within the very read, without resuming a fiber."""

    __slots__ = ("_sink", "_source", "_tunnel")

    def __init__(self, tunnel: "Tunnel", source: Stream, sink: Stream) -> None:
        self._tunnel = tunnel
        self._source = source
        self._sink = sink

    def forward(self, data: bytes) -> bool:
        """Pass on what arrived; or return False, and the fiber gets it."""
        if self._sink.must_drain():
            return False
        deadline = self._tunnel.pass_on(data, self._sink)
        if self._sink.must_drain():
            self._source.interrupt_reader(SinkBlocked())
        else:
            self._source.set_read_deadline(deadline)
        return True


class Tunnel:
    """Two streams joined. The idle limits count progress in either direction; the byte counts are for the log.

    `half_closed_s` is the limit once one direction has ended.
    """

    def __init__(self, client: Stream, upstream: Stream, *, idle_s: float, half_closed_s: float) -> None:
        self._client = client
        self._upstream = upstream
        self._idle_s = idle_s
        self._half_closed_s = half_closed_s
        self._loop = asyncio.get_running_loop()
        self._last_progress = self._loop.time()
        self._waiting_for_sink = 0  # directions that wait for a slow reader
        self._end: TunnelEnd | None = None  # the first cause: what follows is only its effect
        self.bytes_up = 0
        self.bytes_down = 0

    async def run(self, from_client: bytes, from_upstream: bytes) -> TunnelEnd:
        """Pass on what arrived behind the heads, then everything else; return once both directions have ended, or one
        has broken. The client's stream is the caller's to close: it may still be sending."""
        if from_client:
            self.pass_on(from_client, self._upstream)
        if from_upstream:
            self.pass_on(from_upstream, self._client)
        upward = Fiber(self._pump(self._client, self._upstream))
        upward.resume()
        try:
            if await self._pump(self._upstream, self._client) is not _DirectionEnd.BROKEN:
                await upward.join()
        finally:
            upward.cancel()
        return self._end or TunnelEnd.CLOSED

    async def _pump(self, source: Stream, sink: Stream) -> _DirectionEnd:
        """Carry one direction to its end; then the sink is half-closed, and the other direction goes on."""
        source.forwarder = _TunnelForwarder(self, source, sink)
        try:
            while True:
                try:
                    data = await self._read(source)
                    if not data:
                        break
                    self.pass_on(data, sink)
                except SinkBlocked:
                    pass
                if sink.must_drain():
                    source.throttle()
                    sink.queue_little()
                    try:
                        await self._drain(sink)
                    except ConnectionEnded:
                        self._note_reset(sink)
                        return _DirectionEnd.SINK_LOST
        except TimeoutError:
            self._end = self._end or TunnelEnd.IDLE
        except ConnectionEnded:
            self._note_reset(source)
        else:
            sink.end_writing()
            self._idle_s = min(self._idle_s, self._half_closed_s)
            sink.set_read_deadline(self._loop.time() + self._idle_s)
            return _DirectionEnd.FINISHED
        finally:
            source.forwarder = None
        # A break of one direction ends the other, too. `close` still sends what is queued.
        self._upstream.close()
        return _DirectionEnd.BROKEN

    def _note_reset(self, side: Stream) -> None:
        by = TunnelEnd.RESET_BY_CLIENT if side is self._client else TunnelEnd.RESET_BY_UPSTREAM
        self._end = self._end or by

    def pass_on(self, data: bytes, sink: Stream) -> float:
        """Write to `sink` what arrived on the other side; return by when more is due from there (loop time)."""
        if sink is self._client:
            self.bytes_down += len(data)
        else:
            self.bytes_up += len(data)
        sink.write(data)
        self._last_progress = self._loop.time()
        return self._last_progress + self._idle_s

    async def _drain(self, sink: Stream) -> None:
        """Wait for a slow reader, as long as it takes anything or the other direction moves."""
        self._waiting_for_sink += 1
        try:
            while sink.must_drain():
                try:
                    await sink.drain(self._idle_s)
                except TimeoutError:
                    if self._is_idle():
                        raise
        finally:
            self._waiting_for_sink -= 1
        self._last_progress = self._loop.time()

    async def _read(self, source: Stream) -> bytes:
        deadline = self._last_progress + self._idle_s
        while True:
            try:
                return await source.read(deadline)
            except TimeoutError:
                if self._is_idle() and not self._waiting_for_sink:
                    raise
                # While the other direction waits for a slow reader, its own wait watches it.
                since = self._loop.time() if self._waiting_for_sink else self._last_progress
                deadline = since + self._idle_s

    def _is_idle(self) -> bool:
        return self._last_progress + self._idle_s <= self._loop.time()
