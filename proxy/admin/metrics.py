"""The metrics for Prometheus: the counters of all processes, added at each scrape.

Every name and label is in docs/metrics.md. Label values come from the configuration or from fixed sets.
"""

from collections.abc import Iterator
from itertools import accumulate, compress
from time import monotonic, time
from typing import Final

from proxy import __version__
from proxy.admin.exposition import Lines, Series
from proxy.admin.instance import Instance
from proxy.telemetry import series
from proxy.telemetry.counters import Counted
from proxy.telemetry.series import (
    BUCKETS,
    CONNECTION_STATES,
    DIRECTIONS,
    ERRORS,
    HANDSHAKES,
    METHODS,
    OTHER,
    RELOADS,
    RETRY_REASONS,
    STATUSES,
    STRIPPED,
    Kind,
)

_BOUNDS: Final = (*map(str, BUCKETS), "+Inf")


class Metrics:
    """The metrics of an instance."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._ledger = instance.ledger
        self._series = Series()

    def __call__(self) -> Iterator[Lines]:
        """Everything, as it is now."""
        yield self._one("build_info", 1, __version__)
        counted = self._ledger.counted()
        yield from self._of_routes(counted)
        yield from self._of_instance(counted)
        yield from self._of_upstreams(counted)
        yield from self._of_processes()

    def _one(self, name: str, value: float, *labels: str) -> Lines:
        return Lines(name, [self._series.line(name, value, *labels)])

    def _of_routes(self, counted: Counted) -> Iterator[Lines]:
        requests, durations = Lines("requests", []), Lines("request_duration_seconds", [])
        line, ended = self._series.line, 0
        for (route,), place in counted.places(Kind.ROUTE):
            for number, row in counted.rows(place, len(STATUSES), 0, series.BUCKETS_START):
                ended += sum(row)
                for status, count in zip(compress(STATUSES, row), filter(None, row), strict=True):
                    requests.lines.append(line("requests", count, route, METHODS[number], status))
            values: list[float] = list(accumulate(counted.row(place, series.BUCKETS_START, series.BUCKETS_END)))
            if route or values[-1]:
                values += (values[-1], self._ledger.seconds(route))
                durations.lines.extend(self._series.histogram("request_duration_seconds", _BOUNDS, values, route))
        yield requests
        yield durations
        # Those that have begun are read last: else one could have ended that had not begun.
        begun = sum(seat.started()[0] for seat in self._ledger.seats.values())
        lost = counted.of(Kind.INSTANCE)[series.LOST]
        yield self._one("requests_lost", lost)
        yield self._one("requests_in_flight", max(begun - ended - lost, 0))

    def _of_instance(self, counted: Counted) -> Iterator[Lines]:
        block, line = counted.of(Kind.INSTANCE), self._series.line
        sizes, stripped = Lines("bytes", []), Lines("fields_stripped", [])
        for place, direction in enumerate(DIRECTIONS):
            sizes.lines.append(line("bytes", block[(series.REQUEST_BYTES, series.RESPONSE_BYTES)[place]], direction))
            for number, reason in enumerate(STRIPPED):
                count = block[series.stripped_place(place, number)]
                stripped.lines.append(line("fields_stripped", count, direction, reason))
        errors = [line("errors", count, code) for code in ERRORS if (count := block[series.error_place(code)])]
        reloads = [line("reloads", block[series.reload_place(result)], result) for result in RELOADS]
        spans = ("exported", series.SPANS_EXPORTED), ("dropped", series.SPANS_DROPPED)
        traced = [line("trace_spans", block[place], result) for result, place in spans]
        yield from (sizes, stripped, Lines("errors", errors), Lines("reloads", reloads), Lines("trace_spans", traced))
        handshakes = [line("tls_handshakes", block[series.handshake_place(result)], result) for result in HANDSHAKES]
        yield Lines("tls_handshakes", handshakes)
        yield self._one("would_refuse", block[series.WOULD_REFUSE])
        yield self._one("worker_restarts", block[series.WORKER_RESTARTS])
        yield self._one("upstream_connections_opened", block[series.OPENED])

    def _of_upstreams(self, counted: Counted) -> Iterator[Lines]:
        line, gauges = self._series.line, self._ledger.gauges
        attempts, connections = Lines("upstream_requests", []), Lines("upstream_connections", [])
        retries, waiting = Lines("retries", []), Lines("upstream_requests_waiting", [])
        for (upstream,), place in counted.places(Kind.UPSTREAM):
            for reason, count in zip(RETRY_REASONS, counted.row(place, 0, len(RETRY_REASONS)), strict=True):
                if count or reason == RETRY_REASONS[0]:
                    retries.lines.append(line("retries", count, upstream, reason))
            value = gauges(Kind.UPSTREAM, (upstream,))[series.WAITING]
            waiting.lines.append(line("upstream_requests_waiting", value, upstream))
        reused, width = 0, len(STATUSES)
        for name, place in counted.places(Kind.ORIGIN):
            rows = dict(counted.rows(place, width, 0, 2 * width))
            if not rows and name[1] == OTHER:
                continue
            reused += sum(rows.get(1, ()))
            both = list(map(sum, zip(*rows.values(), strict=True)))
            for status, count in zip(compress(STATUSES, both), filter(None, both), strict=True):
                attempts.lines.append(line("upstream_requests", count, *name, status))
            for state, value in zip(CONNECTION_STATES, gauges(Kind.ORIGIN, name), strict=True):
                connections.lines.append(line("upstream_connections", value, *name, state))
        yield from (attempts, connections, retries, waiting)
        yield self._one("upstream_connections_reused", reused)
        healthy = [
            line("upstream_healthy", is_healthy, *origin) for origin, is_healthy in self._instance.healthy().items()
        ]
        yield Lines("upstream_healthy", healthy)

    def _of_processes(self) -> Iterator[Lines]:
        instance, line = self._instance, self._series.line
        workers = instance.workers(monotonic())
        yield self._one("client_connections", sum(worker.clients for worker in workers))
        stalled = sum(worker.is_stalled for worker in workers)
        states = ("serving", len(workers) - stalled), ("stalled", stalled)
        yield Lines("workers", [line("workers", count, state) for state, count in states])
        yield self._one("event_loop_lag_seconds", max((worker.lag_s for worker in workers), default=0.0))
        yield self._one("config_generation", instance.generation())
        now = time()
        expiries = [
            line("certificate_expiry_seconds", found.expires_at - now, certificate)
            for certificate, found in instance.certificates().items()
        ]
        yield Lines("certificate_expiry_seconds", expiries)
