"""Probes and status: who may ask what, and what is answered while an instance starts, stops, or hangs."""

import json
import time

import pytest

from tests.unit.admin.serving import ORIGINS, Counts, serving

TOKEN = "correct-horse-battery"


async def test_an_instance_that_serves_is_live_and_ready() -> None:
    async with serving(Counts()) as admin:
        assert (await admin.get("/livez"))[::2] == (200, "live\n")
        status, head, body = await admin.get("/readyz")
        assert (status, body) == (200, "ready\n")
        assert "cache-control: no-store" in head.lower() and "server:" not in head.lower()


async def test_one_that_is_to_stop_is_live_and_not_ready() -> None:
    counts = Counts()
    counts.ready = False
    async with serving(counts) as admin:
        assert (await admin.get("/livez"))[0] == 200
        assert (await admin.get("/readyz"))[::2] == (503, "not ready: stopping\n")


@pytest.mark.parametrize("seats", [0, 2])
async def test_without_a_worker_that_answers_it_is_not_ready(seats: int) -> None:
    counts = Counts(seats=seats)
    for seat in range(seats):
        counts.hang(seat, 60)
    async with serving(counts) as admin:
        assert (await admin.get("/readyz"))[::2] == (503, "not ready: no worker serves\n")


async def test_where_every_origin_of_a_route_is_left_out_it_is_ready_and_says_so() -> None:
    counts = Counts()
    counts.healthy = dict.fromkeys(ORIGINS, False)
    async with serving(counts) as admin:
        assert (await admin.get("/readyz"))[::2] == (200, "ready\nroute api: every origin is left out\n")


async def test_the_status_says_what_each_worker_and_origin_is_doing() -> None:
    counts = Counts()
    counts.hang(1, 60)
    counts.healthy[ORIGINS[1]] = False
    async with serving(counts) as admin:
        found = json.loads((await admin.get("/status.json"))[2])
    assert (found["generation"], found["ready"], found["requests"]) == (3, True, 0)
    assert [(worker["pid"], worker["state"]) for worker in found["workers"]] == [(100, "serving"), (101, "stalled")]
    assert found["workers"][1]["silent_s"] >= 60
    origins = found["upstreams"]["app"]["origins"]
    assert {name: origin["healthy"] for name, origin in origins.items()} == {"a:1": True, "b:1": False}
    assert list(found["routes"]) == ["api", "web"]


async def test_a_worker_that_hangs_holds_up_no_answer() -> None:
    counts = Counts()
    counts.hang(0, 60)
    async with serving(counts) as admin:
        started = time.monotonic()
        await admin.samples()
        assert time.monotonic() - started < 1


ASKED = [
    # token given   loopback   path            Authorization              status
    ("",            True,      "/status.json", "",                        200),
    ("",            False,     "/status.json", "",                        403),
    ("",            False,     "/metrics",     "",                        200),
    (TOKEN,         False,     "/livez",       "",                        200),
    (TOKEN,         False,     "/readyz",      "",                        200),
    (TOKEN,         False,     "/metrics",     "",                        200),
    (TOKEN,         False,     "/status.json", "",                        401),
    (TOKEN,         False,     "/status.json", f"Bearer {TOKEN}",         200),
    (TOKEN,         False,     "/status.json", f"bearer  {TOKEN} ",       200),
    (TOKEN,         False,     "/status.json", f"Bearer {TOKEN}x",        401),
    (TOKEN,         False,     "/status.json", f"Basic {TOKEN}",          401),
    (TOKEN,         False,     "/status.json", "Bearer \xfc",             401),
    (TOKEN,         False,     "/nothing",     "",                        401),
    (TOKEN,         True,      "/status.json", "",                        401),
    ("",            True,      "/nothing",     "",                        404),
]  # fmt: skip


@pytest.mark.parametrize(("token", "is_loopback", "path", "authorization", "expected"), ASKED)
async def test_beyond_loopback_a_token_is_needed_for_all_but_probes_and_metrics(
    token: str, is_loopback: bool, path: str, authorization: str, expected: int
) -> None:
    async with serving(Counts(), token=token, is_loopback=is_loopback) as admin:
        fields = [f"Authorization: {authorization}"] if authorization else []
        status, head, body = await admin.get(path, *fields)
    assert status == expected
    assert ("www-authenticate: bearer" in head.lower()) == (expected == 401)
    assert TOKEN not in body


@pytest.mark.parametrize("field", ["Via: 1.1 onehop-1234", "Via: 1.0 a, 1.1 onehop-1234", "CDN-Loop: onehop-1234"])
async def test_what_this_instance_forwarded_finds_nothing(field: str) -> None:
    async with serving(Counts()) as admin:
        assert (await admin.get("/metrics", field))[0] == 404
        assert (await admin.get("/metrics", "Via: 1.1 onehop-other"))[0] == 200


HOSTS = [("127.0.0.1:9901", 200), ("localhost", 200), ("LOCALHOST:1", 200), ("[::1]:9901", 200), ("10.0.0.1", 200),
         ("evil.example:9901", 421), ("localhost.evil.example", 421), ("", 421)]  # fmt: skip


@pytest.mark.parametrize(("host", "expected"), HOSTS)
async def test_on_loopback_no_name_leads_here_but_localhost(host: str, expected: int) -> None:
    async with serving(Counts()) as admin:
        assert (await admin.get("/metrics", host=host))[0] == expected


async def test_only_reading_is_possible() -> None:
    async with serving(Counts()) as admin:
        status, head, _ = await admin.get("/livez", "X: y")
        assert status == 200
        from tests.harness.scripted import client

        async with client(admin.port) as peer:
            await peer.send(
                b"POST /livez HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            )
            assert (await peer.head()).startswith(b"HTTP/1.1 405 "), head
