"""Rewritten targets, the way back, and the fields of a route, on real sockets."""

from typing import Any

import pytest

from proxy.cli.explain import explain_request, setup_from
from proxy.config.model import Config
from proxy.config.route_model import FieldRulesConfig, RouteConfig
from proxy.config.route_settings import RouteLimitsConfig
from proxy.config.upstream_model import UpstreamConfig
from tests.harness.running_proxy import running_proxy
from tests.harness.scripted import OK, ScriptedUpstream, answering, client, fields_of


async def exchange(response: bytes, request: bytes, **route: Any) -> tuple[bytes, bytes, bytes]:
    """What the service receives, and the head and the body that the client does."""
    received: list[bytes] = []
    upstream = ScriptedUpstream(answering(response, requests=received))
    async with upstream.serving():
        upstreams = {
            "default": UpstreamConfig(urls=[f"http://127.0.0.1:{upstream.port}"], host=route.pop("host", None))
        }
        routes = {"default": RouteConfig(upstream="default", **route)}
        async with running_proxy(upstreams=upstreams, routes=routes) as proxy, client(proxy.port) as peer:
            await peer.send(request)
            head, body = await peer.response()
    return (received or [b""])[0], head, body


async def test_a_prefix_is_taken_off_and_put_back() -> None:
    said = (
        b"HTTP/1.1 302 Found\r\nLocation: /login?next=/x\r\nContent-Location: http://h/x\r\n"
        b"Set-Cookie: a=1; Path=/\r\nSet-Cookie: b=2; path=/x\r\nContent-Length: 0\r\n\r\n"
    )
    received, head, _ = await exchange(
        said, b"GET /v1/a%2Fb?c=/v1 HTTP/1.1\r\nHost: h\r\n\r\n", path="/v1", strip_prefix="/v1"
    )
    assert received.startswith(b"GET /a%2Fb?c=/v1 HTTP/1.1\r\nHost: h\r\n")
    fields = fields_of(head)
    assert fields["location"] == ["/v1/login?next=/x"]
    assert fields["content-location"] == ["http://h/v1/x"]
    assert fields["set-cookie"] == ["a=1; Path=/v1", "b=2; path=/v1/x"]


async def test_without_rewrite_location_a_service_speaks_for_itself() -> None:
    said = b"HTTP/1.1 302 Found\r\nLocation: /v1/login\r\nContent-Length: 0\r\n\r\n"
    _, head, _ = await exchange(
        said, b"GET /v1/a HTTP/1.1\r\nHost: h\r\n\r\n", path="/v1", strip_prefix="/v1", rewrite_location=False
    )
    assert fields_of(head)["location"] == ["/v1/login"]


async def test_a_location_with_the_services_own_name_becomes_the_clients() -> None:
    said = b"HTTP/1.1 302 Found\r\nLocation: http://app.internal/in/x\r\nContent-Length: 0\r\n\r\n"
    received, head, _ = await exchange(
        said, b"GET /x HTTP/1.1\r\nHost: h\r\n\r\n", host="app.internal", add_prefix="/in"
    )
    assert received.startswith(b"GET /in/x HTTP/1.1\r\nHost: app.internal\r\n")
    assert fields_of(head)["location"] == ["/x"]


async def test_a_path_that_a_malformed_percent_makes_ambiguous_is_a_400() -> None:
    received, head, _ = await exchange(OK, b"GET /../%%32e/x HTTP/1.1\r\nHost: h\r\n\r\n", add_prefix="/in")
    assert (received, head[:13]) == (b"", b"HTTP/1.1 400 ")


def test_explain_shows_the_rewritten_target() -> None:
    config = Config(
        upstreams={"app": UpstreamConfig(urls=["http://a"])},
        routes={"r": RouteConfig(upstream="app", path="/v1", strip_prefix="/v1", add_prefix="/in")},
    )
    explained = explain_request(b"GET /v1/x?y HTTP/1.1\r\nHost: h\r\n\r\n", setup_from(config, "192.0.2.1"))
    assert explained.sent.startswith("GET /in/x?y HTTP/1.1\n")
    assert "the target: /v1/x?y goes on as /in/x?y" in explained.remarks


ADDED = FieldRulesConfig(add={"X-Tag": "edge", "Vary": "Origin"})


async def test_a_field_that_is_added_stands_beside_the_others_and_no_client_nominates_it_away() -> None:
    received, head, _ = await exchange(
        b"HTTP/1.1 200 OK\r\nVary: Accept\r\nConnection: Vary-2, X-Tag\r\nContent-Length: 2\r\n\r\nok",
        b"GET / HTTP/1.1\r\nHost: h\r\nConnection: X-Tag\r\nX-Tag: client\r\nVary: x\r\n\r\n",
        request_fields=ADDED,
        response_fields=ADDED,
    )
    assert fields_of(received)["x-tag"] == ["edge"]
    assert fields_of(received)["vary"] == ["x", "Origin"]
    assert fields_of(head)["vary"] == ["Accept", "Origin"]
    assert fields_of(head)["x-tag"] == ["edge"]


async def test_trailers_do_not_bring_in_again_what_is_added() -> None:
    request = (
        b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTrailer: X-Tag, X-Kept\r\n\r\n"
        b"0\r\nX-Tag: forged\r\nX_Tag: forged\r\nX-Kept: 1\r\n\r\n"
    )
    received: list[bytes] = []

    async def script(peer: Any) -> None:
        received.append(await peer.head())
        received.append((await peer.chunked())[1])
        await peer.send(OK)
        await peer.rest()

    upstream = ScriptedUpstream(script)
    async with upstream.serving():
        routes = {"default": RouteConfig(upstream="default", request_fields=ADDED)}
        async with running_proxy(upstream.port, routes=routes) as proxy, client(proxy.port) as peer:
            await peer.send(request)
            await peer.response()
    assert fields_of(received[0])["trailer"] == ["x-kept"]
    assert received[1] == b"X-Kept: 1\r\n"


OWN_ANSWERS = {
    "400": b"GET /../%%32e HTTP/1.1\r\nHost: h\r\n\r\n",
    "413": b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n",
    "417": b"POST / HTTP/1.1\r\nHost: h\r\nExpect: miracles\r\nContent-Length: 1\r\n\r\n",
}


@pytest.mark.parametrize("status", ["400", "413", "417"])
async def test_fields_of_responses_stand_in_our_own_answers_for_the_route_too(status: str) -> None:
    rules = FieldRulesConfig(put={"Access-Control-Allow-Origin": "*"}, add={"Vary": "Origin"}, remove=["Cache-Control"])
    received, head, _ = await exchange(
        OK,
        OWN_ANSWERS[status],
        response_fields=rules,
        add_prefix="/in",
        limits=RouteLimitsConfig(request_body_bytes=5),
    )
    fields = fields_of(head)
    assert (received, head[9:12].decode()) == (b"", status)
    assert fields["access-control-allow-origin"] == ["*"]
    assert fields["vary"] == ["Origin"]
    assert "cache-control" not in fields
    assert "proxy-status" in fields


async def test_and_where_the_service_fails() -> None:
    rules = FieldRulesConfig(put={"Access-Control-Allow-Origin": "*"})
    _, head, _ = await exchange(b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", response_fields=rules)
    assert head.startswith(b"HTTP/1.1 502 ")
    assert fields_of(head)["access-control-allow-origin"] == ["*"]
