"""What a route has of its own: times, limits, and protocols to switch to. Another route of the same worker has none."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from proxy.config.route_model import RouteConfig
from proxy.config.route_settings import RouteLimitsConfig, RouteTimeoutsConfig
from proxy.config.upstream_model import UpstreamConfig
from tests.harness.loops import on_both_loops
from tests.harness.running_proxy import RunningProxy, running_proxy
from tests.harness.scripted import OK, Peer, Script, ScriptedUpstream, answering, client

OWN = b"GET /own HTTP/1.1\r\nHost: h\r\n\r\n"
OTHER = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"


def asking(method: str, path: str, fields: str = "") -> bytes:
    return f"{method} {path} HTTP/1.1\r\nHost: h\r\n{fields}\r\n".encode()


@asynccontextmanager
async def proxied(*scripts: Script, url: str = "", **own: Any) -> AsyncIterator[tuple[RunningProxy, Peer]]:
    """A worker with a route for `/own`, which has its own, and one for all else. `scripts` are the service's."""
    upstream = ScriptedUpstream(*scripts)
    async with upstream.serving():
        settings = own.pop("settings", {})
        upstreams = {"default": UpstreamConfig(urls=[url or f"http://127.0.0.1:{upstream.port}"])}
        routes = {
            "own": RouteConfig(upstream="default", path="/own", **own),
            "other": RouteConfig(upstream="default"),
        }
        async with (
            running_proxy(upstreams=upstreams, routes=routes, **settings) as proxy,
            client(proxy.port) as peer,
        ):
            yield proxy, peer


async def silent(peer: Peer) -> None:
    await peer.head()
    await peer.rest()


def saying(data: bytes) -> Script:
    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(data)
        await peer.rest()

    return script


