"""`onehop explain` says what happens on the wire: the head that it shows is the head that a running proxy sends."""

import re
from typing import Any

import pytest

from proxy.cli.explain import answered_request, as_wire, explain_request, explain_response, setup_from
from proxy.config.model import Config
from proxy.config.route_model import FieldRulesConfig, RouteConfig
from proxy.config.upstream_model import UpstreamConfig
from tests.harness.running_proxy import running_proxy
from tests.harness.scripted import OK, ScriptedUpstream, answering, client
from tests.unit.cli.test_explain import SETUP

REQUESTS = [
    "GET /a?b HTTP/1.1|Host: h|Connection: close, X-Foo|X-Foo: 1|X-Bar: 2",
    "GET / HTTP/1.0|Host: h|Connection: keep-alive|Keep-Alive: timeout=5",
    "GET http://other/x HTTP/1.1|Host: h|X-Forwarded-For: 6.6.6.6|Via: 1.0 before",
    "POST / HTTP/1.1|Host: h|Accept: */*",
    "GET / HTTP/1.1|Host: h|Expect: 100-continue|TE: trailers, gzip|Connection: TE",
    "OPTIONS * HTTP/1.1|Host: h|Max-Forwards: 2",
    "GET / HTTP/1.1|Host: h|Connection: Upgrade, X-A|Upgrade: foo, WebSocket|X-A: 1",
    "GET / HTTP/1.1|Host: h|Connection: Upgrade, HTTP2-Settings|Upgrade: h2c|HTTP2-Settings: A",
]
RESPONSES = [
    "HTTP/1.1 200 OK|Connection: close, Set-Cookie|Set-Cookie: a=b|Content-Length: 0|X-Kept: yes",
    "HTTP/1.1 404 Not Here|Keep-Alive: timeout=5|Content-Length: 0|Date: Mon, 01 Jan 2024 00:00:00 GMT",
    "HTTP/1.0 200 OK|Proxy-Authenticate: Basic|Content-Length: 0",
    "HTTP/1.1 204 No Content|Trailer: X-T|Content-Length: 5",
]


def comparable(head: str) -> str:
    """A head without what differs from proxy to proxy and from moment to moment."""
    head = re.sub(
        r"(?m)^(X-Forwarded-For: |X-Request-Id: |Date: ).*$", r"\1...", head.replace("\r\n", "\n").rstrip("\n")
    )
    return re.sub(r"(?m)^(Via: \S+) onehop\S*$", r"\1 onehop", head)


@pytest.mark.parametrize("request_head", REQUESTS)
async def test_the_upstream_is_sent_what_explain_shows(request_head: str) -> None:
    typed = as_wire(request_head.replace("|", "\n").encode())
    received: list[bytes] = []
    upstream = ScriptedUpstream(answering(OK, requests=received))
    async with upstream.serving(), running_proxy(upstream.port) as proxy, client(proxy.port) as peer:
        await peer.send(typed)
        await peer.response()
    assert comparable(explain_request(typed, SETUP).sent) == comparable(received[0].decode())


@pytest.mark.parametrize("response_head", RESPONSES)
async def test_the_client_is_sent_what_explain_shows(response_head: str) -> None:
    head = as_wire(response_head.replace("|", "\n").encode())
    upstream = ScriptedUpstream(answering(head))
    async with upstream.serving(), running_proxy(upstream.port) as proxy, client(proxy.port) as peer:
        await peer.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        sent, _ = await peer.response()
    assert comparable(explain_response(head, SETUP).sent) == comparable(sent.decode())


MOVED = (
    "HTTP/1.1 302 Found|Location: /login?next=/x|Content-Location: http://h/x|Set-Cookie: a=1; Path=/|Content-Length: 0"
)
ROUTES: list[tuple[dict[str, Any], str, str]] = [
    # the route                                                              the client asks   the service answers
    ({"path": "/v1", "strip_prefix": "/v1"},                                 "/v1/a",          MOVED),
    ({"path": "/v1", "strip_prefix": "/v1", "rewrite_location": False},      "/v1/a",          MOVED),
    ({"path": "/v1", "strip_prefix": "/v1", "add_prefix": "/in"},            "/v1/a",          MOVED.replace("/x", "/in/x")),
    ({"add_prefix": "/in", "host": "h"},                                     "/",              "HTTP/1.1 201 Created|Location: http://app/in/x|Content-Length: 0"),
    ({"response_fields": FieldRulesConfig(put={"X-Put": "1"}, remove=["Server"])}, "/",        "HTTP/1.1 200 OK|Server: s|Content-Length: 0"),
    ({"upgrades": ["foo/2"]},                                                "/",              "HTTP/1.1 426 Upgrade Required|Upgrade: websocket, foo/2|Content-Length: 0"),
    ({"upgrades": ["foo/2"]},                                                "/",              "HTTP/1.1 101 Switching Protocols|Connection: Upgrade, X-R|Upgrade: foo/2|X-R: 1"),
    ({},                                                                     "/",              "HTTP/1.1 426 Upgrade Required|Upgrade: websocket, foo/2|Content-Length: 0"),
]  # fmt: skip


@pytest.mark.parametrize(("route", "target", "response_head"), ROUTES)
async def test_what_a_route_does_to_responses_is_explained_as_it_is_done(
    route: dict[str, Any], target: str, response_head: str
) -> None:
    head = as_wire(response_head.replace("|", "\n").encode())
    upstream = ScriptedUpstream(answering(head))
    async with upstream.serving():
        upstreams = {"app": UpstreamConfig(urls=[f"http://127.0.0.1:{upstream.port}"], host="app")}
        routes = {"r": RouteConfig(upstream="app", **route)}
        async with running_proxy(upstreams=upstreams, routes=routes) as proxy, client(proxy.port) as peer:
            switch = "Connection: Upgrade\r\nUpgrade: foo/2\r\n" if " 101 " in response_head else ""
            await peer.send(f"GET {target} HTTP/1.1\r\nHost: h\r\n{switch}\r\n".encode())
            sent, _ = await peer.response()
        config = Config(upstreams=upstreams, routes=routes)
        setup = setup_from(config, "192.0.2.1")
        asked = answered_request(config, setup, None, f"http://h{target}")
    masked = re.sub(r"Set-Cookie: ([^\r]*)", lambda found: f"Set-Cookie: *** ({len(found[1])} bytes)", sent.decode())
    assert comparable(explain_response(head, setup, asked).sent) == comparable(masked)
