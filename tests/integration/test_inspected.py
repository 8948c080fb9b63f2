"""What is recorded of exchanges for who looks on: also of requests that this proxy answers itself."""

import pytest

from proxy.config.access_model import AccessConfig
from proxy.config.route_model import RouteConfig
from proxy.policy.decisions import Outcome
from proxy.telemetry.record import ExchangeRecord
from tests.harness.programs.process import free_port
from tests.harness.running_proxy import running_proxy
from tests.harness.scripted import OK, ScriptedUpstream, answering, client

ROUTES = {
    "app": RouteConfig(upstream="default", path="/app", methods=["GET"]),
    "closed": RouteConfig(upstream="default", path="/closed", access=AccessConfig(deny=["0.0.0.0/0"])),
}

ANSWERED_HERE = [
    # request                                                   what is shown of it                       status
    ("GET /none HTTP/1.1|Host: h|X-A: 1",                       (b"GET /none HTTP/1.1", [b"Host", b"X-A"]), 404),
    ("POST /app HTTP/1.1|Host: h",                              (b"POST /app HTTP/1.1", [b"Host"]),         405),
    ("OPTIONS * HTTP/1.1|Host: h|Max-Forwards: 0",              (b"OPTIONS * HTTP/1.1", [b"Host", b"Max-Forwards"]), 200),
    ("GET /closed HTTP/1.1|Host: h|Connection: X-A|X-A: 1",     (b"GET /closed HTTP/1.1", [b"Host", b"Connection", b"X-A"]), 403),
    ("GET /app HTTP/1.1|Host: h|Content-Length: x",             (b"GET /app HTTP/1.1", [b"Host", b"Content-Length"]), 400),
]  # fmt: skip


def looked_at(_: ExchangeRecord) -> None:
    """Somebody looks: every exchange is recorded."""


@pytest.mark.parametrize(("asked", "shown", "status"), ANSWERED_HERE)
async def test_a_request_that_is_answered_here_is_shown_as_it_came(
    asked: str, shown: tuple[bytes, list[bytes]], status: int
) -> None:
    async with running_proxy(9, observe=looked_at, routes=ROUTES) as proxy, client(proxy.port) as peer:
        await peer.send(asked.replace("|", "\r\n").encode() + b"\r\n\r\n")
        head, _ = await peer.response()
        await proxy.records.wait_for(1)
    assert head.startswith(b"HTTP/1.1 %d " % status)
    [record] = proxy.records
    assert record.seen is not None
    request, response = record.seen.messages
    assert (request.kind, request.received, request.sent, request.lines) == ("request", shown[0], b"", [])
    assert [decision.line[0] for decision in request.decisions] == shown[1]
    assert {decision.outcome for decision in request.decisions} == {Outcome.ANSWERED_HERE}
    assert (response.kind, response.received) == ("response", b"")
    assert response.sent.startswith(b"HTTP/1.1 %d " % status)


async def test_a_request_that_went_on_is_shown_once() -> None:
    async with running_proxy(free_port(), observe=looked_at) as proxy, client(proxy.port) as peer:
        await peer.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        assert b" 502 " in (await peer.response())[0]
        await proxy.records.wait_for(1)
    [record] = proxy.records
    assert record.seen is not None
    assert [(message.kind, message.sent) for message in record.seen.messages] == [
        ("request", b"GET / HTTP/1.1"),
        ("response", b"HTTP/1.1 502 Bad Gateway"),
    ]


async def test_where_nobody_looks_nothing_is_recorded() -> None:
    upstream = ScriptedUpstream(answering(OK))
    async with upstream.serving(), running_proxy(upstream.port) as proxy, client(proxy.port) as peer:
        await peer.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        await peer.response()
        await proxy.records.wait_for(1)
    assert proxy.records[0].seen is None


async def test_a_response_that_begins_broken_is_not_shown_as_sent() -> None:
    """Its head alone would have gone on: its body was read with it, and is no body."""
    broken = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nokay\r\n0\r\n\r\n"
    upstream = ScriptedUpstream(answering(broken))
    async with upstream.serving(), running_proxy(upstream.port, observe=looked_at) as proxy, client(proxy.port) as peer:
        await peer.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        assert b" 502 " in (await peer.response())[0]
        await proxy.records.wait_for(1)
    [record] = proxy.records
    assert record.seen is not None
    assert [message.sent for message in record.seen.messages] == [b"GET / HTTP/1.1", b"HTTP/1.1 502 Bad Gateway"]