TIMES = [
    # a time of the route         the service          the request                                        the record
    ({"response_head_s": 0.1},    silent,              OWN,                                               (504, "response_timeout")),
    ({"request_total_s": 0.1},    silent,              OWN,                                               (504, "request_total_timeout")),
    ({"request_body_idle_s": 0.1}, silent,             asking("POST", "/own", "Content-Length: 9\r\n"),   (408, "request_timeout")),
    ({"response_body_idle_s": 0.1}, saying(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"), OWN,         (200, "response_body_timeout")),
]  # fmt: skip


@pytest.mark.parametrize(("times", "script", "request_bytes", "expected"), TIMES, ids=[case[3][1] for case in TIMES])
@on_both_loops
async def test_a_route_may_have_less_time(
    times: dict[str, float], script: Script, request_bytes: bytes, expected: tuple[int, str]
) -> None:
    async with proxied(script, timeouts=RouteTimeoutsConfig(**times)) as (proxy, peer):
        await peer.send(request_bytes)
        await peer.rest() if expected[0] in (200, 408) else await peer.response()
        await proxy.records.wait_for(1)
        assert (proxy.records[0].status, proxy.records[0].error) == expected


@pytest.mark.parametrize("name", ["response_head_s", "request_total_s"])
@on_both_loops
async def test_times_of_one_route_hold_for_no_other_request_of_the_connection(name: str) -> None:
    started, may_answer = asyncio.Event(), asyncio.Event()

    async def slow(peer: Peer) -> None:
        await peer.head()
        await peer.send(OK)
        await peer.head()
        started.set()
        await may_answer.wait()
        await peer.send(OK)
        await peer.rest()

    async with proxied(slow, timeouts=RouteTimeoutsConfig(**{name: 0.1})) as (_, peer):
        await peer.send(OWN)
        assert (await peer.response())[1] == b"ok"
        await peer.send(OTHER)
        await started.wait()
        # Longer than the other route's time: nothing else would show that it does not run.
        await asyncio.sleep(0.4)
        may_answer.set()
        assert (await peer.response())[1] == b"ok"


@on_both_loops
async def test_a_route_may_have_more_time_than_all_others() -> None:
    async def slow(peer: Peer) -> None:
        await peer.head()
        await asyncio.sleep(0.4)
        await peer.send(OK)
        await peer.rest()

    settings = {"timeouts": {"response_head_s": 0.1, "request_total_s": 0.2}}
    own = RouteTimeoutsConfig(response_head_s=5.0, request_total_s=0.0)
    async with proxied(slow, slow, timeouts=own, settings=settings) as (_, peer):
        await peer.send(OWN)
        assert (await peer.response())[1] == b"ok"
        await peer.send(OTHER)
        assert (await peer.response())[0].startswith(b"HTTP/1.1 504 ")


async def test_a_connection_is_opened_in_the_routes_time() -> None:
    # 192.0.2.0/24 leads nowhere (RFC 5737); where a machine says so at once, there is nothing to wait for.
    async with proxied(url="http://192.0.2.1:9", timeouts=RouteTimeoutsConfig(connect_s=0.2)) as (proxy, peer):
        await peer.send(OWN)
        await peer.response()
        await proxy.records.wait_for(1)
        [record] = proxy.records
        if record.error == "connect_timeout":
            assert record.detail.endswith("no answer in 0.2 s")
        else:
            assert record.error == "connect_failed"


async def test_a_route_may_answer_an_expectation_sooner() -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        assert await peer.exactly(2) == b"hi"
        await peer.send(OK)
        await peer.rest()

    own = RouteTimeoutsConfig(continue_s=0.05)
    async with proxied(script, timeouts=own, settings={"timeouts": {"continue_s": 600.0}}) as (_, peer):
        await peer.send(asking("POST", "/own", "Content-Length: 2\r\nExpect: 100-continue\r\n"))
        assert await peer.head() == b"HTTP/1.1 100 Continue\r\n\r\n"
        await peer.send(b"hi")
        assert (await peer.response())[1] == b"ok"


@on_both_loops
async def test_a_route_may_end_its_tunnels_sooner() -> None:
    async with proxied(saying(SWITCH), timeouts=RouteTimeoutsConfig(tunnel_idle_s=0.2)) as (proxy, peer):
        await peer.send(asking("GET", "/own", "Connection: Upgrade\r\nUpgrade: websocket\r\n"))
        assert (await peer.head()).startswith(b"HTTP/1.1 101 ")
        assert await peer.ended()
        await proxy.records.wait_for(1)
        assert proxy.records[0].tunnel_end == "idle"


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
LIMITS = [
    # a limit of the route              the request                                       the service answers                                           error
    ({"request_body_bytes": 5},         b"POST %b HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\nabcdef", OK,                                      "body_too_large"),
    ({"request_body_bytes": 5},         b"POST %b HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nabcdef\r\n0\r\n\r\n", OK,           "body_too_large"),
    ({"trailer_bytes": 20},             b"POST %b HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-T: " + b"t" * 30 + b"\r\n\r\n", OK, "trailers_too_large"),
    ({"chunk_extension_bytes": 5},      b"POST %b HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1;extension\r\na\r\n0\r\n\r\n", OK,      "chunk_extension_too_long"),
    ({"response_head_bytes": 1024},     b"GET %b HTTP/1.1\r\nHost: h\r\n\r\n",            OK[:-4] + b"X: " + b"x" * 2000 + b"\r\n\r\nok",               "head_too_large"),
    ({"trailer_bytes": 20},             b"GET %b HTTP/1.1\r\nHost: h\r\n\r\n",            CHUNKED + b"0\r\nX-T: " + b"t" * 30 + b"\r\n\r\n",            "trailers_too_large"),
    ({"interim_responses": 1},          b"GET %b HTTP/1.1\r\nHost: h\r\n\r\n",            b"HTTP/1.1 103 Early Hints\r\n\r\n" * 2 + OK,                 "bad_response"),
    ({"interim_bytes": 9},              b"GET %b HTTP/1.1\r\nHost: h\r\n\r\n",            b"HTTP/1.1 103 Early Hints\r\nLink: </aaaaaaa>\r\n\r\n" + OK, "bad_response"),
]  # fmt: skip


@pytest.mark.parametrize(("limits", "request_bytes", "response", "error"), LIMITS, ids=lambda value: str(value)[:40])
async def test_a_route_may_have_a_lower_limit(
    reader: str, limits: dict[str, int], request_bytes: bytes, response: bytes, error: str
) -> None:
    answers = [answering(response, response) for _ in range(2)]
    own = RouteLimitsConfig(**limits)
    async with proxied(*answers, limits=own, settings={"reader": reader}) as (proxy, peer):
        await peer.send(request_bytes % b"/")
        head = await peer.head()
        while head.startswith(b"HTTP/1.1 103 "):
            head = await peer.head()
        assert head.startswith(b"HTTP/1.1 200 "), "another route goes by the limits of all"
        async with client(proxy.port) as second:
            await second.send(request_bytes % b"/own")
            await second.response()
            await proxy.records.wait_for(2)
        assert error in [record.error for record in proxy.records if record.route == "own"]


async def test_a_connection_that_two_routes_share_goes_by_the_limits_of_the_one_it_serves(reader: str) -> None:
    large = OK[:-4] + b"X: " + b"x" * 2000 + b"\r\n\r\nok"
    upstream = answering(OK, large, large)
    own = RouteLimitsConfig(response_head_bytes=1024)
    async with proxied(upstream, limits=own, settings={"reader": reader}) as (proxy, peer):
        for request_bytes, status in ((OWN, 200), (OTHER, 200), (OWN, 502)):
            await peer.send(request_bytes)
            assert (await peer.response())[0].startswith(b"HTTP/1.1 %d " % status)
        assert [record.reused for record in proxy.records] == [False, True, True]


async def test_a_route_may_have_a_higher_limit_than_all_others() -> None:
    settings = {"limits": {"request_body_bytes": 5}}
    own = RouteLimitsConfig(request_body_bytes=0)
    async with proxied(answering(OK), limits=own, settings=settings) as (_, peer):
        body = asking("POST", "/own", "Content-Length: 6\r\n") + b"abcdef"
        await peer.send(body)
        assert (await peer.response())[0].startswith(b"HTTP/1.1 200 ")
        await peer.send(body.replace(b"/own", b"/all"))
        assert (await peer.response())[0].startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    ("for_all", "own", "switches"),
    [(["websocket"], [], False), ([], ["websocket"], True), (["tcp"], ["websocket"], True)],
)
async def test_a_route_has_upgrades_of_its_own(for_all: list[str], own: list[str], switches: bool) -> None:
    seen: list[bytes] = []

    async def script(peer: Peer) -> None:
        seen.append(await peer.head())
        await peer.send(SWITCH if b"Upgrade:" in seen[0] else OK)
        await peer.rest()

    async with proxied(script, upgrades=own, settings={"upgrades": for_all}) as (_, peer):
        await peer.send(asking("GET", "/own", "Connection: Upgrade\r\nUpgrade: websocket\r\n"))
        assert (await peer.head()).startswith(b"HTTP/1.1 101 " if switches else b"HTTP/1.1 200 ")
        assert (b"Upgrade: websocket" in seen[0]) is switches


async def test_a_request_without_a_route_goes_by_what_holds_for_all() -> None:
    async with proxied(answering(OK), timeouts=RouteTimeoutsConfig(request_total_s=0.1)) as (proxy, peer):
        await peer.send(OWN)
        await peer.response()
        await peer.send(b"OPTIONS * HTTP/1.1\r\nHost: h\r\nMax-Forwards: 0\r\n\r\n")
        await peer.response()
        [connection] = proxy.worker.clients
        assert connection.timeouts.request_total_s == 0


TIME_NAMES = RouteTimeoutsConfig.__struct_fields__
LIMIT_NAMES = RouteLimitsConfig.__struct_fields__


async def test_every_time_and_limit_of_a_route_is_that_of_its_connections() -> None:
    times = {name: 7.0 + number for number, name in enumerate(TIME_NAMES)}
    limits = {name: 2000 + number for number, name in enumerate(LIMIT_NAMES)}
    own: dict[str, Any] = {"timeouts": RouteTimeoutsConfig(**times), "limits": RouteLimitsConfig(**limits)}
    async with proxied(answering(OK, OK), **own) as (proxy, peer):
        await peer.send(OWN)
        await peer.response()
        [connection] = proxy.worker.clients
        assert {name: getattr(connection.timeouts, name) for name in TIME_NAMES} == times
        assert {name: getattr(connection.limits, name) for name in LIMIT_NAMES} == limits
        assert connection.reader.limits is connection.limits
        await peer.send(OTHER)
        await peer.response()
        assert connection.timeouts.request_body_idle_s == 60
        assert (connection.limits.request_body_bytes, connection.reader.limits.trailer_bytes) == (0, 16_384)
