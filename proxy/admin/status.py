"""The instance at a glance, for people and scripts: what /status.json says."""

from time import monotonic
from typing import Any

from proxy import __version__
from proxy.admin.instance import Instance
from proxy.telemetry import series
from proxy.telemetry.series import CONNECTION_STATES, STATUSES, Kind


def status(instance: Instance) -> dict[str, Any]:
    """Everything that it says. Counts are those since the instance was started."""
    ledger = instance.ledger
    workers = instance.workers(monotonic())
    return {
        "version": __version__,
        "generation": instance.generation(),
        "ready": instance.is_ready(),
        "requests": sum(seat.ended() for seat in ledger.seats.values()),
        "requests_in_flight": sum(worker.in_flight for worker in workers),
        "client_connections": sum(worker.clients for worker in workers),
        "workers": [
            {
                "pid": worker.pid,
                "state": "stalled" if worker.is_stalled else "serving",
                "silent_s": round(worker.silent_s, 3),
                "event_loop_lag_s": round(worker.lag_s, 3),
                "client_connections": worker.clients,
                "requests_in_flight": worker.in_flight,
                "requests": worker.requests,
            }
            for worker in workers
        ],
        "routes": {route: _route(instance, route) for (route,) in ledger.names(Kind.ROUTE) if route},
        "upstreams": {upstream: _upstream(instance, upstream) for (upstream,) in ledger.names(Kind.UPSTREAM)},
    }


def _route(instance: Instance, route: str) -> dict[str, Any]:
    block = instance.ledger.totals(Kind.ROUTE, (route,))[: series.BUCKETS_START]
    by_status: dict[str, int] = {}
    for place, count in enumerate(block):
        if count:
            status_label = STATUSES[place % len(STATUSES)]
            by_status[status_label] = by_status.get(status_label, 0) + count
    return {"requests": sum(block), "statuses": by_status, "without_origin": route in routes_without_origin(instance)}


def _upstream(instance: Instance, upstream: str) -> dict[str, Any]:
    healthy = instance.healthy()
    origins = {}
    for name in instance.ledger.names(Kind.ORIGIN):
        if name[0] != upstream or (name[0], name[1]) not in healthy:
            continue
        connections = {
            state: int(sum(instance.gauges(place, Kind.ORIGIN, name))) for place, state in enumerate(CONNECTION_STATES)
        }
        attempts = sum(instance.ledger.totals(Kind.ORIGIN, name))
        origins[name[1]] = {"healthy": healthy[name[0], name[1]], "attempts": attempts, "connections": connections}
    return {"origins": origins, "addresses": instance.addresses().get(upstream, [])}


def routes_without_origin(instance: Instance) -> list[str]:
    """The routes all of whose origins are left out."""
    healthy = instance.healthy()
    return [
        route
        for route, origins in instance.origins.items()
        if origins and not any(healthy.get(origin, True) for origin in origins)
    ]
