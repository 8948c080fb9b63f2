"""Copies for a mirror that are under way as their worker ends."""

import asyncio
import threading

from proxy.config.route_model import MirrorConfig, RouteConfig
from proxy.config.upstream_model import UpstreamConfig
from tests.harness.loops import on_both_loops
from tests.harness.running_proxy import running_proxy
from tests.harness.scripted import OK, PATIENCE_S, ScriptedUpstream, answering, client


@on_both_loops
async def test_a_copy_whose_connection_is_being_opened_as_the_worker_ends_is_given_up() -> None:
    loop, asked, may_answer = asyncio.get_running_loop(), asyncio.Event(), threading.Event()

    def lookup(name: str) -> list[str]:  # in a thread
        loop.call_soon_threadsafe(asked.set)
        may_answer.wait(PATIENCE_S)
        return ["127.0.0.1"]

    upstream = ScriptedUpstream(answering(OK))
    async with upstream.serving():
        upstreams = {
            "app": UpstreamConfig(urls=[f"http://127.0.0.1:{upstream.port}"]),
            "shadow": UpstreamConfig(urls=[f"http://shadow.internal:{upstream.port}"]),
        }
        routes = {"r": RouteConfig(upstream="app", mirror=MirrorConfig(upstream="shadow"))}
        async with (
            running_proxy(upstreams=upstreams, routes=routes, lookup=lookup) as proxy,
            client(proxy.port) as peer,
        ):
            await peer.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            await peer.response()
            async with asyncio.timeout(PATIENCE_S):
                await asked.wait()
            proxy.worker.shut_down()
            await proxy.worker.run_until_shut_down()
            may_answer.set()
            assert not proxy.worker._context.copies
