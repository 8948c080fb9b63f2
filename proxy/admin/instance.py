"""What the admin listener reads about the instance: its counters, its workers, and results of the control process."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Final, NamedTuple, TypeAlias

from proxy.config.describe import RouteInWords, UpstreamInWords
from proxy.telemetry import series
from proxy.telemetry.counters import Ledger, Seat
from proxy.transport.certificates import Described

#: By upstream and origin: whether it is used.
Healthy: TypeAlias = Callable[[], Mapping[tuple[str, str], bool]]
#: By its path: names and expiry of a certificate.
Certificates: TypeAlias = Callable[[], Mapping[str, Described]]

#: A worker writes its gauges four times a second. One that has not for this long counts as stalled.
_STALLED_S: Final = 2.0
_BEAT_S: Final = 0.25


class WorkerState(NamedTuple):
    """A worker, by its gauges in shared memory: reading them does not wait for a worker that hangs."""

    pid: int
    is_stalled: bool
    silent_s: float  # since it wrote its gauges
    lag_s: float  # the longest recent delay of its event loop, or the present one
    clients: int
    generation: int
    since: float  # when it was forked (monotonic time)
    seat: Seat

    @property
    def requests(self) -> int:
        """How many exchanges have ended, of all workers that have had this seat."""
        return self.seat.ended()

    @property
    def in_flight(self) -> int:
        """How many exchanges are under way."""
        return max(self.seat.in_flight(), 0)


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
    """Everything that pages, probes and metrics are made from."""

    ledger: Ledger
    parent: int  # the seat of the parent
    pseudonym: str
    is_ready: Callable[[], bool]  # False once it was told to stop
    #: Whether this control process ends because another one replaced it. It does not see the other one's workers.
    is_replaced: Callable[[], bool] = lambda: False
    healthy: Healthy
    origins: Mapping[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)  # by route, those that serve it
    addresses: Addresses = _no_addresses
    certificates: Certificates = _no_certificates
    routes: Mapping[str, RouteInWords] = field(default_factory=dict)
    upstreams: Mapping[str, UpstreamInWords] = field(default_factory=dict)
    settings: Settings = _no_settings

    def serves(self) -> bool:
        """Whether at least one worker is not stalled."""
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
        """All living workers, by seat. `now` is monotonic time."""
        found = []
        for seat in self.ledger.seats.values():
            gauges = seat.gauges()
            if gauges is None or not gauges[series.PID]:
                continue
            silent_s = max(now - gauges[series.BEAT], 0.0) if gauges[series.BEAT] else 0.0
            found.append(
                WorkerState(
                    int(gauges[series.PID]),
                    silent_s > _STALLED_S,
                    silent_s,
                    max(gauges[series.LAG], silent_s - _BEAT_S, 0.0),
                    int(gauges[series.CLIENTS]),
                    int(gauges[series.GENERATION]),
                    gauges[series.SINCE],
                    seat,
                )
            )
        return found
