"""Rates and latency of the last minute, from counters that only grow."""

import pytest

from proxy.admin.recent import Look, Recent, Totals, look, percentile, rates
from proxy.telemetry import series
from proxy.telemetry.series import BUCKETS, Kind
from tests.unit.admin.serving import Counts

EMPTY = (0,) * (len(BUCKETS) + 1)


def at(seconds: float, requests: int = 0) -> Look:
    return Look(seconds, {"r": Totals(requests, 0, EMPTY, {})}, {}, {})


def test_a_look_counts_requests_failures_and_attempts_of_all_seats() -> None:
    counts = Counts()
    for seat in (0, 1):
        block = counts.ledger.seats[seat].counters(Kind.ROUTE, ("api",))
        origin = counts.ledger.seats[seat].counters(Kind.ORIGIN, ("app", "a:1"))
        assert block is not None and origin is not None
        for status, number in ((200, 5), (404, 3), (502, 2), (0, 1), (499, 1)):
            block[series.request_place(b"GET", status)] = number
        block[series.BUCKETS_START] = 12
        origin[series.attempt_place(502, reused=True)] = origin[series.attempt_place(200, reused=False)] = 2
    found = look(counts.ledger, 7.0)
    assert found.routes["api"][:2] == (24, 6)
    assert found.routes["api"].statuses == {"200": 10, "404": 6, "502": 4, "none": 2, "499": 2}
    assert found.routes["api"].buckets[:2] == (24, 0)
    assert found.attempts["app", "a:1"] == (8, 4)
    assert found.all.requests == 24


def test_the_window_is_a_minute_once_there_is_one_and_never_shorter_than_what_was_seen() -> None:
    recent = Recent(at(0))
    assert recent.before(at(600)).at == 0  # nobody has asked in between
    assert recent.before(at(600.5)).at == 0  # half a second would say little
    assert recent.before(at(602)).at == 0
    assert recent.before(at(605.5)).at == 600
    for second in range(607, 700):
        recent.before(at(second))
    assert 640 <= recent.before(at(700)).at <= 641


def test_looks_are_kept_once_a_second_however_often_somebody_asks() -> None:
    recent = Recent(at(0))
    for number in range(100_000):
        recent.before(at(number / 1000))
    assert len(recent._looks) <= 63


def test_rates_are_of_the_difference() -> None:
    totals = Totals(100, 10, (100, *EMPTY[1:]), {}).since(Totals(40, 4, (40, *EMPTY[1:]), {}))
    found = rates(totals, 30)
    assert (found["requests_per_s"], found["failed_per_s"]) == (2, 0.2)
    assert found["latency_s"]["p50"] == pytest.approx(0.0005)
    assert rates(totals, 0)["requests_per_s"] is None


PERCENTILES = [
    # share, by bucket                       estimate
    (0.5,   {},                                 None),
    (0.5,   {0: 10},                            0.0005),
    (1.0,   {0: 10},                            0.001),
    (0.5,   {0: 5, 1: 5},                       0.001),
    (0.75,  {0: 5, 1: 5},                       0.00175),
    (0.99,  {len(BUCKETS): 1},                  BUCKETS[-1]),
    (0.5,   {3: 1, len(BUCKETS): 9},            BUCKETS[-1]),
]  # fmt: skip


@pytest.mark.parametrize(("share", "counted", "expected"), PERCENTILES)
def test_a_percentile_is_what_prometheus_would_estimate(
    share: float, counted: dict[int, int], expected: float | None
) -> None:
    found = percentile([counted.get(place, 0) for place in range(len(BUCKETS) + 1)], share)
    assert found == (None if expected is None else pytest.approx(expected))
