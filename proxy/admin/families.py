"""The names of the metrics: their types, their labels, and what they say. docs/metrics.md is made from it."""

from typing import Final, NamedTuple


class Family(NamedTuple):
    """A metric: all series of one name."""

    type: str
    labels: tuple[str, ...]
    help: str


def _counter(help: str, *labels: str) -> Family:
    return Family("counter", labels, help)


def _gauge(help: str, *labels: str) -> Family:
    return Family("gauge", labels, help)


#: By name, without `onehop_` and `_total`.
FAMILIES: Final = {
    "build_info": _gauge("Always 1; which version runs.", "version"),
    "requests": _counter(
        "Exchanges that have ended. route is empty where no route matched, or the request could not be read.",
        "route", "method", "status",
    ),
    "requests_lost": _counter(
        "Exchanges that were under way in a worker as it was killed or crashed. Together with requests and "
        "requests_in_flight they are all that have begun."
    ),
    "request_duration_seconds": Family(
        "histogram", ("route",),
        "From a request head's last byte to the end of its exchange. Tunnels and requests that could not be read are "
        "left out.",
    ),
    "bytes": _counter(
        "Bytes of bodies and tunnels: of requests as they were received, of responses as they were sent.", "direction"
    ),
    "fields_stripped": _counter(
        "Field lines that were not forwarded: nominated by Connection, hop-by-hop by definition, or allowed from "
        "trusted peers only. Of forwarded heads, interim responses and trailers; without replaced lines.",
        "direction", "reason",
    ),
    "errors": _counter("Exchanges that failed, by the error code that the logs also use.", "error"),
    "reloads": _counter("Configurations that were read again.", "result"),
    "tls_handshakes": _counter(
        "TLS handshakes with clients: full, resumed by a ticket (of any worker), and those that failed.", "result"
    ),
    "trace_spans": _counter(
        "Spans that a collector accepted, and those that were dropped because it was slow or unreachable.", "result"
    ),
    "would_refuse": _counter("Requests that a limit with dry_run would have refused."),
    "worker_restarts": _counter("Workers that ended unexpectedly."),
    "upstream_connections_opened": _counter("Connections that were opened."),
    "upstream_requests": _counter(
        "Attempts at an origin that have ended. status is what it answered; none: no response head.",
        "upstream", "origin", "status",
    ),
    "upstream_connections": _gauge(
        "Open connections, a quarter of a second ago: idle, or active, with an exchange on it.",
        "upstream", "origin", "state",
    ),
    "retries": _counter(
        "Attempts that failed and were followed by another, by what the failure was; closed_idle: an idle connection "
        "that its service closed as it was taken.",
        "upstream", "reason",
    ),
    "upstream_connections_reused": _counter("Attempts on a connection that was open already."),
    "upstream_requests_waiting": _gauge(
        "Requests that wait for a connection, where max_connections is set.", "upstream"
    ),
    "upstream_healthy": _gauge("1 where an origin is used, 0 where it is left out.", "upstream", "origin"),
    "requests_in_flight": _gauge("Exchanges under way, tunnels included."),
    "client_connections": _gauge("Clients that are connected."),
    "workers": _gauge("Worker processes by state: serving, or stalled (the event loop is blocked).", "state"),
    "event_loop_lag_seconds": _gauge("The longest delay of a worker's event loop in the last 15 seconds."),
    "config_generation": _gauge("How many configurations have been served, this one included."),
    "certificate_expiry_seconds": _gauge("Time until a certificate expires; negative once it has.", "certificate"),
}  # fmt: skip
