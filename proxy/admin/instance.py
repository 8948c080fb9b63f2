"""What the admin listener knows of the instance: its counts, its processes, and what else the control process does."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Final, NamedTuple, TypeAlias

from proxy.config.describe import RouteInWords, UpstreamInWords
from proxy.telemetry import series
from proxy.telemetry.counters import Ledger
from proxy.telemetry.series import Kind, Name
from proxy.transport.certificates import Described

#: By upstream and origin: whether it is used.
Healthy: TypeAlias = Callable[[], Mapping[tuple[str, str], bool]]
#: By its path: what a certificate says.
Certificates: TypeAlias = Callable[[], Mapping[str, Described]]

#: A worker writes four times a second: one that has not for so long is busy with something, or hangs.
_STALLED_S: Final = 2.0
_BEAT_S: Final = 0.25


class WorkerState(NamedTuple):
    """A worker, as its gauges show it. No worker is asked: one that hangs holds up nobody."""

    pid: int
    is_stalled: bool
    silent_s: float  # since it wrote its gauges
    lag_s: float  # how late its event loop was lately, or is
    clients: int
    in_flight: int
    requests: int  # of all workers that had its seat
    generation: int
    since: float  # when it was forked (monotonic time)


#: By upstream: what is known of each address of its origins.
Addresses: TypeAlias = Callable[[], Mapping[str, list[dict[str, Any]]]]


#: The configuration in effect: key, value as it may be shown, and where it comes from.
Settings: TypeAlias = Callable[[], list[tuple[str, str, str]]]


def _no_settings() -> list[tuple[str, str, str]]:
    return []


def _no_addresses() -> Mapping[str, list[dict[str, Any]]]:
    return {}


def _no_certificates() -> Mapping[str, Described]:
    return {}


@dataclass(frozen=True, kw_only=True)
class Instance:
    """Handed to everything that the admin listener shows."""

    ledger: Ledger
    parent: int  # the seat of the parent
    pseudonym: str
    is_ready: Callable[[], bool]  # False once it is to stop
    #: Whether this control process is to end, because another one answers now. It does not know that one's workers.
    is_replaced: Callable[[], bool] = lambda: False
    healthy: Healthy
    origins: Mapping[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)  # by route, those that serve it
    addresses: Addresses = _no_addresses
    certificates: Certificates = _no_certificates
    routes: Mapping[str, RouteInWords] = field(default_factory=dict)
    upstreams: Mapping[str, UpstreamInWords] = field(default_factory=dict)
    settings: Settings = _no_settings

    def gauges(self, place: int, kind: Kind, name: Name = ()) -> Iterator[float]:
        """One gauge of every seat."""
        for seat in self.ledger.seats.values():
            if (gauges := seat.gauges(kind, name)) is not None:
                yield gauges[place]

    def serves(self) -> bool:
        """Whether a worker is there that answers."""
        return any(not worker.is_stalled for worker in self.workers(monotonic()))

    def generation(self) -> int:
        """The number of the configuration that is served."""
        return int(self._of_parent(series.GENERATION))

    def started(self) -> float:
        """When the instance was started (monotonic time)."""
        return self._of_parent(series.SINCE)

    def _of_parent(self, place: int) -> float:
        seat = self.ledger.seats.get(self.parent)
        gauges = seat.gauges() if seat is not None else None
        return gauges[place] if gauges is not None else 0.0

    def workers(self, now: float) -> list[WorkerState]:
        """All workers that live, by seat. `now` is monotonic time."""
        found = []
        for seat in self.ledger.seats.values():
            gauges = seat.gauges()
            if gauges is None or not gauges[series.PID]:
                continue
            silent_s = max(now - gauges[series.BEAT], 0.0) if gauges[series.BEAT] else 0.0
            requests = seat.ended()
            found.append(
                WorkerState(
                    int(gauges[series.PID]),
                    silent_s > _STALLED_S,
                    silent_s,
                    max(gauges[series.LAG], silent_s - _BEAT_S, 0.0),
                    int(gauges[series.CLIENTS]),
                    max(seat.started()[0] - requests, 0),
                    requests,
                    int(gauges[series.GENERATION]),
                    gauges[series.SINCE],
                )
            )
        return found
