"""What a scrape says: every name of the interface, sums over seats, and labels from fixed sets only."""

import re
import time
from pathlib import Path

import pytest

import proxy
from proxy.admin.families import FAMILIES
from proxy.telemetry import series
from proxy.telemetry.counters import Counter
from proxy.telemetry.series import Kind
from proxy.transport.certificates import Described
from tests.unit.admin.serving import Counts, labelled, serving

ROOT = Path(proxy.__file__).parents[1]


def count(counts: Counts, seat: int, kind: Kind, name: tuple[str, ...], place: int, number: int = 1) -> None:
    block = counts.ledger.seats[seat].counters(kind, name)
    assert block is not None
    Counter(block[place : place + 1]).add(number)


async def test_counts_are_sums_over_all_seats() -> None:
    counts = Counts()
    for seat in (0, 1):
        count(counts, seat, Kind.ROUTE, ("api",), series.request_place(b"GET", 200), 2)
        count(counts, seat, Kind.ROUTE, ("api",), series.BUCKETS_START + 3, 2)  # up to 10 ms
        count(counts, seat, Kind.ROUTE, ("api",), series.BUCKETS_END - 1)  # above all bounds
        seconds = counts.ledger.seats[seat].seconds("api")
        assert seconds is not None
        seconds[0] = 90.5
        count(counts, seat, Kind.ORIGIN, ("app", "a:1"), series.attempt_place(200, reused=False), 2)
        count(counts, seat, Kind.ORIGIN, ("app", "a:1"), series.attempt_place(200, reused=True), 3)
        count(counts, seat, Kind.UPSTREAM, ("app",), series.retry_place("502"), 4)
        count(counts, seat, Kind.INSTANCE, (), series.stripped_place(1, 1), 5)
        count(counts, seat, Kind.INSTANCE, (), series.error_place("no_route"), 6)
        count(counts, seat, Kind.INSTANCE, (), series.RESPONSE_BYTES, 7)
        count(counts, seat, Kind.INSTANCE, (), series.LOST, 1)
        counts.ledger.seats[seat].started()[0] = 5
    async with serving(counts) as admin:
        found = await admin.samples()
    assert found[labelled("onehop_requests_total", route="api", method="GET", status="200")] == 4
    buckets = [
        found[labelled("onehop_request_duration_seconds_bucket", route="api", le=le)]
        for le in ("0.005", "0.01", "60.0", "+Inf")
    ]
    assert buckets == [0, 4, 4, 6]
    assert found[labelled("onehop_request_duration_seconds_count", route="api")] == 6
    assert found[labelled("onehop_request_duration_seconds_sum", route="api")] == 181
    assert found[labelled("onehop_upstream_requests_total", upstream="app", origin="a:1", status="200")] == 10
    assert found[labelled("onehop_upstream_connections_reused_total")] == 6
    assert found[labelled("onehop_retries_total", upstream="app", reason="502")] == 8
    assert found[labelled("onehop_fields_stripped_total", direction="response", reason="hop_by_hop")] == 10
    assert found[labelled("onehop_errors_total", error="no_route")] == 12
    assert found[labelled("onehop_bytes_total", direction="response")] == 14
    assert found[labelled("onehop_requests_lost_total")] == 2
    assert found[labelled("onehop_requests_in_flight")] == 4
    assert found[labelled("onehop_config_generation")] == 3


async def test_gauges_say_who_hangs_who_is_healthy_and_when_certificates_end() -> None:
    counts = Counts()
    counts.hang(1, 60)
    counts.healthy["app", "b:1"] = False
    counts.certificates = {"/c.pem": Described("/c.pem", ("c.example",), time.time() + 1000)}
    async with serving(counts) as admin:
        found = await admin.samples()
    assert found[labelled("onehop_workers", state="stalled")] == found[labelled("onehop_workers", state="serving")] == 1
    assert 59 < found[labelled("onehop_event_loop_lag_seconds")] < 70
    assert found[labelled("onehop_upstream_healthy", upstream="app", origin="a:1")] == 1
    assert found[labelled("onehop_upstream_healthy", upstream="app", origin="b:1")] == 0
    assert 900 < found[labelled("onehop_certificate_expiry_seconds", certificate="/c.pem")] < 1001


async def test_every_metric_is_there_and_described() -> None:
    async with serving(Counts()) as admin:
        text = (await admin.get("/metrics"))[2]
    described = set(re.findall(r"^# TYPE (\S+)", text, re.MULTILINE))
    assert {name.removeprefix("onehop_").removesuffix("_total") for name in described} == set(FAMILIES)
    page = (ROOT / "docs" / "metrics.md").read_text("utf-8")
    missing = [name for name in described if f"`{name}" not in page]
    assert missing == [], "docs/metrics.md says nothing of them"


async def test_openmetrics_is_spoken_to_who_asks_for_it() -> None:
    async with serving(Counts()) as admin:
        _, head, text = await admin.get("/metrics", "Accept: application/openmetrics-text; version=1.0.0")
    assert "application/openmetrics-text" in head
    assert text.endswith("# EOF\n")


@pytest.mark.parametrize("routes", [["x" * 100, 'a"b\\c', "é", "new\nline"]])
async def test_a_name_of_the_configuration_cannot_break_the_format(routes: list[str]) -> None:
    counts = Counts(routes)
    for route in routes:
        count(counts, 0, Kind.ROUTE, (route,), 0)
    async with serving(counts) as admin:
        found = await admin.samples()
    named = {dict(labels)["route"] for name, labels in found if name == "onehop_requests_total"}
    assert named == set(routes)


async def test_a_scrape_of_hundreds_of_routes_and_seats_is_quick() -> None:
    counts = Counts([f"route-{number}" for number in range(200)], seats=8)
    for number in range(200):
        for seat in range(8):
            count(counts, seat, Kind.ROUTE, (f"route-{number}",), series.request_place(b"GET", 200))
    async with serving(counts) as admin:
        await admin.samples()
        started = time.process_time()
        await admin.get("/metrics")
        assert time.process_time() - started < 1  # a bound that a busy machine keeps; benchmarks say how long it takes
