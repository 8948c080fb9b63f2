"""Routes that answer themselves, or share their requests among upstreams, on real sockets."""

from collections import Counter
from typing import Any

import pytest

from proxy.cli.explain import explain_request, setup_from
from proxy.config.model import Config
from proxy.config.route_model import FieldRulesConfig, RedirectConfig, RespondConfig, RouteConfig, SplitConfig
from proxy.config.upstream_model import UpstreamConfig
from tests.harness.running_proxy import running_proxy
from tests.harness.scripted import OK, ScriptedUpstream, answering, client, fields_of

TO_HTTPS = RedirectConfig(to="https://{host}{target}")
NOON = RespondConfig(status=503, body="Back at noon.", content_type="text/plain")


async def answered(request: bytes, **route: Any) -> tuple[bytes, bytes, bool]:
    """Head, body, and whether the connection takes another request."""
    async with (
        running_proxy(upstreams={}, routes={"r": RouteConfig(**route)}) as proxy,
        client(proxy.port) as peer,
    ):
        await peer.send(request)
        head, body = await peer.response(request.split(b" ")[0].decode())
        goes_on = b"Connection: close" not in head
        if goes_on:
            await peer.send(b"GET /again HTTP/1.1\r\nHost: h\r\n\r\n")
            await peer.response()
        else:
            assert await peer.rest() == b""
        await proxy.records.wait_for(2 if goes_on else 1)
        assert {record.route for record in proxy.records} == {"r"}
        assert proxy.records[0].error == ""
        return head, body, goes_on


async def test_a_redirect_is_answered_here(reader: str) -> None:
    head, body, goes_on = await answered(b"GET /a%2Fb?c HTTP/1.1\r\nHost: shop.example:80\r\n\r\n", redirect=TO_HTTPS)
    assert head.startswith(b"HTTP/1.1 308 Permanent Redirect\r\n")
    fields = fields_of(head)
    assert fields["location"] == ["https://shop.example/a%2Fb?c"]
    assert fields["content-length"] == ["0"]
    assert (body, goes_on) == (b"", True)
    assert "date" in fields


async def test_a_redirect_leads_to_the_rewritten_path() -> None:
    head, _, _ = await answered(
        b"GET /old/a?b HTTP/1.1\r\nHost: h\r\n\r\n",
        path="/", strip_prefix="/old", redirect=RedirectConfig(to="https://new.example{target}", status=301),
    )  # fmt: skip
    assert head.startswith(b"HTTP/1.1 301 Moved Permanently\r\n")
    assert fields_of(head)["location"] == ["https://new.example/a?b"]


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
async def test_a_fixed_answer_is_given_to_every_method(method: str) -> None:
    head, body, goes_on = await answered(
        f"{method} /x HTTP/1.1\r\nHost: h\r\n\r\n".encode(),
        respond=NOON, response_fields=FieldRulesConfig(put={"Retry-After": "3600"}),
    )  # fmt: skip
    assert head.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    fields = fields_of(head)
    assert (fields["content-type"], fields["content-length"]) == (["text/plain"], ["13"])
    assert fields["retry-after"] == ["3600"]
    assert (body, goes_on) == (b"" if method == "HEAD" else b"Back at noon.", True)


async def test_an_answer_without_content_declares_no_length() -> None:
    head, _, goes_on = await answered(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", respond=RespondConfig(status=204))
    assert head.startswith(b"HTTP/1.1 204 No Content\r\n")
    assert not {"content-length", "content-type"} & fields_of(head).keys()
    assert goes_on


BODIES = [
    # a request with a body                                                                       goes on
    (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi",                                True),
    (b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",     True),
    (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nhi",                                False),
    (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n",          False),
    (b"POST / HTTP/1.0\r\nContent-Length: 2\r\n\r\nhi",                                           False),
]  # fmt: skip


@pytest.mark.parametrize(("request_bytes", "expected"), BODIES)
async def test_a_connection_goes_on_where_no_byte_of_the_request_can_still_come(
    request_bytes: bytes, expected: bool
) -> None:
    head, body, goes_on = await answered(request_bytes, respond=NOON)
    assert (head[9:12], body, goes_on) == (b"503", b"Back at noon.", expected)


async def test_a_1_0_client_that_names_no_host_cannot_be_sent_to_it() -> None:
    async with (
        running_proxy(upstreams={}, routes={"r": RouteConfig(redirect=TO_HTTPS)}) as proxy,
        client(proxy.port) as peer,
    ):
        await peer.send(b"GET / HTTP/1.0\r\n\r\n")
        assert (await peer.rest()).startswith(b"HTTP/1.1 400 ")


async def test_requests_are_shared_among_upstreams_by_weight_each_with_its_host() -> None:
    seen: Counter[str] = Counter()
    received: list[bytes] = []
    stable = ScriptedUpstream(*[answering(*[OK] * 200, requests=received)] * 3)
    canary = ScriptedUpstream(*[answering(*[OK] * 200, requests=received)] * 3)
    async with stable.serving(), canary.serving():
        upstreams = {
            "stable": UpstreamConfig(urls=[f"http://127.0.0.1:{stable.port}"], host="stable.internal"),
            "canary": UpstreamConfig(urls=[f"http://127.0.0.1:{canary.port}"]),
        }
        split = [SplitConfig(upstream="stable", weight=3), SplitConfig(upstream="canary", weight=1)]
        async with (
            running_proxy(upstreams=upstreams, routes={"r": RouteConfig(split=split)}) as proxy,
            client(proxy.port) as peer,
        ):
            for _ in range(100):
                await peer.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
                assert (await peer.response())[1] == b"ok"
            await proxy.records.wait_for(100)
            seen = Counter(record.service for record in proxy.records)
    assert set(seen) == {"stable", "canary"}
    assert 8 <= seen["canary"] <= 45, "a quarter, give or take"
    hosts = Counter(fields_of(head)["host"][0] for head in received)
    assert hosts == {"stable.internal": seen["stable"], "h": seen["canary"]}


def test_explain_shows_what_a_route_answers_itself() -> None:
    config = Config(routes={"r": RouteConfig(redirect=TO_HTTPS)})
    explained = explain_request(b"GET /x?y HTTP/1.1\r\nHost: h:80\r\n\r\n", setup_from(config, "192.0.2.1"))
    assert explained.sent == ""
    assert explained.remarks[1:] == [
        "the route: r, answered here:",
        "  HTTP/1.1 308 Permanent Redirect",
        "  Location: https://h/x?y",
    ]


def test_explain_shows_whose_share_a_request_is() -> None:
    config = Config(
        upstreams={"a": UpstreamConfig(urls=["http://a"])},
        routes={"r": RouteConfig(split=[SplitConfig(upstream="a")])},
    )
    explained = explain_request(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", setup_from(config, "192.0.2.1"))
    assert "the route: r, to upstream a, by its share" in explained.remarks
