"""What a scrape is answered: what prometheus-client would write, byte for byte, in both of its formats."""

import math

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector

from proxy.admin.exposition import Form, Lines, Series, accepted, exposition
from proxy.admin.families import FAMILIES

VALUES = [
    0, 1, 5.0, 999_999, 1_000_000, 123_456_789_012, 2**53 + 1, True, 0.25, 1e-7, -3, -2e9, math.inf, -math.inf, math.nan,
]  # fmt: skip
ROUTES = ["", "a", 'qu"ote', "back\\slash", "line\nend", "ü", "100%", "{x}"]


class Given(Collector):
    """Families as a test made them."""

    def __init__(self, *families: Metric) -> None:
        self.families = families

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> tuple[Metric, ...]:
        return self.families


def by_the_library(registry: CollectorRegistry, form: Form) -> bytes:
    if form is Form.TEXT:
        return generate_latest(registry)
    written: bytes = openmetrics.generate_latest(registry)  # type: ignore[no-untyped-call]  # the library has no types there
    return written


def as_the_library_writes(value: float, form: Form) -> bytes:
    requests = CounterMetricFamily("onehop_requests", FAMILIES["requests"].help, labels=["route", "method", "status"])
    clients = GaugeMetricFamily("onehop_client_connections", FAMILIES["client_connections"].help, value=value)
    seconds = HistogramMetricFamily(
        "onehop_request_duration_seconds", FAMILIES["request_duration_seconds"].help, labels=["route"]
    )
    for route in ROUTES:
        requests.add_metric([route, "GET", "200"], value)
        seconds.add_metric([route], [("0.5", value), ("+Inf", 2)], 1.5)
    registry = CollectorRegistry()
    registry.register(Given(requests, clients, seconds))
    return by_the_library(registry, form)


def families(series: Series, value: float) -> list[Lines]:
    seconds = [
        line
        for route in ROUTES
        for line in series.histogram("request_duration_seconds", ("0.5", "+Inf"), (value, 2, 2, 1.5), route)
    ]
    return [
        Lines("requests", [series.line("requests", value, route, "GET", "200") for route in ROUTES]),
        Lines("client_connections", [series.line("client_connections", value)]),
        Lines("request_duration_seconds", seconds),
    ]


@pytest.mark.parametrize("form", Form)
@pytest.mark.parametrize("value", VALUES)
def test_it_is_what_the_library_writes_the_first_time_and_after(value: float, form: Form) -> None:
    series, expected = Series(), as_the_library_writes(value, form)
    assert exposition(families(series, value), form) == expected
    assert exposition(families(series, 7), form) == as_the_library_writes(7, form), "only the value is new"
    assert exposition(families(series, value), form) == expected


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("form", Form)
def test_every_family_begins_as_the_library_would_begin_it(name: str, form: Form) -> None:
    family = FAMILIES[name]
    registry = CollectorRegistry()
    registry.register(Given(Metric(f"onehop_{name}", family.help, family.type)))
    assert exposition([Lines(name, [])], form) == by_the_library(registry, form)


def test_metrics_with_the_same_labels_do_not_stand_for_each_other() -> None:
    series = Series()
    lines = [series.line(name, 1, "x") for name in ("errors", "reloads", "workers", "errors")]
    assert lines == [
        'onehop_errors_total{error="x"} 1.0\n',
        'onehop_reloads_total{result="x"} 1.0\n',
        'onehop_workers{state="x"} 1.0\n',
        'onehop_errors_total{error="x"} 1.0\n',
    ]


#: As Prometheus 3 sends it.
PROMETHEUS = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
ACCEPTED = [
    # Accept                                                              media type begins with
    ("",                                                                  "text/plain; version=0.0.4"),
    ("*/*",                                                               "text/plain; version=0.0.4"),
    ("text/plain;version=1.0.0;escaping=allow-utf-8;q=0.5,*/*;q=0.1",     "text/plain; version=1.0.0"),
    ("application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.1", "application/openmetrics-text; version=1.0.0"),
    (PROMETHEUS,                                                          "application/openmetrics-text; version=1.0.0"),
]  # fmt: skip


@pytest.mark.parametrize(("accept", "media_type"), ACCEPTED)
def test_a_scraper_gets_what_it_accepts(accept: str, media_type: str) -> None:
    form, found = accepted(accept)
    assert found.startswith(media_type)
    assert (form is Form.OPEN_METRICS) == found.startswith("application/")
