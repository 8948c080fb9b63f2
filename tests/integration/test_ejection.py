"""Addresses at which requests fail are left out, in a worker that has no control process."""

import asyncio
from typing import Any

import pytest

from proxy.config.upstream_model import OriginConfig, UpstreamConfig
from proxy.upstream.health.endpoint import State
from proxy.upstream.health.settings import EjectionSettings
from tests.harness.addresses import black_hole
from tests.harness.origins import LiveOrigin, Mood, ask, live_origins
from tests.harness.running_proxy import RunningProxy, running_proxy
from tests.harness.scripted import client
from tests.harness.waiting import until


def ejecting(**settings: Any) -> dict[str, Any]:
    return {"ejection": EjectionSettings(**{"eject_s": 300.0, **settings})}


def states(proxy: RunningProxy) -> list[State]:
    [endpoints] = proxy.worker.health.endpoints.values()
    return [known.state for _, known in endpoints.items()]


async def test_by_default_a_black_hole_costs_three_requests_and_then_none() -> None:
    good = LiveOrigin()
    with black_hole("127.0.0.2") as hole:
        async with live_origins(good):
            service = UpstreamConfig(urls=[f"http://127.0.0.2:{hole}", good.url])
            async with running_proxy(upstreams={"default": service}, timeouts={"connect_s": 0.2}) as proxy:
                assert await ask(proxy.port, 20) == [200] * 20
                tried_twice = [record for record in proxy.records if record.attempts > 1]
                assert len(tried_twice) == 3
                assert states(proxy) == [State.EJECTED, State.UP]


async def test_a_black_hole_costs_nothing_when_its_ejection_is_over() -> None:
    good = LiveOrigin()
    with black_hole("127.0.0.2") as hole:
        async with live_origins(good):
            settings = EjectionSettings(eject_s=0.1)
            service = UpstreamConfig(urls=[f"http://127.0.0.2:{hole}", good.url], ejection=settings)
            async with running_proxy(upstreams={"default": service}, timeouts={"connect_s": 0.2}) as proxy:
                await ask(proxy.port, 6)
                [endpoints] = proxy.worker.health.endpoints.values()
                await until(lambda: endpoints.items()[0][1].ejections > 1)
                before = len(proxy.records)
                await ask(proxy.port, 10)
                assert [record.attempts for record in proxy.records[before:]] == [1] * 10


FAILING = [
    # mood            status  settings                                requests that a failing origin gets
    (Mood.BREAKS,     200,    {},                                     3),
    (Mood.BREAKS,     200,    {"failures": 1},                        1),
    (Mood.BREAKS,     200,    {"failures": 0},                        10),
    (Mood.ANSWERS,    503,    {},                                     10),
    (Mood.ANSWERS,    503,    {"statuses": [502, 503]},               3),
    (Mood.ANSWERS,    503,    {"statuses": [502]},                    10),
    (Mood.BREAKS,     200,    {"max_ejected_percent": 0},             10),
    (Mood.SILENT,     200,    {"failures": 2},                        2),
]  # fmt: skip


@pytest.mark.parametrize(("mood", "status", "settings", "requests"), FAILING)
async def test_an_origin_that_fails_is_left_out(
    mood: Mood, status: int, settings: dict[str, Any], requests: int
) -> None:
    bad, good = LiveOrigin(), LiveOrigin()
    bad.mood, bad.status = mood, status
    async with (
        live_origins(bad, good),
        running_proxy(
            bad.port, good.port, upstream=ejecting(**settings), timeouts={"response_head_s": 0.2}
        ) as proxy,
    ):  # fmt: skip
        await ask(proxy.port, 20)
        assert bad.requests["/"] == requests
        assert good.requests["/"] == 20 - requests


