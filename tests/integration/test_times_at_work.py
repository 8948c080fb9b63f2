"""Times for all that show on the wire alone: each test fails where its key is ignored, and the default holds instead."""

import asyncio
from typing import Any

from proxy.config.route_model import RouteConfig
from proxy.config.route_settings import RouteTimeoutsConfig
from proxy.config.upstream_model import UpstreamConfig
from proxy.policy.settings import Timeouts
from tests.harness.running_proxy import running_proxy
from tests.harness.scripted import OK, PATIENCE_S, Peer, ScriptedUpstream, answering, client
from tests.harness.waiting import until

GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
DEFAULTS = Timeouts()


async def silent(peer: Peer) -> None:
    await peer.rest()


async def test_an_expectation_is_answered_no_sooner_than_continue_s() -> None:
    upstream = ScriptedUpstream(silent, silent)
    own = RouteTimeoutsConfig(continue_s=DEFAULTS.continue_s * 1.3)
    routes: dict[str, Any] = {
        "own": RouteConfig(upstream="default", path="/own", timeouts=own),
        "other": RouteConfig(upstream="default"),
    }
    expecting = b"POST %b HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
    async with (
        upstream.serving(),
        running_proxy(upstream.port, routes=routes, timeouts={"continue_s": 600.0}) as proxy,
        client(proxy.port) as waiting,
        client(proxy.port) as invited,
    ):
        await waiting.send(expecting % b"/")
        await invited.send(expecting % b"/own")
        answer = asyncio.ensure_future(waiting.head())
        assert await invited.head() == b"HTTP/1.1 100 Continue\r\n\r\n"  # after more than the default
        assert not answer.done()
        answer.cancel()


async def test_an_upstream_connection_is_idle_no_longer_than_upstream_idle_s() -> None:
    left = asyncio.Event()

    async def script(peer: Peer) -> None:
        await answering(OK)(peer)
        left.set()

    upstream = ScriptedUpstream(script)
    async with (
        upstream.serving(),
        running_proxy(upstream.port, timeouts={"upstream_idle_s": 0.1}) as proxy,
        client(proxy.port) as peer,
    ):
        await peer.send(GET)
        assert (await peer.response())[1] == b"ok"
        async with asyncio.timeout(min(PATIENCE_S, DEFAULTS.upstream_idle_s * 0.8)):
            await left.wait()
        assert proxy.idle_upstreams == 0


async def test_a_refused_client_that_is_silent_is_closed_on_after_linger_s() -> None:
    sweeps = 0

    def count(_: float) -> None:
        nonlocal sweeps
        sweeps += 1

    upstream = ScriptedUpstream(silent)
    async with (
        upstream.serving(),
        running_proxy(upstream.port, timeouts={"linger_s": 0.05}, limits={"request_body_bytes": 1}) as proxy,
        client(proxy.port) as peer,
    ):
        deadlines = proxy.worker.deadlines
        await peer.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n")
        assert (await peer.head()).startswith(b"HTTP/1.1 413 ")
        deadlines.on_sweep.append(count)
        await until(lambda: not proxy.worker.clients)  # the end of our side came with the answer
        # Sweeps, not seconds: a machine that stands still makes none.
        assert sweeps * deadlines.interval_s < DEFAULTS.linger_s * 0.8


async def test_connecting_takes_no_longer_than_connect_s() -> None:
    upstream = ScriptedUpstream(silent)
    async with (
        upstream.serving(),
        running_proxy(
            upstreams={"default": UpstreamConfig(urls=[f"https://127.0.0.1:{upstream.port}"])},
            timeouts={"connect_s": 0.2},
        ) as proxy,
        client(proxy.port) as peer,
    ):
        await peer.send(GET)
        assert (await peer.head()).startswith(b"HTTP/1.1 504 ")
        await proxy.records.wait_for(1)
    assert proxy.records[0].detail.endswith("no answer in 0.2 s")
