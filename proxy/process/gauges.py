"""What a worker writes into its gauges four times a second, and when it opens a connection."""

import os
from collections.abc import Callable, Iterable, Mapping
from time import monotonic
from typing import Final, Protocol

from proxy.downstream.listener import Listener
from proxy.telemetry import series
from proxy.telemetry.counters import Seat
from proxy.telemetry.counting import Counting
from proxy.telemetry.series import Kind
from proxy.transport.deadlines import Deadlines
from proxy.upstream.census import Census, Count
from proxy.upstream.connection import UpstreamConnection
from proxy.upstream.pool import Pool
from proxy.upstream.service import Service

#: More connections are counted at the next sweep: among 5,000 tunnels, that takes two milliseconds.
_COUNTED_AT_ONCE: Final = 128
_LAG_KEPT_S: Final = 15.0  # the usual time between two scrapes by Prometheus


class Limited(Protocol):
    """The connections of an upstream, which are limited."""

    @property
    def waiting(self) -> int:
        """How many requests wait for one."""


def keep_gauges(
    seat: Seat,
    counting: Counting,
    origins: Iterable[tuple[str, str]],
    deadlines: Deadlines,
    pool: Pool,
    listener: Listener,
    services: Mapping[str, Service],
) -> None:
    """Keep the gauges of a worker up to date. `origins` are pairs of an upstream's name and an origin's label."""
    census = Census()
    limits = {name: service.limit for name, service in services.items() if service.limit is not None}
    gauges = Gauges(seat, os.getpid(), monotonic(), deadlines.interval_s, origins, census.counts, limits)
    deadlines.on_sweep.append(lambda _: gauges.update(monotonic()))
    listener.on_clients = gauges.clients

    def opened(connection: UpstreamConnection) -> None:
        census.opened(connection)
        if len(census) <= _COUNTED_AT_ONCE:
            gauges.count_connections()
        counting.opened()

    pool.on_opened.append(opened)


class Gauges:
    """The gauges of one worker."""

    def __init__(
        self,
        seat: Seat,
        pid: int,
        now: float,
        interval_s: float,
        origins: Iterable[tuple[str, str]],
        counts: Callable[[], Mapping[str, Count]],
        limits: Mapping[str, Limited] | None = None,
    ) -> None:
        """`update` is called every `interval_s`. `origins` are pairs of an upstream's name and an origin's label;
        `counts` says how many connections there are to each, `limits` are those of upstreams."""
        gauges = seat.gauges()
        assert gauges is not None
        self._gauges = gauges
        self._interval_s = interval_s
        self._counts = counts
        # The pool is shared: connections to an origin of two upstreams are counted once, for the first of them.
        self._cells: dict[str, memoryview[float]] = {}
        for upstream, label in origins:
            other = (upstream, series.OTHER)  # an origin that the parent's configuration has not
            cells = seat.gauges(Kind.ORIGIN, (upstream, label)) or seat.gauges(Kind.ORIGIN, other)
            if cells is not None:
                self._cells.setdefault(label, cells)
        self._waiting = [
            (cells, limit)
            for upstream, limit in (limits or {}).items()
            if (cells := seat.gauges(Kind.UPSTREAM, (upstream,))) is not None
        ]
        self._updated_at = 0.0
        self._worst: tuple[float, float] = (0.0, 0.0)  # lag, and until when it is shown
        gauges[series.PID] = float(pid)
        self.update(now)

    def update(self, now: float) -> None:
        """Write everything. `now` is monotonic time."""
        if self._updated_at:
            lag = max(now - self._updated_at - self._interval_s, 0.0)
            worst, until = self._worst
            if lag >= worst or now >= until:
                self._worst = lag, now + _LAG_KEPT_S
            self._gauges[series.LAG] = self._worst[0]
        self._gauges[series.BEAT] = self._updated_at = now
        for cells, limit in self._waiting:
            cells[series.WAITING] = float(limit.waiting)
        self.count_connections()

    def clients(self, number: int) -> None:
        """Note how many clients are connected."""
        self._gauges[series.CLIENTS] = float(number)

    def count_connections(self) -> None:
        """Count the connections to each origin anew: some were opened, taken or given back."""
        counts = self._counts()
        for label, cells in self._cells.items():
            cells[series.IDLE], cells[series.ACTIVE] = map(float, counts.get(label, (0, 0)))
