"""What a route answers itself is guarded like what its service answers, and refusals follow the route's rules."""

import contextlib
from typing import Any

import pytest

from proxy.config.access_model import AccessConfig, ForwardAuthConfig, RateLimitConfig
from proxy.config.route_model import FieldRulesConfig, RedirectConfig, RespondConfig, RouteConfig
from proxy.config.upstream_model import UpstreamConfig
from proxy.exchange.buckets import Buckets
from tests.harness.running_proxy import running_proxy
from tests.harness.scripted import OK, Peer, ScriptedUpstream, answering, client, fields_of

LOCAL: list[dict[str, Any]] = [
    {"respond": RespondConfig(status=200, body="hello")},
    {"redirect": RedirectConfig(to="https://{host}{target}", status=302)},
]


@pytest.mark.parametrize("answer", LOCAL, ids=["respond", "redirect"])
async def test_a_fixed_answer_is_only_for_those_who_may_come_in(answer: dict[str, Any]) -> None:
    async def script(peer: Peer) -> None:
        assert (await peer.head()).startswith(b"GET /verify HTTP/1.1\r\n")
        await peer.send(b"HTTP/1.1 401 Who\r\nContent-Length: 0\r\n\r\n")
        await peer.head()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await peer.rest()

    auth = ScriptedUpstream(script)
    asked = AccessConfig(forward_auth=ForwardAuthConfig(upstream="auth", path="/verify"))
    limit = RateLimitConfig(requests_per_s=0.001, burst=1)
    routes = {
        "asked": RouteConfig(access=asked, **answer),
        "denied": RouteConfig(path="/denied", access=AccessConfig(deny=["127.0.0.0/8"]), **answer),
        "limited": RouteConfig(path="/limited", rate_limit=limit, **answer),
    }
    with contextlib.closing(Buckets()) as buckets:
        async with (
            auth.serving(),
            running_proxy(
                routes=routes,
                upstreams={"auth": UpstreamConfig(urls=[f"http://127.0.0.1:{auth.port}"])},
                buckets=buckets,
            ) as proxy,
            client(proxy.port) as peer,
        ):
            own = 200 if "respond" in answer else 302
            for path, status in (
                ("/", 401), ("/", own), ("/denied", 403), ("/limited", own), ("/limited", 429),
            ):  # fmt: skip
                await peer.send(f"GET {path} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
                assert (await peer.response())[0].startswith(b"HTTP/1.1 %d " % status), path


async def test_refusals_get_the_fields_that_the_route_states() -> None:
    rules = FieldRulesConfig(put={"Access-Control-Allow-Origin": "*"})
    access = AccessConfig(forward_auth=ForwardAuthConfig(upstream="auth"))
    auth = ScriptedUpstream(answering(b"HTTP/1.1 401 Who\r\nContent-Length: 0\r\n\r\n"))
    async with (
        auth.serving(),
        running_proxy(
            upstreams={"auth": UpstreamConfig(urls=[f"http://127.0.0.1:{auth.port}"])},
            routes={
                "r": RouteConfig(upstream="auth", access=access, response_fields=rules),
                "d": RouteConfig(upstream="auth", path="/d", access=AccessConfig(allow=["::1"]), response_fields=rules),
            },
        ) as proxy,
        client(proxy.port) as peer,
    ):
        for target, status in (("/", 401), ("/d", 403)):
            await peer.send(f"GET {target} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
            head, _ = await peer.response()
            assert head.startswith(b"HTTP/1.1 %d " % status)
            assert fields_of(head)["access-control-allow-origin"] == ["*"]


async def test_a_websocket_is_let_in_or_not_like_any_request() -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        await peer.send(await peer.some())

    app, auth = ScriptedUpstream(script), ScriptedUpstream(answering(OK))
    upgrade = b"GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n"
    async with app.serving(), auth.serving():
        upstreams = {
            "app": UpstreamConfig(urls=[f"http://127.0.0.1:{app.port}"]),
            "auth": UpstreamConfig(urls=[f"http://127.0.0.1:{auth.port}"]),
        }
        access = AccessConfig(forward_auth=ForwardAuthConfig(upstream="auth"))
        routes = {"r": RouteConfig(upstream="app", access=access)}
        async with running_proxy(upstreams=upstreams, routes=routes) as proxy, client(proxy.port) as peer:
            await peer.send(upgrade)
            assert (await peer.head()).startswith(b"HTTP/1.1 101 ")
            await peer.send(b"frame")
            assert await peer.exactly(5) == b"frame"
