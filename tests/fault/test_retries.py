"""Requests that fail at one origin and are sent again: to whom, which, how often, and who is told."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from proxy.config.upstream_model import UpstreamRetryConfig
from proxy.upstream.health.settings import EjectionSettings
from tests.harness.running_proxy import running_proxy
from tests.harness.scripted import OK, Peer, Script, ScriptedUpstream, answering, client, fields_of

GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody"
PUT = b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody"
CLOSED_PORT = 1


def status(code: int, body: bytes = b"") -> bytes:
    return b"HTTP/1.1 %d No\r\nContent-Length: %d\r\n\r\n%s" % (code, len(body), body)


async def resetting(peer: Peer) -> None:
    await peer.head()
    peer.reset()


async def half_a_head(peer: Peer) -> None:
    await peer.head()
    await peer.send(b"HTTP/1.1 200 OK\r\nContent-")


async def silent(peer: Peer) -> None:
    await peer.rest()


def on(*conditions: Any, **settings: Any) -> dict[str, Any]:
    return {"retry": UpstreamRetryConfig(on=list(conditions), **settings)}


CONDITIONS = [
    # condition            what the first origin does               its result in the record
    ("reset",              resetting,                               "upstream_closed"),
    ("reset",              half_a_head,                             "upstream_closed"),
    ("response_timeout",   silent,                                  "response_timeout"),
    ("502",                answering(status(502)),                  "502"),
    ("503",                answering(status(503, b"busy")),         "503"),
    ("504",                answering(status(504, b"x" * 9_000)),    "504"),
]  # fmt: skip


@pytest.mark.parametrize(("condition", "script", "result"), CONDITIONS)
@pytest.mark.parametrize("request_", [GET, PUT])
async def test_what_is_configured_is_sent_again_to_the_other_origin(
    condition: str, script: Script, result: str, request_: bytes
) -> None:
    received: list[bytes] = []
    first, second = ScriptedUpstream(script), ScriptedUpstream(answering(OK, requests=received))
    async with (
        first.serving(),
        second.serving(),
        running_proxy(first.port, second.port, upstream=on(condition), timeouts={"response_head_s": 0.2}) as proxy,
        client(proxy.port) as peer,
    ):
        await peer.send(request_)
        head, body = await peer.response()
        assert (head[:12], body) == (b"HTTP/1.1 200", b"ok")
        await proxy.records.wait_for(1)
        [record] = proxy.records
        assert (record.attempts, record.status, record.error) == (2, 200, "")
        assert record.origin == f"127.0.0.1:{second.port}"
        assert record.earlier is not None
        [earlier] = record.earlier
        assert (earlier.origin, earlier.result, earlier.reason) == (f"127.0.0.1:{first.port}", result, condition)
        told = f"2 attempts: default.1 {result}, default.2 200"
        assert fields_of(head)["proxy-status"] == [f'onehop-test; details="{told}"']
        assert received[0].endswith(request_.partition(b"\r\n\r\n")[2])


@pytest.mark.parametrize(("condition", "script", "result"), CONDITIONS)
async def test_nothing_else_is_sent_again(condition: str, script: Script, result: str) -> None:
    others = {"reset", "response_timeout", "502", "503", "504"} - {condition}
    first, second = ScriptedUpstream(script), ScriptedUpstream(answering(OK))
    async with (
        first.serving(),
        second.serving(),
        running_proxy(first.port, second.port, upstream=on(*others), timeouts={"response_head_s": 0.2}) as proxy,
        client(proxy.port) as peer,
    ):
        await peer.send(GET)
        head, _ = await peer.response()
        assert not head.startswith(b"HTTP/1.1 200")
        assert second.connections == 0


@pytest.mark.parametrize(("condition", "script", "result"), CONDITIONS)
async def test_a_post_is_sent_once(condition: str, script: Script, result: str) -> None:
    first, second = ScriptedUpstream(script), ScriptedUpstream(answering(OK))
    async with (
        first.serving(),
        second.serving(),
        running_proxy(first.port, second.port, upstream=on(condition), timeouts={"response_head_s": 0.2}) as proxy,
        client(proxy.port) as peer,
    ):
        await peer.send(POST)
        head, _ = await peer.response()
        assert not head.startswith(b"HTTP/1.1 200")
        assert second.connections == 0


async def test_a_post_is_sent_again_where_the_service_says_that_it_is_safe() -> None:
    first, second = ScriptedUpstream(resetting), ScriptedUpstream(answering(OK))
    upstream = on("reset", methods=["POST"])
    async with first.serving(), second.serving(), running_proxy(first.port, second.port, upstream=upstream) as proxy:
        assert await answers_of(proxy.port, 1, POST) == [b"200"]


async def test_a_body_that_is_no_longer_in_our_hands_is_not_sent_again() -> None:
    first, second = ScriptedUpstream(answering(status(503))), ScriptedUpstream(answering(OK))
    pool = {"replay_bytes": 3}
    async with (
        first.serving(),
        second.serving(),
        running_proxy(first.port, second.port, upstream=on("503"), pool=pool) as proxy,
        client(proxy.port) as peer,
    ):
        await peer.send(PUT)
        assert (await peer.response())[0].startswith(b"HTTP/1.1 503")
        assert second.connections == 0


async def answers_of(proxy_port: int, count: int, request: bytes = GET) -> list[bytes]:
    async with client(proxy_port) as peer:
        statuses = []
        for _ in range(count):
            await peer.send(request)
            statuses.append((await peer.response())[0][9:12])
        return statuses


ATTEMPTS = [
    # attempts   answers of the only origin   what the client reads
    (3,          [503, 503, 200],             b"200"),
    (3,          [503, 503, 503, 200],        b"503"),  # the last response is passed on
    (1,          [503, 200],                  b"503"),
]  # fmt: skip


@pytest.mark.parametrize(("attempts", "answers", "read"), ATTEMPTS)
async def test_attempts_are_bounded_and_the_last_response_is_passed_on(
    attempts: int, answers: Sequence[int], read: bytes
) -> None:
    received: list[bytes] = []
    upstream = ScriptedUpstream(answering(*map(status, answers), requests=received))
    async with upstream.serving(), running_proxy(upstream.port, upstream=on("503", attempts=attempts)) as proxy:
        assert await answers_of(proxy.port, 1) == [read]
        assert len(received) == min(attempts, len(answers))
        assert upstream.connections == 1  # a short response is read, and its connection kept


async def test_a_response_that_has_not_arrived_is_not_waited_for() -> None:
    async def endless(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 503 No\r\nContent-Length: 1000000\r\n\r\n")
        assert await peer.ended()

    first, second = ScriptedUpstream(endless), ScriptedUpstream(answering(OK))
    async with first.serving(), second.serving(), running_proxy(first.port, second.port, upstream=on("503")) as proxy:
        assert await answers_of(proxy.port, 1) == [b"200"]


async def test_a_retry_does_not_go_to_the_one_just_tried_while_there_is_another() -> None:
    received: list[list[bytes]] = [[], []]
    first, second = (ScriptedUpstream(answering(*[status(503)] * 9, requests=heard)) for heard in received)
    upstream = on("503", attempts=4)
    async with first.serving(), second.serving(), running_proxy(first.port, second.port, upstream=upstream) as proxy:
        assert await answers_of(proxy.port, 1) == [b"503"]
        [record] = proxy.records
        assert record.earlier is not None
        origins = [*(earlier.origin for earlier in record.earlier), record.origin]
        assert origins == [f"127.0.0.1:{origin.port}" for origin in (first, second, first, second)]
        assert [len(heard) for heard in received] == [2, 2]


async def test_retries_do_not_multiply_an_outage() -> None:
    received: list[bytes] = []
    upstream = ScriptedUpstream(answering(*[status(503)] * 500, requests=received))
    settings = on("503", attempts=3, budget_percent=10.0)
    async with upstream.serving(), running_proxy(upstream.port, upstream=settings) as proxy:
        assert set(await answers_of(proxy.port, 200)) == {b"503"}
        assert len(received) == 200 + 20 + 20  # 10 %, and the floor


async def test_a_refused_request_goes_on_whatever_its_method() -> None:
    second = ScriptedUpstream(answering(OK))
    async with second.serving(), running_proxy(CLOSED_PORT, second.port) as proxy:
        assert await answers_of(proxy.port, 1, POST) == [b"200"]


@pytest.mark.parametrize("request_", [GET, POST])
async def test_every_refused_request_goes_on_though_no_retry_is_in_the_budget(request_: bytes) -> None:
    second = ScriptedUpstream(answering(*[OK] * 300))
    settings = on("connect_failure", budget_percent=0.0) | {"ejection": EjectionSettings(failures=1_000)}
    async with second.serving(), running_proxy(CLOSED_PORT, second.port, upstream=settings) as proxy:
        assert set(await answers_of(proxy.port, 300, request_)) == {b"200"}
        assert sum(record.attempts == 2 for record in proxy.records) > 20, "as many are in any budget"


async def test_without_connect_failure_none_goes_on() -> None:
    second = ScriptedUpstream(answering(OK))
    async with second.serving(), running_proxy(CLOSED_PORT, second.port, upstream=on("reset")) as proxy:
        assert await answers_of(proxy.port, 1) == [b"502"]


async def test_our_own_error_says_what_became_of_each_attempt() -> None:
    async with running_proxy(CLOSED_PORT, 2, 3) as proxy, client(proxy.port) as peer:
        await peer.send(GET)
        head, _ = await peer.response()
        [told] = fields_of(head)["proxy-status"]
        assert told.startswith("onehop-test; error=connection_refused; ")
        assert told.endswith('; 2 attempts: default.1 connect_failed, default.2 connect_failed"')
        assert b"127.0.0.1" not in head


async def test_an_idle_connection_that_had_been_closed_is_no_attempt_by_this_count() -> None:
    async def closes_on_the_second_request(peer: Peer) -> None:
        await peer.head()
        await peer.send(OK)
        await peer.head()
        peer.reset()

    upstream = ScriptedUpstream(closes_on_the_second_request, answering(OK))
    async with upstream.serving(), running_proxy(upstream.port, upstream=on(attempts=1)) as proxy:
        assert await answers_of(proxy.port, 2) == [b"200", b"200"]


async def test_a_client_that_leaves_is_retried_for_nobody() -> None:
    asked = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.head()
        asked.set()
        await peer.rest()

    first, second = ScriptedUpstream(script), ScriptedUpstream(answering(OK))
    async with first.serving(), second.serving(), running_proxy(first.port, second.port, upstream=on("reset")) as proxy:
        async with client(proxy.port) as peer:
            await peer.send(GET)
            await asked.wait()
            peer.reset()
        await proxy.records.wait_for(1)
        assert second.connections == 0
