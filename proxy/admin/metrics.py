"""The metrics for Prometheus: the counters of all processes, summed at each scrape.

Every name and label is in docs/metrics.md. Label values come from the configuration or from fixed sets.
"""

from collections.abc import Iterator
from time import monotonic, time
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from proxy import __version__
from proxy.admin.instance import Instance
from proxy.telemetry import series
from proxy.telemetry.series import (
    BUCKETS,
    CONNECTION_STATES,
    DIRECTIONS,
    ERRORS,
    METHODS,
    OTHER,
    RELOADS,
    RETRY_REASONS,
    STATUSES,
    STRIPPED,
    Kind,
)

#: By name, without `onehop_` and `_total`; the type is that of the family.
HELP: Final = {
    "build_info": "Always 1; which version runs.",
    "requests": "Exchanges that have ended. route is empty where no route matched, or the request could not be read.",
    "request_duration_seconds": "From a request head's last byte to the end of its exchange. Tunnels and requests that "
    "could not be read are left out.",
    "requests_in_flight": "Exchanges under way, tunnels included.",
    "client_connections": "Clients that are connected.",
    "bytes": "Bytes of bodies and tunnels: of requests as they were received, of responses as they were sent.",
    "upstream_requests": "Attempts at an origin that have ended. status is what it answered; none: no response head.",
    "upstream_connections": "Open connections, a quarter of a second ago: idle, or active, with an exchange on it.",
    "upstream_connections_opened": "Connections that were opened.",
    "upstream_connections_reused": "Attempts on a connection that was open already.",
    "upstream_requests_waiting": "Requests that wait for a connection, where max_connections is set.",
    "upstream_healthy": "1 where an origin is used, 0 where it is left out.",
    "retries": "Attempts that failed and were followed by another, by what the failure was; closed_idle: an idle "
    "connection that its service closed as it was taken.",
    "fields_stripped": "Field lines that were not forwarded: nominated by Connection, hop-by-hop by definition, or "
    "allowed from trusted peers only. Of forwarded heads, interim responses and trailers; without replaced lines.",
    "errors": "Exchanges that failed, by the error code that the logs also use.",
    "would_refuse": "Requests that a limit with dry_run would have refused.",
    "trace_spans": "Spans that a collector accepted, and those that were dropped because it was slow or unreachable.",
    "reloads": "Configurations that were read again.",
    "config_generation": "How many configurations have been served, this one included.",
    "worker_restarts": "Workers that ended unexpectedly.",
    "workers": "Worker processes by state: serving, or stalled (the event loop is blocked).",
    "certificate_expiry_seconds": "Time until a certificate expires; negative once it has.",
    "event_loop_lag_seconds": "The longest delay of a worker's event loop in the last 15 seconds.",
}


