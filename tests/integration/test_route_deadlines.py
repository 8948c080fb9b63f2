"""Each time that a route may have of its own, seen from outside: the route's expires, where the one for all would not."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import pytest

from proxy.config.route_model import RouteConfig
from proxy.config.route_settings import RouteLimitsConfig, RouteTimeoutsConfig
from proxy.config.upstream_model import UpstreamConfig
from proxy.policy.settings import Timeouts
from tests.harness.loops import on_both_loops
from tests.harness.running_proxy import RunningProxy, running_proxy
from tests.harness.scripted import OK, PATIENCE_S, Peer, ScriptedUpstream, answering, client, raw_client
from tests.harness.waiting import until

#: Of a test that passes, none of these ever runs out.
FOR_ALL: Final = {name: 600.0 for name in Timeouts.__struct_fields__ if name not in ("drain_s", "tunnel_shutdown_s")}
SWITCH: Final = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
ASK_SWITCH: Final = b"GET /own HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
POST: Final = b"POST /own HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n"


@asynccontextmanager
async def proxied(
    script: Callable[[Peer], Awaitable[None]], *, scheme: str = "http", limits: dict[str, int] | None = None, **own: Any
) -> AsyncIterator[RunningProxy]:
    """A worker with a route for `/own`, which has its own times; those for all others are far away."""
    upstream = ScriptedUpstream(script)
    async with upstream.serving():
        upstreams = {"app": UpstreamConfig(urls=[f"{scheme}://127.0.0.1:{upstream.port}"])}
        routes = {
            "own": RouteConfig(
                upstream="app",
                path="/own",
                timeouts=RouteTimeoutsConfig(**own),
                limits=RouteLimitsConfig(**(limits or {})),
            ),
            "other": RouteConfig(upstream="app"),
        }
        async with running_proxy(upstreams=upstreams, routes=routes, timeouts=FOR_ALL) as proxy:
            yield proxy


async def silent(peer: Peer) -> None:
    await peer.rest()


async def error_of_the_first(proxy: RunningProxy) -> str:
    await proxy.records.wait_for(1)
    return proxy.records[0].error


async def no_clients(proxy: RunningProxy) -> None:
    """Wait until no connection of a client is left: nothing tells of a socket's close that has sent its end before."""
    await until(lambda: not proxy.worker.clients)


@on_both_loops
async def test_connect_s_bounds_a_handshake_that_the_service_does_not_answer() -> None:
    async with proxied(silent, scheme="https", connect_s=0.2) as proxy, client(proxy.port) as peer:
        await peer.send(b"GET /own HTTP/1.1\r\nHost: h\r\n\r\n")
        head, _ = await peer.response()
        assert head.startswith(b"HTTP/1.1 504 ")
        assert b"\r\nProxy-Status: " in head and b"error=connection_timeout" in head
        assert await error_of_the_first(proxy) == "connect_timeout"
        assert proxy.records[0].detail.endswith("no answer in 0.2 s")


@on_both_loops
async def test_client_write_idle_s_lets_a_client_go_that_reads_nothing() -> None:
    async def endless(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            await peer.send(b"10000\r\n" + b"x" * 65_536 + b"\r\n")

    async with proxied(endless, client_write_idle_s=0.3) as proxy, raw_client(proxy.port) as raw:
        raw.send(b"GET /own HTTP/1.1\r\nHost: h\r\n\r\n")
        assert await error_of_the_first(proxy) == "client_write_timeout"


@on_both_loops
async def test_tunnel_idle_s_ends_a_silent_tunnel() -> None:
    async def switching(peer: Peer) -> None:
        await peer.head()
        await peer.send(SWITCH)
        await peer.rest()

    async with proxied(switching, tunnel_idle_s=0.2) as proxy, client(proxy.port) as peer:
        await peer.send(ASK_SWITCH)
        assert (await peer.head()).startswith(b"HTTP/1.1 101 ")
        assert await peer.ended()
        await proxy.records.wait_for(1)
        assert proxy.records[0].tunnel_end == "idle"


@on_both_loops
async def test_tunnel_half_closed_s_ends_a_tunnel_of_which_one_side_has_ended() -> None:
    async def switching(peer: Peer) -> None:
        await peer.head()
        await peer.send(SWITCH)
        await peer.rest()
        await asyncio.Event().wait()

    async with proxied(switching, tunnel_half_closed_s=0.2) as proxy, client(proxy.port) as peer:
        await peer.send(ASK_SWITCH)
        assert (await peer.head()).startswith(b"HTTP/1.1 101 ")
        peer.half_close()
        assert await peer.ended()
        await proxy.records.wait_for(1)
        assert proxy.records[0].tunnel_end == "idle"


@on_both_loops
async def test_linger_s_closes_on_a_refused_client_that_has_fallen_silent() -> None:
    async with (
        proxied(answering(OK), limits={"request_body_bytes": 10}, linger_s=0.2) as proxy,
        client(proxy.port) as peer,
    ):
        await peer.send(POST)
        assert (await peer.response())[0].startswith(b"HTTP/1.1 413 ")
        await no_clients(proxy)


@on_both_loops
async def test_linger_total_s_closes_on_a_refused_client_that_sends_on() -> None:
    async with (
        proxied(answering(OK), limits={"request_body_bytes": 10}, linger_total_s=0.3) as proxy,
        client(proxy.port) as peer,
    ):
        await peer.send(POST)
        assert (await peer.response())[0].startswith(b"HTTP/1.1 413 ")
        async with asyncio.timeout(PATIENCE_S):
            with pytest.raises(ConnectionError):
                while True:
                    await peer.send(b"x")
                    await asyncio.sleep(0.01)


@on_both_loops
async def test_request_minimum_bytes_per_s_refuses_a_body_that_trickles() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("proxy.exchange.upload.RATE_WINDOW_S", 0.3)
        limits = {"request_minimum_bytes_per_s": 1000}
        async with proxied(silent, limits=limits) as proxy, client(proxy.port) as peer:
            await peer.send(POST)
            answer = asyncio.create_task(peer.head())
            while not answer.done():
                await peer.send(b"x")
                await asyncio.sleep(0.01)
            assert (await answer).startswith(b"HTTP/1.1 408 ")
            assert await error_of_the_first(proxy) == "request_too_slow"
