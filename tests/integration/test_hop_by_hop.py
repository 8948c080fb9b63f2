"""The promise, on real sockets: a header that belongs to one hop never survives it. SEMANTICS by example."""

import asyncio

import pytest

from tests.harness.running_proxy import running_proxy
from tests.harness.scripted import OK, Peer, ScriptedUpstream, answering, client, fields_of


async def exchange(request: bytes, response: bytes, reader: str) -> tuple[bytes, bytes]:
    """What the upstream received and what the client received (until close, or the response's end)."""
    received: list[bytes] = []
    upstream = ScriptedUpstream(answering(response, requests=received))
    async with upstream.serving(), running_proxy(upstream.port, reader=reader) as proxy, client(proxy.port) as peer:
        await peer.send(request)
        head, body = await peer.response()
        return received[0], head + body


async def test_a_nominated_field_does_not_reach_the_upstream(reader: str) -> None:
    sent, _ = await exchange(
        b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close, X-Foo\r\nX-Foo: 1\r\nX-Bar: 2\r\n\r\n", OK, reader
    )
    fields = fields_of(sent)
    assert "x-foo" not in fields
    assert "connection" not in fields
    assert fields["x-bar"] == ["2"]


async def test_the_client_cannot_strip_what_the_proxy_states(reader: str) -> None:
    sent, _ = await exchange(
        b"GET / HTTP/1.1\r\nHost: h\r\nConnection: Host, Via, X-Forwarded-For, X-Forwarded-Host, X-Forwarded-Proto, "
        b"X-Request-Id\r\nX-Forwarded-For: 6.6.6.6\r\nX_Forwarded_For: 6.6.6.6\r\n\r\n",
        OK,
        reader,
    )
    fields = fields_of(sent)
    assert fields["host"] == ["h"]
    assert fields["via"] == ["1.1 onehop-test"]
    assert fields["x-forwarded-for"] == ["127.0.0.1"]
    assert fields["x-forwarded-host"] == ["h"]
    assert fields["x-forwarded-proto"] == ["http"]
    assert len(fields["x-request-id"]) == 1
    assert "x_forwarded_for" not in fields


async def test_nominated_and_standard_fields_of_a_response_do_not_reach_the_client(reader: str) -> None:
    _, answer = await exchange(
        b"GET / HTTP/1.1\r\nHost: h\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nConnection: close, Set-Cookie, X-Foo\r\nSet-Cookie: a=b\r\nX-Foo: 1\r\nKeep-Alive: timeout=5\r\n"
        b"Proxy-Authenticate: Basic\r\nX-Kept: yes\r\nContent-Length: 2\r\n\r\nok",
        reader,
    )
    fields = fields_of(answer.partition(b"\r\n\r\n")[0])
    assert fields.keys() == {"x-kept", "date", "via", "content-length"}
    assert answer.endswith(b"\r\n\r\nok")


async def test_interim_responses_are_stripped_and_go_out_at_once(reader: str) -> None:
    seen_early = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 103 Early Hints\r\nConnection: X-Foo\r\nX-Foo: 1\r\nLink: </a>\r\n\r\n")
        await seen_early.wait()
        await peer.send(OK)
        await peer.rest()

    upstream = ScriptedUpstream(script)
    async with upstream.serving(), running_proxy(upstream.port, reader=reader) as proxy, client(proxy.port) as peer:
        await peer.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        assert await peer.head() == b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
        seen_early.set()
        head, body = await peer.response()
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        assert body == b"ok"


async def test_a_1_0_client_sees_no_interim_response(reader: str) -> None:
    upstream = ScriptedUpstream(answering(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK))
    async with upstream.serving(), running_proxy(upstream.port, reader=reader) as proxy, client(proxy.port) as peer:
        await peer.send(b"GET / HTTP/1.0\r\n\r\n")
        assert (await peer.rest()).startswith(b"HTTP/1.1 200 OK\r\n")