class Metrics(Collector):
    """The metrics of an instance."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._ledger = instance.ledger

    def registry(self) -> CollectorRegistry:
        """What the exposition formats are made from."""
        registry = CollectorRegistry(auto_describe=False)
        registry.register(self)
        return registry

    def describe(self) -> list[Metric]:
        """No metrics: registering must not cause a scrape."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Everything, as it is now."""
        info = _gauge("build_info", "version")
        info.add_metric([__version__], 1)
        yield info
        yield from self._of_routes()
        yield from self._of_instance()
        yield from self._of_upstreams()
        yield from self._of_processes()

    def _of_routes(self) -> Iterator[Metric]:
        requests = _counter("requests", "route", "method", "status")
        durations = HistogramMetricFamily(
            "onehop_request_duration_seconds", HELP["request_duration_seconds"], labels=["route"]
        )
        for (route,) in self._ledger.names(Kind.ROUTE):
            block = self._ledger.totals(Kind.ROUTE, (route,))
            for place, count in enumerate(block[: series.BUCKETS_START]):
                if count:  # of hundreds of combinations, a service has a handful
                    method, status = divmod(place, len(STATUSES))
                    requests.add_metric([route, METHODS[method], STATUSES[status]], count)
            total, buckets = 0, []
            for bound, count in zip((*map(str, BUCKETS), "+Inf"), block[series.BUCKETS_START :], strict=False):
                total += count
                buckets.append((bound, float(total)))
            if route or total:
                durations.add_metric([route], buckets, self._ledger.seconds(route))
        yield requests
        yield durations

    def _of_instance(self) -> Iterator[Metric]:
        block = self._ledger.totals(Kind.INSTANCE)
        sizes = _counter("bytes", "direction")
        stripped = _counter("fields_stripped", "direction", "reason")
        for place, direction in enumerate(DIRECTIONS):
            sizes.add_metric([direction], block[(series.REQUEST_BYTES, series.RESPONSE_BYTES)[place]])
            for number, reason in enumerate(STRIPPED):
                stripped.add_metric([direction, reason], block[series.stripped_place(place, number)])
        errors, reloads = _counter("errors", "error"), _counter("reloads", "result")
        for code in ERRORS:
            if count := block[series.error_place(code)]:
                errors.add_metric([code], count)
        for result in RELOADS:
            reloads.add_metric([result], block[series.reload_place(result)])
        traced = _counter("trace_spans", "result")
        traced.add_metric(["exported"], block[series.SPANS_EXPORTED])
        traced.add_metric(["dropped"], block[series.SPANS_DROPPED])
        yield from (sizes, stripped, errors, reloads, traced)
        for name, place in (
            ("would_refuse", series.WOULD_REFUSE),
            ("worker_restarts", series.WORKER_RESTARTS),
            ("upstream_connections_opened", series.OPENED),
        ):
            yield _counter(name, value=block[place])

    def _of_upstreams(self) -> Iterator[Metric]:
        attempts = _counter("upstream_requests", "upstream", "origin", "status")
        connections = _gauge("upstream_connections", "upstream", "origin", "state")
        retries = _counter("retries", "upstream", "reason")
        for (upstream,) in self._ledger.names(Kind.UPSTREAM):
            block = self._ledger.totals(Kind.UPSTREAM, (upstream,))
            for reason, count in zip(RETRY_REASONS, block, strict=True):
                if count or reason == RETRY_REASONS[0]:
                    retries.add_metric([upstream, reason], count)
        reused = 0
        for name in self._ledger.names(Kind.ORIGIN):
            block = self._ledger.totals(Kind.ORIGIN, name)
            fresh, open_before = block[: len(STATUSES)], block[len(STATUSES) :]
            reused += sum(open_before)
            for status, *counts in zip(STATUSES, fresh, open_before, strict=True):
                if any(counts):
                    attempts.add_metric([*name, status], sum(counts))
            if name[1] == OTHER and not any(block):
                continue
            for place, state in enumerate(CONNECTION_STATES):
                connections.add_metric([*name, state], sum(self._instance.gauges(place, Kind.ORIGIN, name)))
        yield from (attempts, connections, retries)
        yield _counter("upstream_connections_reused", value=reused)
        waiting = _gauge("upstream_requests_waiting", "upstream")
        for name in self._ledger.names(Kind.UPSTREAM):
            waiting.add_metric([*name], sum(self._instance.gauges(series.WAITING, Kind.UPSTREAM, name)))
        yield waiting
        healthy = _gauge("upstream_healthy", "upstream", "origin")
        for origin, is_healthy in self._instance.healthy().items():
            healthy.add_metric([*origin], float(is_healthy))
        yield healthy

    def _of_processes(self) -> Iterator[Metric]:
        instance, now = self._instance, monotonic()
        workers = instance.workers(now)
        yield _gauge("requests_in_flight", value=sum(worker.in_flight for worker in workers))
        yield _gauge("client_connections", value=sum(worker.clients for worker in workers))
        states = _gauge("workers", "state")
        states.add_metric(["serving"], sum(not worker.is_stalled for worker in workers))
        states.add_metric(["stalled"], sum(worker.is_stalled for worker in workers))
        yield states
        yield _gauge("event_loop_lag_seconds", value=max((worker.lag_s for worker in workers), default=0.0))
        yield _gauge("config_generation", value=instance.generation())
        expiry = _gauge("certificate_expiry_seconds", "certificate")
        for certificate, found in instance.certificates().items():
            expiry.add_metric([certificate], found.expires_at - time())
        yield expiry


def _counter(name: str, *labels: str, value: float | None = None) -> CounterMetricFamily:
    return CounterMetricFamily(f"onehop_{name}", HELP[name], value=value, labels=labels or None)


def _gauge(name: str, *labels: str, value: float | None = None) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"onehop_{name}", HELP[name], value=value, labels=labels or None)