async def test_failures_that_are_not_in_a_row_are_forgiven() -> None:
    first, second = LiveOrigin(), LiveOrigin()
    async with live_origins(first, second), running_proxy(first.port, second.port, upstream=ejecting()) as proxy:
        for _ in range(4):
            first.mood = Mood.BREAKS
            await ask(proxy.port, 4)
            first.mood = Mood.ANSWERS
            await ask(proxy.port, 2)
        assert states(proxy) == [State.UP, State.UP]


async def test_of_two_the_second_is_not_ejected_and_both_are_used() -> None:
    first, second = LiveOrigin(), LiveOrigin()
    upstream = ejecting(statuses=[503])
    async with live_origins(first, second), running_proxy(first.port, second.port, upstream=upstream) as proxy:
        first.status = 503
        await ask(proxy.port, 10)
        second.status = 503
        await ask(proxy.port, 10)
        assert states(proxy) == [State.EJECTED, State.UP]
        assert first.requests["/"] > 3
        first.status = 200
        await ask(proxy.port, 10)
        assert states(proxy) == [State.UP, State.EJECTED]


async def test_an_origin_that_recovers_returns_after_its_time_with_one_request_first() -> None:
    bad, good = LiveOrigin(), LiveOrigin()
    bad.mood = Mood.BREAKS
    upstream = {"ejection": EjectionSettings(eject_s=0.2)}
    async with live_origins(bad, good), running_proxy(bad.port, good.port, upstream=upstream) as proxy:
        await ask(proxy.port, 10)
        assert states(proxy)[0] is State.EJECTED
        await until(lambda: states(proxy)[0] is State.TRIAL)
        bad.mood = Mood.SILENT
        async with client(proxy.port) as first, client(proxy.port) as second:
            for peer in (first, second):  # one of them is the trial, and waits for its answer
                await peer.send(b"GET /trial HTTP/1.1\r\nHost: h\r\n\r\n")
            await until(lambda: bad.requests["/trial"] == 1)
            assert await ask(proxy.port, 10) == [200] * 10
            assert bad.requests["/trial"] + bad.requests["/"] == 1 + 3
        bad.mood = Mood.ANSWERS
        await until(lambda: not proxy.worker.services["default"].awaited_trials)  # it was given up, which says nothing
        assert states(proxy)[0] is State.TRIAL
        await ask(proxy.port, 4)
        assert states(proxy)[0] is State.UP


async def test_a_primary_that_recovers_takes_over_from_its_backup() -> None:
    primary, backup = LiveOrigin(), LiveOrigin()
    async with live_origins(primary, backup):
        service = UpstreamConfig(
            origins=[OriginConfig(url=primary.url), OriginConfig(url=backup.url, backup=True)],
            ejection=EjectionSettings(eject_s=0.1),
        )
        async with running_proxy(upstreams={"default": service}) as proxy:
            primary.mood = Mood.BREAKS
            await ask(proxy.port, 5)
            assert backup.requests["/"] == 2
            primary.mood = Mood.ANSWERS
            await until(lambda: states(proxy)[0] is State.TRIAL)
            await ask(proxy.port, 10)
            assert states(proxy)[0] is State.UP
            assert backup.requests["/"] <= 3


async def test_idle_connections_to_an_origin_that_is_left_out_are_closed() -> None:
    bad, good = LiveOrigin(), LiveOrigin()
    async with (
        live_origins(bad, good),
        running_proxy(bad.port, good.port, upstream=ejecting(statuses=[503])) as proxy,
        client(proxy.port) as one,
        client(proxy.port) as two,
    ):
        for peer in (one, two, one, two):
            await peer.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        bad.status = 503
        await ask(proxy.port, 10)
        await until(lambda: bad.open_connections == 0)


async def test_one_origin_alone_is_always_used() -> None:
    bad = LiveOrigin()
    bad.mood = Mood.BREAKS
    async with live_origins(bad), running_proxy(bad.port) as proxy:
        assert await ask(proxy.port, 8) == [502] * 8
        assert bad.requests["/"] == 8
        bad.mood = Mood.ANSWERS
        assert await ask(proxy.port, 1) == [200]


