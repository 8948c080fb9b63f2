"""A service that decides who may come in, and is down, silent, slow or left: nothing goes on."""

import asyncio
import socket
from typing import Any

import pytest

from proxy.config.access_model import AccessConfig, ForwardAuthConfig
from proxy.config.route_model import RouteConfig
from proxy.config.upstream_model import UpstreamConfig
from tests.harness.running_proxy import running_proxy
from tests.harness.scripted import OK, Peer, ScriptedUpstream, answering, client

GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"


def asking(auth_port: int, app_port: int = 1) -> dict[str, Any]:
    """Settings whose only route asks a service at one port before it goes to one at the other."""
    ports = {"auth": auth_port, "app": app_port}
    return {
        "upstreams": {name: UpstreamConfig(urls=[f"http://127.0.0.1:{port}"]) for name, port in ports.items()},
        "routes": {
            "r": RouteConfig(upstream="app", access=AccessConfig(forward_auth=ForwardAuthConfig(upstream="auth")))
        },
    }


async def test_a_service_that_is_down_is_a_502() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound, and nobody listens
        async with running_proxy(**asking(closed.getsockname()[1])) as proxy, client(proxy.port) as peer:
            for _ in range(2):  # the client's connection goes on
                await peer.send(GET)
                head, _ = await peer.response()
                assert head.startswith(b"HTTP/1.1 502 ")
                assert b"error=connection_refused" in head
            await proxy.records.wait_for(2)
            assert proxy.records[0].error == "connect_failed"


async def test_a_service_that_is_silent_is_a_504() -> None:
    async def script(peer: Peer) -> None:
        await peer.rest()

    auth = ScriptedUpstream(script)
    async with (
        auth.serving(),
        running_proxy(**asking(auth.port), timeouts={"response_head_s": 0.05}) as proxy,
        client(proxy.port) as peer,
    ):
        await peer.send(GET)
        assert (await peer.response())[0].startswith(b"HTTP/1.1 504 ")
        await proxy.records.wait_for(1)
        assert proxy.records[0].error == "response_timeout"


async def test_a_service_that_cuts_its_refusal_is_a_502() -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 403 No\r\nContent-Length: 10\r\n\r\nno")

    auth = ScriptedUpstream(script)
    async with auth.serving(), running_proxy(**asking(auth.port)) as proxy, client(proxy.port) as peer:
        await peer.send(GET)
        assert (await peer.response())[0].startswith(b"HTTP/1.1 502 ")
        await proxy.records.wait_for(1)
        assert proxy.records[0].error == "response_body_cut"


async def test_the_rest_of_a_yes_is_not_waited_for_long() -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nno")
        await peer.rest()

    auth, app = ScriptedUpstream(script), ScriptedUpstream(answering(OK))
    async with (
        auth.serving(),
        app.serving(),
        running_proxy(**asking(auth.port, app.port)) as proxy,
        client(proxy.port) as peer,
    ):
        await peer.send(GET)
        assert (await peer.response())[1] == b"ok"


@pytest.mark.parametrize("pause", [False, True], ids=["with its head", "behind its head"])
async def test_a_yes_whose_body_is_broken_is_a_yes(pause: bool) -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        head, body = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"no chunk\r\n"
        await peer.send(head if pause else head + body)
        if pause:
            await served.wait()
            await peer.send(body)
        await peer.rest()

    served = asyncio.Event()
    auth, app = ScriptedUpstream(script), ScriptedUpstream(answering(OK))
    async with (
        auth.serving(),
        app.serving(),
        running_proxy(**asking(auth.port, app.port)) as proxy,
        client(proxy.port) as peer,
    ):
        await peer.send(GET)
        if pause:
            served.set()
        assert (await peer.response())[1] == b"ok"


async def test_no_client_reads_the_name_of_an_auth_service_that_is_busy() -> None:
    asked = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.head()
        asked.set()
        await peer.rest()

    auth = ScriptedUpstream(script)
    async with auth.serving():
        settings = asking(auth.port)
        busy = UpstreamConfig(urls=[f"http://127.0.0.1:{auth.port}"], max_connections=1)
        settings["upstreams"]["auth"] = busy
        async with running_proxy(**settings) as proxy, client(proxy.port) as first, client(proxy.port) as second:
            await first.send(GET)
            await asked.wait()
            await second.send(GET)
            head, body = await second.response()
            await proxy.records.wait_for(1)
    assert head.startswith(b"HTTP/1.1 503 ")
    assert b"queue_full" in body
    assert b"auth" not in head + body
    assert proxy.records[0].detail.startswith("asking auth service 'auth': ")


async def test_a_client_that_leaves_ends_the_question() -> None:
    asked, left = asyncio.Event(), asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.head()
        asked.set()
        await peer.rest()
        left.set()

    auth = ScriptedUpstream(script)
    async with auth.serving(), running_proxy(**asking(auth.port)) as proxy:
        async with client(proxy.port) as peer:
            await peer.send(GET)
            await asked.wait()
            peer.reset()
        await left.wait()
        await proxy.records.wait_for(1)
        assert (proxy.records[0].error, proxy.records[0].status) == ("client_gone", 499)


async def test_the_total_time_of_a_request_holds_while_the_service_is_asked() -> None:
    async def script(peer: Peer) -> None:
        await peer.rest()

    auth = ScriptedUpstream(script)
    async with (
        auth.serving(),
        running_proxy(**asking(auth.port), timeouts={"request_total_s": 0.1}) as proxy,
        client(proxy.port) as peer,
    ):
        await peer.send(GET)
        assert (await peer.response())[0].startswith(b"HTTP/1.1 504 ")
        await proxy.records.wait_for(1)
        assert proxy.records[0].error == "request_total_timeout"


async def test_a_connection_that_the_service_has_closed_meanwhile_is_replaced() -> None:
    seen = 0

    async def script(peer: Peer) -> None:
        nonlocal seen
        seen += 1
        await peer.head()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        if seen == 1:
            await peer.head()  # and closes without an answer
        else:
            await peer.rest()

    auth, app = ScriptedUpstream(script), ScriptedUpstream(answering(OK, OK))
    async with (
        auth.serving(),
        app.serving(),
        running_proxy(**asking(auth.port, app.port)) as proxy,
        client(proxy.port) as peer,
    ):
        for _ in range(2):
            await peer.send(GET)
            assert (await peer.response())[1] == b"ok"
        assert seen == 2
