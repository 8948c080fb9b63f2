"""The status of the instance, for people and scripts: /status.json, which the status page shows."""

from time import monotonic, time
from typing import Any

from proxy import __version__
from proxy.admin.instance import Instance, WorkerState
from proxy.admin.problems import problems
from proxy.admin.recent import Look, Recent, look, rates
from proxy.telemetry import series
from proxy.telemetry.error_codes import ERROR_CODES
from proxy.telemetry.series import CONNECTION_STATES, DIRECTIONS, RETRY_REASONS, Kind


class Status:
    """Makes the status. Counts are since the start of the instance; `recent` is the last minute."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._recent = Recent(look(instance.ledger, monotonic()))

    def __call__(self) -> dict[str, Any]:
        """The whole status, as JSON types."""
        instance, now = self._instance, look(self._instance.ledger, monotonic())
        before = self._recent.before(now)
        window_s = now.at - before.at
        workers = instance.workers(now.at)
        counted = instance.ledger.counted()
        block = counted.of(Kind.INSTANCE)
        out = set(routes_without_origin(instance))
        addresses, healthy = instance.addresses(), instance.healthy()
        certificates = [
            {"certificate": path, "names": list(found.names), "expires_at": found.expires_at}
            for path, found in instance.certificates().items()
        ]
        upstreams: dict[str, dict[str, Any]] = {
            name: self._upstream(name, addresses.get(name, []), counted.of(Kind.UPSTREAM, (name,)))
            for (name,) in instance.ledger.names(Kind.UPSTREAM)
        }
        for (upstream, origin), is_healthy in healthy.items():
            if upstream in upstreams:
                upstreams[upstream]["origins"][origin] = self._origin(upstream, origin, is_healthy, now, before)
        total = now.all
        return {
            "version": __version__,
            "at": round(time(), 3),
            "started_at": self._since(instance.started(), now.at),
            "generation": instance.generation(),
            "ready": instance.is_ready(),
            "problems": problems(instance, workers, addresses, time()),
            "requests": total.requests,
            "requests_lost": block[series.LOST],
            "requests_in_flight": sum(worker.in_flight for worker in workers),
            "client_connections": sum(worker.clients for worker in workers),
            "recent": {"window_s": round(window_s, 3), **rates(total.since(before.all), window_s)},
            "latency_s": rates(total, 0)["latency_s"],
            "bytes": dict(zip(DIRECTIONS, (block[series.REQUEST_BYTES], block[series.RESPONSE_BYTES]), strict=True)),
            "errors": {
                code: {
                    "meaning": ERROR_CODES[code].meaning if code in ERROR_CODES else "",
                    "count": count,
                    "recent": count - before.errors.get(code, 0),
                }
                for code, count in now.errors.items()
            },
            "reloads": {result: block[series.reload_place(result)] for result in series.RELOADS},
            "worker_restarts": block[series.WORKER_RESTARTS],
            "workers": [self._worker(worker, now.at) for worker in workers],
            "routes": {
                route: {
                    **(instance.routes[route]._asdict() if route in instance.routes else {}),
                    "requests": totals.requests,
                    "statuses": totals.statuses,
                    "without_origin": route in out,
                    "recent": rates(totals.since(before.routes.get(route)), window_s),
                    "latency_s": rates(totals, 0)["latency_s"],
                }
                for route, totals in now.routes.items()
                if route
            },
            "unmatched_requests": now.routes[""].requests,
            "upstreams": upstreams,
            "certificates": certificates,
        }

    def _since(self, monotonic_s: float, now: float) -> float | None:
        """As Unix time."""
        return round(time() - now + monotonic_s, 3) if monotonic_s else None

    def _worker(self, worker: WorkerState, now: float) -> dict[str, Any]:
        return {
            "pid": worker.pid,
            "generation": worker.generation,
            "started_at": self._since(worker.since, now),
            "state": "stalled" if worker.is_stalled else "serving",
            "silent_s": round(worker.silent_s, 3),
            "event_loop_lag_s": round(worker.lag_s, 3),
            "client_connections": worker.clients,
            "requests_in_flight": worker.in_flight,
            "requests": worker.requests,
        }

    def _upstream(self, name: str, addresses: list[dict[str, Any]], retries: list[int]) -> dict[str, Any]:
        instance = self._instance
        return {
            **(instance.upstreams[name]._asdict() if name in instance.upstreams else {}),
            "requests_waiting": int(instance.ledger.gauges(Kind.UPSTREAM, (name,))[series.WAITING]),
            "retries": {reason: count for reason, count in zip(RETRY_REASONS, retries, strict=True) if count},
            "origins": {},
            "addresses": addresses,
        }

    def _origin(self, upstream: str, origin: str, is_healthy: bool, now: Look, before: Look) -> dict[str, Any]:
        name = (upstream, origin)
        attempts, failed = now.attempts.get(name, (0, 0))
        attempts_before, failed_before = before.attempts.get(name, (0, 0))
        window_s = now.at - before.at
        return {
            "healthy": is_healthy,
            "attempts": attempts,
            "failed": failed,
            "attempts_per_s": round((attempts - attempts_before) / window_s, 3) if window_s > 0 else None,
            "failed_per_s": round((failed - failed_before) / window_s, 3) if window_s > 0 else None,
            "connections": {
                state: int(number)
                for state, number in zip(
                    CONNECTION_STATES, self._instance.ledger.gauges(Kind.ORIGIN, name), strict=True
                )
            },
        }


def routes_without_origin(instance: Instance) -> list[str]:
    """The routes all of whose origins are left out."""
    healthy = instance.healthy()
    return [
        route
        for route, origins in instance.origins.items()
        if origins and not any(healthy.get(origin, True) for origin in origins)
    ]