async def test_a_switching_response_is_stripped_and_the_tunnel_carries_both_ways(reader: str) -> None:
    async def script(peer: Peer) -> None:
        fields = fields_of(await peer.head())
        assert fields["connection"] == ["Upgrade"]
        assert fields["upgrade"] == ["websocket"]
        assert "x-secret" not in fields
        await peer.send(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade, X-R\r\nX-R: 1\r\nUpgrade: websocket\r\n\r\nhello"
        )
        await peer.send(b"echo " + await peer.exactly(4))
        await peer.rest()

    upstream = ScriptedUpstream(script)
    async with upstream.serving(), running_proxy(upstream.port, reader=reader) as proxy, client(proxy.port) as peer:
        await peer.send(
            b"GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, X-Secret\r\nX-Secret: 1\r\nUpgrade: websocket\r\n\r\n"
        )
        fields = fields_of(await peer.head())
        assert fields["connection"] == ["Upgrade"]
        assert fields["upgrade"] == ["websocket"]
        assert "x-r" not in fields
        assert await peer.exactly(5) == b"hello"
        await peer.send(b"ping")
        assert await peer.exactly(9) == b"echo ping"
        peer.half_close()
        assert await peer.ended()
        await proxy.records.wait_for(1)
        assert (proxy.records[0].status, proxy.records[0].response_bytes) == (101, 14)


async def test_a_request_behind_a_refused_upgrade_is_parsed_not_tunnelled(reader: str) -> None:
    received: list[bytes] = []
    upstream = ScriptedUpstream(answering(OK, OK, requests=received))
    async with upstream.serving(), running_proxy(upstream.port, reader=reader) as proxy, client(proxy.port) as peer:
        await peer.send(
            b"GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
            b"GET /admin HTTP/1.1\r\nHost: h\r\nConnection: X-Foo\r\nX-Foo: 1\r\n\r\n"
        )
        await peer.response()
        await peer.response()
        assert b"X-Foo" not in received[1]
        assert len(proxy.records) == 2


@pytest.mark.parametrize(
    "asked", [b"", b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n"]
)
async def test_a_101_that_nobody_may_have_is_a_502(asked: bytes, reader: str) -> None:
    _, answer = await exchange(
        b"GET / HTTP/1.1\r\nHost: h\r\n" + asked + b"\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
        reader,
    )
    assert answer.startswith(b"HTTP/1.1 502 Bad Gateway\r\n")
    assert b"unexpected_upgrade" in answer


async def test_trailers_are_stripped_in_both_directions(reader: str) -> None:
    async def script(peer: Peer) -> None:
        fields = fields_of(await peer.head())
        assert fields["te"] == ["trailers"]
        assert fields["connection"] == ["TE"]
        body, trailers = await peer.chunked()
        assert (body, trailers) == (b"hello", b"X-Sum: 1\r\n")
        await peer.send(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: X-T\r\nTrailer: X-T, X-Sum\r\n\r\n"
            b"2\r\nok\r\n0\r\nX-T: v\r\nContent-Length: 5\r\nX-Sum: 2\r\n\r\n"
        )
        await peer.rest()

    upstream = ScriptedUpstream(script)
    async with upstream.serving(), running_proxy(upstream.port, reader=reader) as proxy, client(proxy.port) as peer:
        await peer.send(
            b"POST / HTTP/1.1\r\nHost: h\r\nTE: trailers, deflate;q=0.5\r\nConnection: TE, X-N\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n5;ext=1\r\nhello\r\n0\r\nX-N: 1\r\nX-Forwarded-For: 6.6.6.6\r\nX-Sum: 1\r\n\r\n"
        )
        fields = fields_of(await peer.head())
        assert fields["trailer"] == ["x-sum"]
        assert await peer.chunked() == (b"ok", b"X-Sum: 2\r\n")
        assert proxy.idle_upstreams == 1


async def test_whatever_arrives_byte_by_byte_means_the_same(reader: str) -> None:
    received: list[bytes] = []
    upstream = ScriptedUpstream(answering(OK, OK, requests=received))
    async with upstream.serving(), running_proxy(upstream.port, reader=reader) as proxy, client(proxy.port) as peer:
        request = b"POST /x HTTP/1.1\r\nHost: h\r\nX-A: 1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
        await peer.send(request)
        whole = await peer.response()
        await peer.send_bytewise(request)
        bytewise = await peer.response()
        assert whole[1] == bytewise[1] == b"ok"
        assert received[0][-5:] == received[1][-5:] == b"abcde"
        assert fields_of(received[0]).keys() == fields_of(received[1]).keys()
