"""Deadlines as attributes of streams, swept by one timer per worker: no request costs a timer."""

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

NEVER: Final = float("inf")
#: Reading pauses while this much is unread: one busy peer's burst, times thousands of connections, is what it costs.
BUFFER_BYTES: Final = 65_536
#: How many bytes of a body must still be to come for it to be moved within the kernel: setting that up takes 20 µs.
SPLICED_FROM_BYTES: Final = 524_288


class Expiring(Protocol):
    """Something that is open and has deadlines: a stream."""

    @property
    def next_deadline(self) -> float:
        """The loop time at which something is overdue; `NEVER` where nothing can be."""

    def expire(self, now: float) -> None:
        """Do what is due by `now` (loop time)."""

    def cut(self) -> None:
        """End at once: the worker does."""


class Deadlines:
    """All open streams of a worker, what they share, and the one timer that looks at their deadlines.

    A deadline is noticed up to `interval_s` late, or twice that after the loop was held up: time-outs are seconds, and
    need no better.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        interval_s: float = 0.25,
        buffer_bytes: int = BUFFER_BYTES,
        splices: int = 0,
    ) -> None:
        """`buffer_bytes` is what a connection may hold in each direction, once its receiver is slow. `splices` is how
        many bodies may be moved within the kernel at once: each needs `pipe.DESCRIPTORS`."""
        self.loop = loop
        self.buffer_bytes = buffer_bytes
        self.scratch = memoryview(bytearray(buffer_bytes))  # for reads of no more than that
        self.full_reads = 0  # in this turn of the loop
        self.most_splices = splices
        self.splices = 0  # under way
        self.spliced_from_bytes = SPLICED_FROM_BYTES
        self.streams: set[Expiring] = set()
        self.on_sweep: list[Callable[[float], None]] = []
        self.interval_s = interval_s
        self._timer: asyncio.TimerHandle | None = None
        self._sweeps_at = 0.0

    def begin_turn(self) -> None:
        """The loop's next turn has begun: full reads are counted anew."""
        self.full_reads = 0

    def start(self) -> None:
        """Begin sweeping."""
        self._sweeps_at = self.loop.time() + self.interval_s
        self._timer = self.loop.call_at(self._sweeps_at, self._sweep)

    def stop(self) -> None:
        """End sweeping, and every stream that is still there."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for stream in list(self.streams):
            stream.cut()

    def _sweep(self) -> None:
        now = self.loop.time()
        # Where the loop was held up, what came in time may not be read yet: libuv runs timers before it polls sockets.
        # Whatever fell due since this sweep should have run is left to the next one.
        due_by = min(now, self._sweeps_at)
        self.start()
        due = [(stream.expire, due_by) for stream in self.streams if stream.next_deadline < due_by]
        for call, at in [*due, *[(call, now) for call in self.on_sweep]]:
            try:
                call(at)
            except Exception as exc:  # else a defect met by one stream would end the deadlines of all others
                self.loop.call_exception_handler({"message": "a sweep of deadlines failed", "exception": exc})
