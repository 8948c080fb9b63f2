"""The last minute: rates and latency percentiles, from earlier snapshots of the counters.

A snapshot is kept each time the status is asked for, at most once a second: otherwise this costs nothing.
"""

from collections import deque
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from proxy.telemetry import series
from proxy.telemetry.counters import Ledger
from proxy.telemetry.series import BUCKETS, STATUSES, Kind

WINDOW_S: Final = 60.0
_APART_S: Final = 1.0  # between two snapshots that are kept
_ENOUGH_S: Final = 5.0  # a window of at least this length is preferred to one of more than a minute
_PERCENTILES: Final = (50, 90, 99)
#: Failures that are not the client's: 5xx, and exchanges without an answer. 499 is a client that left.
_FAILED: Final = frozenset(place for place, label in enumerate(STATUSES) if label[0] == "5" or label == "none")


class Totals(NamedTuple):
    """Counts of some exchanges."""

    requests: int
    failed: int
    buckets: tuple[int, ...]  # of the histogram, not cumulative
    statuses: dict[str, int]

    def since(self, before: "Totals | None") -> "Totals":
        """The exchanges after an earlier snapshot."""
        if before is None:
            return self
        buckets = tuple(now - then for now, then in zip(self.buckets, before.buckets, strict=True))
        return Totals(self.requests - before.requests, self.failed - before.failed, buckets, {})


class Look(NamedTuple):
    """A snapshot of the counters. `at` is monotonic time."""

    at: float
    routes: dict[str, Totals]
    attempts: dict[tuple[str, str], tuple[int, int]]  # by upstream and origin: all, and those that failed
    errors: dict[str, int]

    @property
    def all(self) -> Totals:
        """Of all routes together."""
        routes = self.routes.values()
        buckets = tuple(map(sum, zip(*(each.buckets for each in routes), strict=True)))
        return Totals(sum(each.requests for each in routes), sum(each.failed for each in routes), buckets, {})


def look(ledger: Ledger, now: float) -> Look:
    """Take a snapshot."""
    routes, attempts, width = {}, {}, len(STATUSES)
    counted = ledger.counted()
    for (route,), place in counted.places(Kind.ROUTE):
        by_method = [row for _, row in counted.rows(place, width, 0, series.BUCKETS_START)]
        by_status = list(map(sum, zip(*by_method, strict=True))) or [0] * width
        routes[route] = Totals(
            sum(by_status),
            sum(by_status[status] for status in _FAILED),
            tuple(counted.row(place, series.BUCKETS_START, series.BUCKETS_END)),
            {label: count for label, count in zip(STATUSES, by_status, strict=True) if count},
        )
    for (upstream, origin), place in counted.places(Kind.ORIGIN):
        rows = [row for _, row in counted.rows(place, width, 0, 2 * width)]
        failed = sum(row[status] for row in rows for status in _FAILED)
        attempts[upstream, origin] = sum(map(sum, rows)), failed
    block = counted.of(Kind.INSTANCE)
    errors = {code: count for code in series.ERRORS if (count := block[series.error_place(code)])}
    return Look(now, routes, attempts, errors)


class Recent:
    """The snapshots of the last minute."""

    def __init__(self, first: Look) -> None:
        self._looks = deque([first])

    def before(self, now: Look) -> Look:
        """The snapshot to compare `now` with: the oldest of the last minute, else the latest before. Keeps `now`."""
        looks = self._looks
        while len(looks) > 1 and now.at - looks[0].at > WINDOW_S and now.at - looks[1].at >= _ENOUGH_S:
            looks.popleft()
        found = looks[0]
        if now.at - looks[-1].at >= _APART_S:
            looks.append(now)
        return found


def rates(totals: Totals, window_s: float) -> dict[str, Any]:
    """Rates and latency of what was counted within `window_s`; None where nothing can be said."""
    per_s = (lambda count: round(count / window_s, 3)) if window_s > 0 else (lambda _: None)
    return {
        "requests_per_s": per_s(totals.requests),
        "failed_per_s": per_s(totals.failed),
        "latency_s": {f"p{each}": percentile(totals.buckets, each / 100) for each in _PERCENTILES},
    }


def percentile(buckets: Sequence[int], share: float) -> float | None:
    """An estimate in seconds from a histogram, as Prometheus makes it: values are taken as spread evenly within a
    bucket, and as the last bound beyond it. None where nothing was counted."""
    wanted, below, lower = sum(buckets) * share, 0, 0.0
    if not wanted:
        return None
    for count, upper in zip(buckets, BUCKETS, strict=False):
        if count and below + count >= wanted:
            return round(lower + (upper - lower) * (wanted - below) / count, 6)
        below, lower = below + count, upper
    return BUCKETS[-1]
