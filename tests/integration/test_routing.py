"""Requests go to the route whose conditions they meet, on real sockets."""

from proxy.config.route_model import RouteConfig
from proxy.config.upstream_model import UpstreamConfig
from tests.harness.running_proxy import running_proxy
from tests.harness.scripted import OK, ScriptedUpstream, answering, client, fields_of


async def test_requests_are_told_apart_by_method_and_fields(reader: str) -> None:
    stable, canary = ScriptedUpstream(answering(*[OK] * 9)), ScriptedUpstream(answering(*[OK] * 9))
    async with stable.serving(), canary.serving():
        upstreams = {
            name: UpstreamConfig(urls=[f"http://127.0.0.1:{upstream.port}"])
            for name, upstream in (("stable", stable), ("canary", canary))
        }
        routes = {
            "stable": RouteConfig(upstream="stable", methods=["GET", "POST"]),
            "canary": RouteConfig(upstream="canary", methods=["GET"], headers={"X-Env": "canary"}),
        }
        async with (
            running_proxy(upstreams=upstreams, routes=routes, reader=reader) as proxy,
            client(proxy.port) as peer,
        ):
            for method, fields in (("GET", ""), ("GET", "x-env: canary\r\n"), ("POST", "X-Env: canary\r\n")):
                await peer.send(f"{method} / HTTP/1.1\r\nHost: h\r\n{fields}\r\n".encode())
                assert (await peer.response())[0].startswith(b"HTTP/1.1 200 OK\r\n")
            await proxy.records.wait_for(3)
            assert [record.route for record in proxy.records] == ["stable", "canary", "stable"]


async def test_a_method_that_no_route_takes_is_a_405_that_names_those_that_are(reader: str) -> None:
    upstream = ScriptedUpstream(answering(OK))
    async with upstream.serving():
        routes = {"r": RouteConfig(upstream="default", methods=["POST", "GET"])}
        async with running_proxy(upstream.port, routes=routes, reader=reader) as proxy, client(proxy.port) as peer:
            await peer.send(b"DELETE /x HTTP/1.1\r\nHost: h\r\n\r\n")
            head, body = await peer.response()
            assert head.startswith(b"HTTP/1.1 405 Method Not Allowed\r\n")
            assert fields_of(head)["allow"] == ["GET, POST"]
            assert b"no route for this method" in body
            await peer.send(b"GET /x HTTP/1.1\r\nHost: h\r\n\r\n")
            assert (await peer.response())[1] == b"ok", "the connection goes on"
            await proxy.records.wait_for(2)
            assert (proxy.records[0].status, proxy.records[0].error) == (405, "method_not_allowed")
