"""The text of a scrape: what prometheus-client would write, byte for byte."""

import math

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from proxy.admin.exposition import Exposition

VALUES = [
    0,
    1,
    5.0,
    999_999,
    1_000_000,
    123_456_789_012,
    2**53 + 1,
    0.25,
    1e-7,
    -3,
    -2e9,
    math.inf,
    -math.inf,
    math.nan,
]


class Given(Collector):
    """Families as a test made them."""

    def __init__(self, *families: Metric) -> None:
        self.families = families

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> tuple[Metric, ...]:
        return self.families


def registry_of(*families: Metric) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(Given(*families))
    return registry


def families(value: float) -> list[Metric]:
    counter = CounterMetricFamily("onehop_requests", "Help.", labels=["route", "method"])
    for label in ("", "a", 'qu"ote', "back\\slash", "line\nend", "ü"):
        counter.add_metric([label, "GET"], value)
    gauge = GaugeMetricFamily("onehop_clients", "Help.", value=value)
    histogram = HistogramMetricFamily("onehop_seconds", "Help.", labels=["route"])
    histogram.add_metric(["a"], [("0.5", 1), ("+Inf", 2)], 1.5)
    return [counter, gauge, histogram]


@pytest.mark.parametrize("value", VALUES)
def test_it_is_what_the_library_writes_the_first_time_and_after(value: float) -> None:
    registry = registry_of(*families(value))
    exposition = Exposition()
    assert exposition.text(registry) == exposition.text(registry) == generate_latest(registry)


def test_a_series_is_formatted_once_and_its_value_each_time() -> None:
    exposition = Exposition()
    assert exposition.text(registry_of(*families(1))) == generate_latest(registry_of(*families(1)))
    assert exposition.text(registry_of(*families(2))) == generate_latest(registry_of(*families(2)))


def test_labels_with_the_same_values_do_not_stand_for_each_other() -> None:
    one = CounterMetricFamily("onehop_one", "Help.", labels=["a"])
    other = CounterMetricFamily("onehop_other", "Help.", labels=["b"])
    one.add_metric(["x"], 1)
    other.add_metric(["x"], 1)
    registry = registry_of(one, other)
    assert Exposition().text(registry) == generate_latest(registry)


ACCEPTED = [
    # Accept                                                              media type begins with
    ("",                                                                  "text/plain; version=0.0.4"),
    ("*/*",                                                               "text/plain; version=0.0.4"),
    ("text/plain;version=1.0.0;escaping=allow-utf-8;q=0.5,*/*;q=0.1",     "text/plain; version=1.0.0"),
    ("application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.1", "application/openmetrics-text; version=1.0.0"),
]  # fmt: skip


@pytest.mark.parametrize(("accept", "media_type"), ACCEPTED)
def test_a_scraper_gets_what_it_accepts(accept: str, media_type: str) -> None:
    encode, found = Exposition().encoder(accept)
    assert found.startswith(media_type)
    assert encode(registry_of(*families(1))).endswith(b"# EOF\n") == found.startswith("application/")
