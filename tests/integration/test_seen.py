"""What is recorded of connections for who looks on: which, how old, and why each was kept or closed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from proxy.config.upstream_model import UpstreamConfig
from proxy.policy import keeping
from proxy.policy.keeping import Keeping
from proxy.telemetry.inspection import exchange
from proxy.telemetry.seen import Seen
from tests.harness.running_proxy import RunningProxy, running_proxy
from tests.harness.scripted import OK, Peer, ScriptedUpstream, answering, client

GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"


@asynccontextmanager
async def looked_at(*upstream_ports: int, **settings: Any) -> AsyncIterator[RunningProxy]:
    async with running_proxy(*upstream_ports, observe=lambda _: None, **settings) as proxy:
        yield proxy


def seen_of(proxy: RunningProxy, number: int = -1) -> Seen:
    seen = proxy.records[number].seen
    assert seen is not None
    return seen


CLIENTS = [
    (GET, OK, keeping.CLIENT_KEPT),
    (b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", OK, keeping.NOT_ASKED),
    (b"GET / HTTP/1.0\r\n\r\n", OK, keeping.NOT_ASKED),
    (b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", OK, keeping.CLIENT_KEPT),
    (b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", CHUNKED, keeping.DELIMITS),
    (b"GET http://h:1:2/ HTTP/1.1\r\nHost: h\r\n\r\n", OK, keeping.NOT_SAFE),
    (b"GET / HTTP/1.1\r\nHost : h\r\n\r\n", OK, keeping.NOT_SAFE),
    (b"TRACE / HTTP/1.1\r\nHost: h\r\nMax-Forwards: 0\r\n\r\n", OK, keeping.CLIENT_KEPT),
]


@pytest.mark.parametrize(("head", "answer", "expected"), CLIENTS)
async def test_a_clients_connection_is_kept_or_closed_for_a_reason(
    head: bytes, answer: bytes, expected: Keeping, reader: str
) -> None:
    upstream = ScriptedUpstream(answering(answer))
    async with upstream.serving(), looked_at(upstream.port, reader=reader) as proxy:
        async with client(proxy.port) as peer:
            await peer.send(head)
            await peer.response()
        await proxy.records.wait_for(1)
        assert seen_of(proxy).client is expected


async def test_a_response_that_is_cut_closes_the_clients_connection() -> None:
    async def cut(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nok")

    upstream = ScriptedUpstream(cut)
    async with upstream.serving(), looked_at(upstream.port) as proxy:
        async with client(proxy.port) as peer:
            await peer.send(GET)
            await peer.rest()
        await proxy.records.wait_for(1)
        seen = seen_of(proxy)
        assert (seen.client, seen.attempts[0].connection) == (keeping.CUT, keeping.GIVEN_UP)


SERVICES = [
    (OK, {}, keeping.POOLED),
    (CHUNKED, {}, keeping.POOLED),
    (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", {}, keeping.CLOSES),
    (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", {}, keeping.CLOSES),
    (OK + b"surplus", {}, keeping.SURPLUS),
    (b"HTTP/1.1 200 OK\r\nKeep-Alive: timeout=1\r\nContent-Length: 2\r\n\r\nok", {}, keeping.TOO_SHORT),
    (b"HTTP/1.1 200 OK\r\nKeep-Alive: max=0\r\nContent-Length: 2\r\n\r\nok", {}, keeping.LAST_PROMISED),
    (OK, {"max_requests": 1}, keeping.TOO_MANY),
    (b"HTTP/1.1 401 No\r\nWWW-Authenticate: NTLM\r\nContent-Length: 0\r\n\r\n", {}, keeping.BOUND),
]


@pytest.mark.parametrize(("answer", "pool", "expected"), SERVICES)
async def test_a_services_connection_is_kept_or_closed_for_a_reason(
    answer: bytes, pool: dict[str, Any], expected: Keeping
) -> None:
    upstream = ScriptedUpstream(answering(answer))
    async with upstream.serving(), looked_at(upstream.port, pool=pool) as proxy:
        async with client(proxy.port) as peer:
            await peer.send(GET)
            await peer.response()
            await proxy.records.wait_for(1)
        [attempt] = seen_of(proxy).attempts
        assert attempt.connection is expected


async def test_an_attempt_says_whether_its_connection_is_new_and_how_old_it_is() -> None:
    upstream = ScriptedUpstream(answering(OK, OK))
    async with upstream.serving(), looked_at(upstream.port) as proxy, client(proxy.port) as peer:
        for number in (1, 2):
            await peer.send(GET)
            await peer.response()
            await proxy.records.wait_for(number)
        [first], [second] = seen_of(proxy, 0).attempts, seen_of(proxy, 1).attempts
        assert (first.reused, first.exchanges, second.reused, second.exchanges) == (False, 0, True, 1)
        assert second.age_s >= 0
        for record, attempt in zip(proxy.records, (first, second), strict=True):
            assert record.started <= attempt.began <= attempt.connected <= attempt.answered <= record.responded
            assert record.responded <= attempt.ended <= record.ended


async def test_each_attempt_of_a_retry_is_told_with_what_became_of_its_connection() -> None:
    async def breaks(peer: Peer) -> None:
        await peer.head()

    first, second = ScriptedUpstream(breaks), ScriptedUpstream(answering(OK))
    async with first.serving(), second.serving():
        retry = {"retry": {"on": ["reset"], "budget_percent": 100}}
        async with looked_at(first.port, second.port, **_upstreams(first.port, second.port, retry)) as proxy:
            async with client(proxy.port) as peer:
                await peer.send(GET)
                await peer.response()
            await proxy.records.wait_for(1)
            shown = exchange(proxy.records[0], 0.0, "any host, path /")
    assert [(each.result, each.kept, each.why) for each in shown.attempts] == [
        ("upstream_closed", *keeping.GIVEN_UP),
        ("200", *keeping.POOLED),
    ]
    assert shown.attempts[0].answered_ms == 0 < shown.attempts[1].answered_ms
    assert (shown.client_kept, shown.client_why, shown.route_serves) == (*keeping.CLIENT_KEPT, "any host, path /")


def _upstreams(first: int, second: int, keys: dict[str, Any]) -> dict[str, Any]:
    urls = [f"http://127.0.0.1:{port}" for port in (first, second)]
    return {"upstreams": {"default": msgspec.convert({"urls": urls, **keys}, UpstreamConfig)}}


async def test_a_100_of_our_own_is_shown_as_ours() -> None:
    async def waits_for_the_body(peer: Peer) -> None:
        await peer.head()
        assert await peer.exactly(2) == b"hi"
        await peer.send(OK)

    upstream = ScriptedUpstream(waits_for_the_body)
    async with upstream.serving(), looked_at(upstream.port, timeouts={"continue_s": 0.05}) as proxy:
        async with client(proxy.port) as peer:
            await peer.send(b"POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
            assert b"100 Continue" in await peer.head()
            await peer.send(b"hi")
            await peer.response()
        await proxy.records.wait_for(1)
        assert [(each.kind, each.received, each.sent) for each in seen_of(proxy).messages] == [
            ("request", b"POST / HTTP/1.1", b"POST / HTTP/1.1"),
            ("interim", b"", b"HTTP/1.1 100 Continue"),
            ("response", b"HTTP/1.1 200 OK", b"HTTP/1.1 200 OK"),
        ]


async def test_an_interim_response_is_shown_as_it_came_and_as_it_went_on() -> None:
    early = b"HTTP/1.1 103 Early\r\nLink: </a>\r\nConnection: X-Hop\r\nX-Hop: 1\r\n\r\n"
    upstream = ScriptedUpstream(answering(early + OK))
    async with upstream.serving(), looked_at(upstream.port) as proxy:
        async with client(proxy.port) as peer:
            await peer.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            assert b"103 Early" in await peer.head()
            await peer.response()
        await proxy.records.wait_for(1)
        _, interim, response = seen_of(proxy).messages
        assert interim.kind == "interim"
        assert interim.received == interim.sent == b"HTTP/1.1 103 Early"
        assert interim.lines == [(b"Link", b"</a>")]
        assert response.kind == "response"


async def test_trailers_of_both_directions_are_shown_with_what_was_decided() -> None:
    async def with_trailers(peer: Peer) -> None:
        await peer.head()
        await peer.chunked()
        await peer.send(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: X-Hop\r\n\r\n0\r\nX-Sum: 1\r\nX-Hop: 2\r\n\r\n"
        )

    upstream = ScriptedUpstream(with_trailers)
    async with upstream.serving(), looked_at(upstream.port) as proxy:
        async with client(proxy.port) as peer:
            await peer.send(
                b"POST / HTTP/1.1\r\nHost: h\r\nTE: trailers\r\nConnection: TE, X-Own\r\nTransfer-Encoding: chunked\r\n\r\n"
                b"0\r\nX-Own: 1\r\nX-Md5: 2\r\n\r\n"
            )
            await peer.head()
            await peer.chunked()
            await proxy.records.wait_for(1)
        shown = {each.kind: each for each in exchange(proxy.records[0], 0.0).messages}
    for kind, gone, kept in (("request trailers", "X-Own", "X-Md5"), ("response trailers", "X-Hop", "X-Sum")):
        assert {line.name: line.outcome for line in shown[kind].lines} == {gone: "nominated", kept: "kept"}
        assert [name for name, _ in shown[kind].sent_lines] == [kept]


async def test_a_tunnel_ends_both_connections() -> None:
    async def switches(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")

    upstream = ScriptedUpstream(switches)
    async with upstream.serving(), looked_at(upstream.port) as proxy:
        async with client(proxy.port) as peer:
            await peer.send(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
            await peer.rest()
        await proxy.records.wait_for(1)
        seen = seen_of(proxy)
        assert (seen.client, seen.attempts[0].connection) == (keeping.TUNNELLED, keeping.TUNNELLED)
        assert [each.kind for each in seen.messages] == ["request", "response"]
