"""Tracing: what a collector is told of an exchange."""

import re
import time
from typing import Any

import pytest

from proxy.config.route_model import RouteConfig
from proxy.config.upstream_model import UpstreamRetryConfig
from tests.harness.collector import CLIENT, ERROR, SERVER, Span, collector
from tests.harness.scripted import OK, Peer, ScriptedUpstream, answering, client
from tests.harness.traced import PARENT, TRACE, asked, asking, stated, tracing_proxy


async def spans_of(*requests: bytes, script: Any = None, count: int = 2, **settings: Any) -> tuple[list[Span], int]:
    """What a collector was told, and the upstream's port."""
    answers = script or answering(*[OK] * len(requests))
    async with collector() as collecting, ScriptedUpstream(answers).serving() as app:
        async with tracing_proxy(collecting, app.port, **settings) as proxy:
            await asked(proxy, *requests)
        return await collecting.wait_for(count), app.port


async def test_an_exchange_is_a_server_span_and_below_it_a_client_span() -> None:
    routes = {"api": RouteConfig(upstream="default", path="/a")}
    before = time.time()
    request = asking(f"traceparent: 00-{TRACE}-{PARENT}-01", "User-Agent: me/1", target="/a/b?x=1&token=s3cret")
    [server, attempt], port = await spans_of(request, routes=routes)
    assert (server.kind, server.name, server.status) == (SERVER, "GET /a", 0)
    assert (server.trace_id, server.parent_id) == (TRACE, PARENT)
    request_id = server.attributes.pop("onehop.request_id")
    assert re.fullmatch("[0-9a-f]{12}-1", request_id)
    assert server.attributes == {
        "http.request.method": "GET",
        "url.scheme": "http",
        "url.path": "/a/b",
        "url.query": "x=1&token=***",
        "server.address": "h",
        "server.port": 81,
        "client.address": "127.0.0.1",
        "network.protocol.version": "1.1",
        "user_agent.original": "me/1",
        "http.route": "/a",
        "http.response.status_code": 200,
        "onehop.route": "api",
        "onehop.upstream": "default",
    }
    assert (attempt.kind, attempt.name, attempt.status) == (CLIENT, "GET", 0)
    assert (attempt.trace_id, attempt.parent_id) == (TRACE, server.span_id)
    assert attempt.attributes == {
        "http.request.method": "GET",
        "url.full": f"http://127.0.0.1:{port}/a/b?x=1&token=***",
        "server.address": "127.0.0.1",
        "server.port": port,
        "network.protocol.version": "1.1",
        "http.response.status_code": 200,
        "onehop.connection_reused": False,
    }
    assert before <= server.began_s <= attempt.began_s <= attempt.ended_s <= server.ended_s <= time.time()
    assert server.resource["service.name"] == "onehop"
    assert server.resource["service.instance.id"] == "onehop-test"


async def test_a_name_of_the_environment_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "edge")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
    spans, _ = await spans_of(asking())
    assert spans[0].resource["service.name"] == "edge"
    assert spans[0].resource["deployment.environment.name"] == "test"


async def test_each_attempt_is_a_span_of_its_own_and_the_parent_of_what_its_service_does() -> None:
    requests: list[bytes] = []
    fails = b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"
    async with collector() as collecting:
        first = ScriptedUpstream(answering(fails, requests=requests))
        second = ScriptedUpstream(answering(OK, requests=requests))
        async with first.serving(), second.serving():
            upstream = {"retry": UpstreamRetryConfig(attempts=2, on=["503"])}
            async with tracing_proxy(collecting, first.port, second.port, upstream=upstream) as proxy:
                await asked(proxy, asking())
        server, *attempts = await collecting.wait_for(3)
    assert [stated(request)[1] for request in requests] == [attempt.span_id for attempt in attempts]
    assert len({stated(request)[0] for request in requests}) == 1
    assert {attempt.parent_id for attempt in attempts} == {server.span_id}
    assert [attempt.attributes["http.response.status_code"] for attempt in attempts] == [503, 200]
    assert [attempt.attributes.get("error.type") for attempt in attempts] == ["503", None]
    assert [attempt.attributes.get("http.request.resend_count") for attempt in attempts] == [None, 1]
    assert [attempt.status for attempt in attempts] == [ERROR, 0]
    assert attempts[0].ended_s <= attempts[1].began_s
    assert server.status == 0


async def test_an_origin_that_refuses_is_an_attempt_too(unused_tcp_port: int) -> None:
    requests: list[bytes] = []
    async with collector() as collecting, ScriptedUpstream(answering(OK, requests=requests)).serving() as app:
        upstream = {"retry": UpstreamRetryConfig(attempts=2)}
        async with tracing_proxy(collecting, unused_tcp_port, app.port, upstream=upstream) as proxy:
            await asked(proxy, asking())
        _, refused, served = await collecting.wait_for(3)
    assert refused.attributes["error.type"] == "connection_refused"
    assert "http.response.status_code" not in refused.attributes
    assert stated(requests[0])[1] == served.span_id != refused.span_id


async def cut_short(peer: Peer) -> None:
    await peer.head()
    await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")


async def closes(peer: Peer) -> None:
    await peer.head()


FAILED = [
    # the service   status  error of the exchange, of the attempt
    (closes,        502,    "http_response_incomplete"),
    (cut_short,     200,    "http_response_incomplete"),
]  # fmt: skip


@pytest.mark.parametrize(("script", "status", "error"), FAILED)
async def test_a_failure_is_told_with_its_type(script: Any, status: int, error: str) -> None:
    async with collector() as collecting, ScriptedUpstream(script).serving() as app:
        async with tracing_proxy(collecting, app.port) as proxy, client(proxy.port) as peer:
            await peer.send(asking())
            if status == 200:
                assert (await peer.rest()).endswith(b"\r\n\r\nhalf")
            else:
                await peer.response()
        server, attempt = await collecting.wait_for(2)
    assert server.attributes["http.response.status_code"] == status
    assert (server.attributes["error.type"], attempt.attributes["error.type"]) == (error, error)
    assert (server.status, attempt.status) == (ERROR, ERROR)


async def test_a_client_at_fault_is_no_error_of_the_server() -> None:
    unreadable, [unrouted] = b"GET /a HTTP/1.1\r\nHost: h\r\nbad line\r\n\r\n", [asking(target="/none")]
    routes = {"default": RouteConfig(upstream="default", path="/a")}
    async with collector() as collecting:
        async with tracing_proxy(collecting, 1, routes=routes) as proxy:
            await asked(proxy, unrouted)
            await asked(proxy, unreadable)
        [server] = await collecting.wait_for(1)
    assert (server.name, server.status, server.attributes["http.response.status_code"]) == ("GET", 0, 404)
    assert server.attributes["error.type"] == "destination_not_found"


async def test_a_method_that_nobody_knows_names_no_span() -> None:
    [server, attempt], _ = await spans_of(asking(method="BREW"))
    assert (server.name, attempt.name) == ("HTTP /", "HTTP")
    assert server.attributes["http.request.method"] == "_OTHER"
    assert server.attributes["http.request.method_original"] == "BREW"
