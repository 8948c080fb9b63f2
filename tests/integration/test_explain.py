"""`onehop explain` says what happens on the wire: the head that it shows is the head that a running proxy sends."""

import re

import pytest

from proxy.cli.explain import as_wire, explain_request, explain_response
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
