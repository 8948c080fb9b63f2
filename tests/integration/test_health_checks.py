"""Health checks: asked once for all workers, and what follows from their results."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import msgspec
import pytest

from proxy.config.upstream_model import UpstreamConfig
from proxy.upstream.health.endpoint import State
from proxy.upstream.health.settings import HealthCheckSettings
from tests.harness.addresses import black_hole
from tests.harness.origins import LiveOrigin, Mood, ask, live_origins
from tests.harness.running_instance import Instance, running_instance
from tests.harness.waiting import until

QUICK: dict[str, Any] = {"path": "/healthz", "interval_s": 0.05, "timeout_s": 0.5, "rise": 2, "fall": 3}


def checked(*origins: LiveOrigin, host: str | None = None, **settings: Any) -> UpstreamConfig:
    return UpstreamConfig(
        urls=[origin.url for origin in origins],
        host=host,
        health_check=HealthCheckSettings(**{**QUICK, **settings}),
    )


def states(instance: Instance) -> list[list[State]]:
    """What each worker knows."""
    return [
        [known.state for _, known in worker.health.endpoints["default"].items()] for worker in instance.workers
    ]  # fmt: skip


async def test_a_failing_origin_gets_no_requests_until_it_has_passed_again() -> None:
    bad, good = LiveOrigin(), LiveOrigin()
    async with live_origins(bad, good), running_instance(checked(bad, good)) as instance:
        await until(lambda: bad.requests["/healthz"] > 1)
        bad.status_of["/healthz"] = 503
        failed_from = bad.requests["/healthz"]
        await until(lambda: states(instance) == [[State.DOWN, State.UP]] * 2)
        assert bad.requests["/healthz"] >= failed_from + 3
        for port in instance.ports:
            assert await ask(port, 10) == [200] * 10
        assert bad.requests["/"] == 0
        bad.status_of["/healthz"] = 204
        passed_from = bad.requests["/healthz"]
        await until(lambda: states(instance) == [[State.UP, State.UP]] * 2)
        assert bad.requests["/healthz"] >= passed_from + 2
        await ask(instance.ports[0], 2)
        assert bad.requests["/"] == 1


async def test_each_address_is_asked_once_per_instance_in_each_interval() -> None:
    one, two = LiveOrigin(), LiveOrigin()
    async with live_origins(one, two), running_instance(checked(one, two, interval_s=0.2), workers=3):
        await until(lambda: one.requests["/healthz"] >= 1)
        began, asked = asyncio.get_running_loop().time(), one.requests["/healthz"]
        await until(lambda: one.requests["/healthz"] >= asked + 5)
        assert asyncio.get_running_loop().time() - began >= 5 * 0.2 * 0.9 - 0.05
        assert one.connections == one.requests["/healthz"], "a connection of its own for each"


RESULTS = [
    # settings                                status  passes
    ({},                                      200,    True),
    ({},                                      399,    True),
    ({},                                      400,    False),
    ({"status": "200"},                       204,    False),
    ({"status": "204,500-503"},               503,    True),
]  # fmt: skip


@pytest.mark.parametrize(("settings", "status", "passes"), RESULTS)
async def test_which_statuses_pass(settings: dict[str, Any], status: int, passes: bool) -> None:
    one, other = LiveOrigin(), LiveOrigin()
    one.status_of["/healthz"] = status
    other.status_of["/healthz"] = int(settings.get("status", "200")[:3])
    async with live_origins(one, other), running_instance(checked(one, other, fall=1, **settings), workers=1) as it:
        if passes:
            await until(lambda: one.requests["/healthz"] >= 4)
        else:
            await until(lambda: states(it)[0][0] is State.DOWN)
        assert states(it) == [[State.UP if passes else State.DOWN, State.UP]]


HOSTS = [
    # of the upstream   of the check        asked for
    (None,              "",                 "{origin}"),
    ("api.internal",    "",                 "api.internal"),
    ("api.internal",    "check.internal:8", "check.internal:8"),
]  # fmt: skip


@pytest.mark.parametrize(("host", "of_check", "expected"), HOSTS)
async def test_what_a_check_asks(host: str | None, of_check: str, expected: str) -> None:
    one = LiveOrigin()
    settings = HealthCheckSettings(path="/h?deep=1", host=of_check)
    async with live_origins(one):
        service = UpstreamConfig(urls=[one.url], host=host, health_check=settings)
        async with running_instance(service):
            await until(lambda: bool(one.heads))
    expected = expected.format(origin=f"127.0.0.1:{one.port}")
    assert one.heads == [
        f"GET /h?deep=1 HTTP/1.1\r\nHost: {expected}\r\nUser-Agent: onehop health check\r\n"
        "Accept: */*\r\nConnection: close\r\n\r\n"
    ]


async def test_without_a_path_a_connection_is_enough() -> None:
    one, two = LiveOrigin(), LiveOrigin()
    one.mood = Mood.SILENT
    async with live_origins(one, two), running_instance(checked(one, two, path="", fall=1)) as instance:
        await until(lambda: one.connections >= 3)
        assert not one.heads
        await one.stop()
        await until(lambda: states(instance) == [[State.DOWN, State.UP]] * 2)


async def test_silence_is_a_failure_after_timeout_s() -> None:
    one, two = LiveOrigin(), LiveOrigin()
    one.mood = Mood.SILENT
    with black_hole("127.0.0.2") as port:
        hole = LiveOrigin("127.0.0.2", port)
        async with (
            live_origins(one, two),
            running_instance(checked(hole, one, two, timeout_s=0.1, fall=2)) as instance,
        ):  # fmt: skip
            await until(lambda: states(instance) == [[State.DOWN, State.DOWN, State.UP]] * 2)
            known = instance.control.health.upstreams["default"].endpoints.items()
            assert known[0][1].cause == "2 health checks failed, the last: no answer in 0.1 s"


async def test_where_all_are_down_all_are_used_and_that_is_said_once(capfd: pytest.CaptureFixture[str]) -> None:
    one, two = LiveOrigin(), LiveOrigin()
    one.status_of = two.status_of = {"/healthz": 503}
    async with live_origins(one, two), running_instance(checked(one, two, fall=1)) as instance:
        await until(lambda: states(instance) == [[State.DOWN, State.DOWN]] * 2)
        for port in instance.ports:
            assert await ask(port, 4) == [200] * 4
        assert (one.requests["/"], two.requests["/"]) == (4, 4)
    said = capfd.readouterr().err
    assert said.count("no address is healthy, so all are used") == 1
    assert said.count("is down: status 503") == 2


async def test_the_share_of_an_origin_that_returns_grows_in_all_workers_and_in_one_that_comes_later() -> None:
    bad, good = LiveOrigin(), LiveOrigin()
    bad.status_of["/healthz"] = 503
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(live_origins(bad, good))
        upstream = msgspec.structs.replace(checked(bad, good), slow_start_s=1000.0)
        instance = await stack.enter_async_context(running_instance(upstream))
        await until(lambda: states(instance) == [[State.DOWN, State.UP]] * 2)
        bad.status_of["/healthz"] = 200
        await until(lambda: states(instance) == [[State.UP, State.UP]] * 2)
        async with instance.worker():
            for port in instance.ports:
                before = bad.requests["/"]
                assert await ask(port, 110) == [200] * 110
                assert 9 <= bad.requests["/"] - before <= 11  # a tenth of its weight, at first
