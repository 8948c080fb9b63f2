"""What /status.json says beyond counts, and what the status page is made of."""

import json
import time
from typing import Any

import pytest

from proxy.telemetry import series
from proxy.telemetry.error_codes import ERROR_CODES
from proxy.telemetry.series import Kind
from proxy.transport.certificates import Described
from tests.unit.admin.serving import Counts, serving

UP = {
    "origin": "a:1", "address": "a", "state": "up", "is_used": True, "is_out": False, "cause": "", "since": None,
    "failures": 0, "last_failure": "", "failed_at": None, "ejections": 0, "ejected_until": None,
}  # fmt: skip


async def status_of(counts: Counts) -> dict[str, Any]:
    async with serving(counts) as admin:
        found = json.loads((await admin.get("/status.json"))[2])
    assert isinstance(found, dict)
    return found


async def test_routes_and_upstreams_are_told_with_what_they_are() -> None:
    counts = Counts()
    gauges = counts.ledger.seats[1].gauges(Kind.UPSTREAM, ("app",))
    retries = counts.ledger.seats[1].counters(Kind.UPSTREAM, ("app",))
    assert gauges is not None and retries is not None
    gauges[series.WAITING], retries[series.retry_place("reset")] = 3, 4
    counts.addresses = {"app": [UP]}
    found = await status_of(counts)
    api, app = found["routes"]["api"], found["upstreams"]["app"]
    assert (api["matches"], api["leads_to"], api["upstreams"]) == ("any host, path /", "upstream app", ["app"])
    assert (app["balance"], app["max_connections"], app["queue"], app["requests_waiting"]) == ("round robin", 8, 16, 3)
    assert (app["retries"], app["addresses"]) == ({"reset": 4}, [UP])
    assert found["problems"] == []


async def test_errors_are_told_in_all_and_of_the_last_minute() -> None:
    counts = Counts()
    block = counts.ledger.seats[0].counters(Kind.INSTANCE)
    assert block is not None
    block[series.error_place("no_route")] = 5
    async with serving(counts) as admin:
        block[series.error_place("no_route")] = 7
        found = json.loads((await admin.get("/status.json"))[2])
    assert found["errors"] == {
        "no_route": {"count": 7, "recent": 2, "meaning": ERROR_CODES["no_route"].meaning},
    }


async def test_workers_are_told_with_their_generation_and_age() -> None:
    counts = Counts()
    now = time.monotonic()
    for seat, generation in ((0, 2), (1, 3)):
        gauges = counts.ledger.seats[seat].gauges()
        assert gauges is not None
        gauges[series.GENERATION], gauges[series.SINCE] = generation, now - 100
    found = await status_of(counts)
    assert [worker["generation"] for worker in found["workers"]] == [2, 3]
    assert found["workers"][0]["started_at"] == pytest.approx(time.time() - 100, abs=10)


PROBLEMS = [
    ({"state": "ejected", "is_out": True, "is_used": False}, "app: a:1 is left out"),
    (
        {"state": "down", "is_out": True, "is_used": True},
        "app: a:1 fails its health checks, but is still used: no other is healthy",
    ),
    ({"state": "up", "is_out": True, "is_used": True}, "app: a:1 fails, but is still used: no other is healthy"),
    ({"state": "trial"}, "app: a:1 is on trial"),
    ({"state": "unresolved", "is_out": True, "is_used": False, "address": ""}, "app: a:1 has no address"),
    ({"state": "ejected", "is_used": False, "address": "10.0.0.1"}, "app: a:1 (10.0.0.1) is left out"),
    ({"failures": 1, "last_failure": "status 503"}, "app: a:1 failed last"),
]


@pytest.mark.parametrize(("state", "expected"), PROBLEMS)
async def test_an_address_that_is_not_well_is_a_problem_with_its_cause(state: dict[str, Any], expected: str) -> None:
    counts = Counts()
    counts.addresses = {"app": [{**UP, **state, "cause": "status 503"}]}
    assert (await status_of(counts))["problems"] == [{"what": expected, "cause": "status 503"}]


async def test_what_hangs_stops_or_expires_is_a_problem() -> None:
    counts = Counts()
    counts.hang(1, 60)
    counts.ready = False
    day = 86_400
    counts.certificates = {
        path: Described(path, ("c.example",), time.time() + days * day)
        for path, days in (("/old.pem", -1), ("/soon.pem", 3.5), ("/new.pem", 60))
    }
    found = await status_of(counts)
    assert [problem["what"] for problem in found["problems"]] == [
        "the instance is stopping", "worker 101 hangs", "certificate /old.pem has expired",
        "certificate /soon.pem expires in 3 days",
    ]  # fmt: skip
    assert found["certificates"][2]["names"] == ["c.example"]


async def test_the_configuration_in_effect_is_told_with_its_sources() -> None:
    async with serving(Counts()) as admin:
        found = json.loads((await admin.get("/config.json"))[2])
    assert found["settings"] == [{"key": "workers", "value": "2", "source": "/a.toml:1"}]
    assert (found["generation"], found["inspector"]) == (3, False)


async def test_the_page_runs_nothing_but_its_own_files() -> None:
    async with serving(Counts()) as admin:
        status, head, body = await admin.get("/")
        assert (status, "default-src 'none'; script-src 'self'" in head) == (200, True)
        assert "<script>" not in body and "style=" not in body and "http" not in body.replace("http-equiv", "")
        for name in ("page.css", "status.css", "status.js", "inspector.css", "inspector.js", "icon.svg"):
            assert (await admin.get(f"/assets/{name}"))[0] == 200
        assert (await admin.get("/assets/status.html"))[0] == 404