async def test_a_change_is_one_line_with_its_cause(capfd: pytest.CaptureFixture[str]) -> None:
    bad, good = LiveOrigin(), LiveOrigin()
    bad.mood = Mood.BREAKS
    async with live_origins(bad, good), running_proxy(bad.port, good.port, upstream=ejecting()) as proxy:
        await ask(proxy.port, 20)
        good.mood = Mood.BREAKS
        await ask(proxy.port, 20)
    where = f"127.0.0.1:{bad.port}"
    other = f"127.0.0.1:{good.port}"
    broke = "broke the connection before a response"
    assert [line for line in capfd.readouterr().err.splitlines() if "upstream default" in line] == [
        f"onehop: warning: upstream default: {where} is ejected for 300 s: "
        f"3 failures in a row, the last: {where} {broke}",
        "onehop: warning: upstream default: no address is healthy, so all are used "
        f"({where}: 3 failures in a row, the last: {where} {broke}; {other}: {other} {broke})",
    ]


async def test_shares_grow_over_slow_start_s() -> None:
    bad, good = LiveOrigin(), LiveOrigin()
    upstream = {"ejection": EjectionSettings(eject_s=0.1, statuses=[503]), "slow_start_s": 1000.0}
    async with live_origins(bad, good), running_proxy(bad.port, good.port, upstream=upstream) as proxy:
        bad.status = 503
        await ask(proxy.port, 10)
        bad.status = 200
        await until(lambda: states(proxy)[0] is State.TRIAL)
        await ask(proxy.port, 2)
        assert states(proxy)[0] is State.UP
        before = bad.requests["/"]
        await ask(proxy.port, 110)
        assert 9 <= bad.requests["/"] - before <= 11


async def test_a_black_hole_holds_up_many_at_once_for_a_fifth_of_the_time_but_three() -> None:
    good = LiveOrigin()
    with black_hole("127.0.0.2") as hole:
        async with live_origins(good):
            service = UpstreamConfig(urls=[f"http://127.0.0.2:{hole}", good.url])
            async with running_proxy(upstreams={"default": service}, timeouts={"connect_s": 5.0}) as proxy:
                loop = asyncio.get_running_loop()
                began, took = loop.time(), []

                async def one() -> None:
                    assert await ask(proxy.port, 1) == [200]
                    took.append(loop.time() - began)

                await asyncio.gather(*(one() for _ in range(20)))
                assert sum(seconds > 4.5 for seconds in took) == 3
                assert sum(seconds > 0.9 for seconds in took) == 10
                assert states(proxy) == [State.EJECTED, State.UP]


async def test_an_origin_alone_keeps_those_that_wait_for_it() -> None:
    with black_hole("127.0.0.2") as hole:
        service = UpstreamConfig(urls=[f"http://127.0.0.2:{hole}"])
        async with running_proxy(upstreams={"default": service}, timeouts={"connect_s": 1.0}) as proxy:
            began = asyncio.get_running_loop().time()
            assert await asyncio.gather(*(ask(proxy.port, 1) for _ in range(6))) == [[504]] * 6
            assert asyncio.get_running_loop().time() - began >= 1.0


async def test_after_a_failure_the_next_request_there_is_one_that_may_be_sent_again() -> None:
    bad, good = LiveOrigin(), LiveOrigin()
    async with live_origins(bad, good), running_proxy(bad.port, good.port, upstream=ejecting()) as proxy:
        bad.mood = Mood.BREAKS
        await ask(proxy.port, 2)
        assert bad.requests["/"] == 1
        async with client(proxy.port) as peer:
            for _ in range(5):
                await peer.send(b"POST /post HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n")
                head, _ = await peer.response()
                assert b" 200 " in head
        assert bad.requests["/post"] == 0
        bad.mood = Mood.ANSWERS
        await ask(proxy.port, 2)
        assert bad.requests["/"] == 2
        assert states(proxy) == [State.UP, State.UP]
