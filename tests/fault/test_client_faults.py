"""A client that sends nonsense, too much, too slowly, or leaves: what it is told, and that nobody else notices."""

import asyncio

import pytest

from proxy.config.route_model import RouteConfig
from proxy.config.upstream_model import UpstreamConfig
from tests.harness.running_proxy import running_proxy
from tests.harness.scripted import OK, Peer, ScriptedUpstream, answering, client, fields_of

REFUSED = [  # what arrives, the status it is owed
    (b"GET / HTTP/1.1\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    (b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
    (b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5, 5\r\n\r\nhello", 400),
    (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: +5\r\n\r\nhello", 400),
    (b"GET / HTTP/1.1\r\nHost: h\r\nX : 1\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: h\r\nX: 1\r\n folded\r\n\r\n", 400),
    (b"GET / HTTP/1.1\nHost: h\n\n", 400),
    (b"GET / HTTP/1.1\r\nHost: h\r\nX: a\x00b\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: h\r\nX: a\rb\r\n\r\n", 400),
    (b"GET / HTTP/2.0\r\nHost: h\r\n\r\n", 505),
    (b"CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n", 405),
    (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: h\r\n\r\n", 414),
    (b"GET / HTTP/1.1\r\nHost: h\r\n" + b"X: 1\r\n" * 200 + b"\r\n", 431),
    (b"GET / HTTP/1.1\r\nHost: h\r\nX: " + b"a" * 40_000 + b"\r\n\r\n", 431),
    (b"GET / HTTP/1.1\r\nHost: h\r\nExpect: the-spanish-inquisition\r\n\r\n", 417),
    (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2000\r\n\r\n", 413),
    (b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
    (b"\x16\x03\x01\x02\x00\x01\x00", 400),
    (b"A" * 40_000 + b" / HTTP/1.1\r\nHost: h\r\n\r\n", 501),
    (b"GET https://h/ HTTP/1.1\r\nHost: h\r\n\r\n", 421),
    (b"GET /\r\n", 400),
]


@pytest.mark.parametrize(("request_bytes", "status"), REFUSED)
async def test_a_refused_request_is_answered_once_closed_and_logged(
    request_bytes: bytes, status: int, reader: str
) -> None:
    upstream = ScriptedUpstream(answering(OK))
    async with (
        upstream.serving(),
        running_proxy(upstream.port, reader=reader, limits={"request_body_bytes": 1000}) as proxy,
    ):
        async with client(proxy.port) as peer:
            await peer.send(request_bytes + b"GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n")
            head, _ = await peer.response()
            assert int(head.split()[1]) == status
            fields = fields_of(head)
            assert fields["connection"] == ["close"]
            assert "error=http_request_error" in fields["proxy-status"][0]
            peer.half_close()
            assert await peer.ended()
        await proxy.records.wait_for(1)
        assert [record.status for record in proxy.records] == [status]
        assert proxy.records[0].error


REFUSED_HEADS = [
    b"HEAD / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    b"HEAD /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: h\r\n\r\n",
    b"HEAD / HTTP/1.1\r\nHost: h\r\nX: " + b"a" * 40_000,
    b"\r\nHEAD / HTTP/1.1\r\nX : 1\r\n\r\n",
]


@pytest.mark.parametrize("request_bytes", REFUSED_HEADS)
async def test_a_refused_head_request_is_answered_without_a_body(request_bytes: bytes, reader: str) -> None:
    async with running_proxy(1, reader=reader) as proxy, client(proxy.port) as peer:
        await peer.send(request_bytes)
        head, _ = await peer.response("HEAD")
        assert int(fields_of(head)["content-length"][0]) > 0
        peer.half_close()
        assert await peer.ended()


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        (b"application/json", "application/json"),
        (b"text/html,*/*", "text/html; charset=utf-8"),
        (b"*/*", "text/plain; charset=utf-8"),
    ],
)
async def test_an_error_speaks_the_clients_language(accept: bytes, content_type: str) -> None:
    async with running_proxy(1) as proxy, client(proxy.port) as peer:
        await peer.send(b"GET / HTTP/1.1\r\nHost: h\r\nAccept: " + accept + b"\r\n\r\n")
        head, body = await peer.response()
        assert fields_of(head)["content-type"] == [content_type]
        assert proxy.records[0].request_id.encode() in body


async def test_a_head_that_does_not_arrive_in_time_is_a_408() -> None:
    async with running_proxy(1, timeouts={"request_head_s": 0.2}) as proxy, client(proxy.port) as peer:
        await peer.send(b"GET / HT")
        assert (await peer.head()).startswith(b"HTTP/1.1 408 Request Timeout\r\n")
        await proxy.records.wait_for(1)
        assert proxy.records[0].error == "request_timeout"


async def test_a_body_that_does_not_arrive_in_time_is_a_408() -> None:
    async def script(peer: Peer) -> None:
        await peer.rest()

    upstream = ScriptedUpstream(script)
    async with (
        upstream.serving(),
        running_proxy(upstream.port, timeouts={"request_body_idle_s": 0.2}) as proxy,
        client(proxy.port) as peer,
    ):
        await peer.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhello")
        assert (await peer.head()).startswith(b"HTTP/1.1 408 ")


async def test_an_idle_client_is_let_go_without_a_word() -> None:
    upstream = ScriptedUpstream(answering(OK))
    async with (
        upstream.serving(),
        running_proxy(upstream.port, timeouts={"client_idle_s": 0.2, "request_head_s": 0.2}) as proxy,
    ):
        async with client(proxy.port) as peer:
            assert await peer.ended()
        async with client(proxy.port) as peer:
            await peer.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            await peer.response()
            assert await peer.ended()
        assert len(proxy.records) == 1


async def test_a_client_that_leaves_ends_the_upstreams_work() -> None:
    asked, ended = asyncio.Event(), asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.head()
        asked.set()
        await peer.rest()
        ended.set()

    upstream = ScriptedUpstream(script)
    async with upstream.serving(), running_proxy(upstream.port) as proxy:
        async with client(proxy.port) as peer:
            await peer.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            await asked.wait()
            peer.reset()
        async with asyncio.timeout(5):
            await ended.wait()
        await proxy.records.wait_for(1)
        assert (proxy.records[0].status, proxy.records[0].error) == (499, "client_gone")


async def test_a_half_closed_client_still_gets_its_answer() -> None:
    upstream = ScriptedUpstream(answering(OK))
    async with upstream.serving(), running_proxy(upstream.port) as proxy, client(proxy.port) as peer:
        await peer.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        peer.half_close()
        assert (await peer.rest()).endswith(b"\r\n\r\nok")


async def test_a_client_that_cuts_its_body_is_not_forwarded_as_complete() -> None:
    bodies: list[bytes] = []

    async def script(peer: Peer) -> None:
        await peer.head()
        bodies.append(await peer.rest())

    upstream = ScriptedUpstream(script)
    async with upstream.serving(), running_proxy(upstream.port) as proxy:
        async with client(proxy.port) as peer:
            await peer.send(b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
            peer.half_close()
            assert (await peer.head()).startswith(b"HTTP/1.1 400 ")
        await proxy.records.wait_for(1)
        assert proxy.records[0].error == "request_body_cut"
    assert not bodies or not bodies[0].endswith(b"0\r\n\r\n")


async def test_a_body_that_breaks_within_the_response_is_the_clients_fault() -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n")
        await peer.rest()

    upstream = ScriptedUpstream(script)
    async with upstream.serving(), running_proxy(upstream.port) as proxy:
        async with client(proxy.port) as peer:
            await peer.send(b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
            await peer.head()
            await peer.send(b"zz\r\n")
            assert not (await peer.rest()).endswith(b"0\r\n\r\n")
        await proxy.records.wait_for(1)
        record = proxy.records[0]
        assert (record.status, record.error, record.detail) == (200, "bad_request", "bad chunk size")


async def test_a_client_that_pipelines_does_not_keep_the_loop_to_itself() -> None:
    count = 2000
    upstream = ScriptedUpstream(answering(OK))
    async with (
        upstream.serving(),
        running_proxy(upstream.port) as proxy,
        client(proxy.port) as busy,
        client(proxy.port) as other,
    ):
        await busy.send(b"OPTIONS * HTTP/1.1\r\nHost: h\r\nMax-Forwards: 0\r\n\r\n" * count)
        await proxy.records.wait_for(1)
        await other.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        await other.response()
        assert len(proxy.records) < count
        for _ in range(count):
            await busy.response()


async def test_a_line_end_too_many_is_no_request_that_is_late() -> None:
    upstream = ScriptedUpstream(answering(OK))
    async with (
        upstream.serving(),
        running_proxy(upstream.port, timeouts={"request_head_s": 0.2, "client_idle_s": 0.6}) as proxy,
        client(proxy.port) as peer,
    ):
        await peer.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc\r\n")
        await peer.response()
        assert await peer.ended()
        assert len(proxy.records) == 1


async def test_a_slow_upload_is_no_silence_of_the_upstream() -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
        await peer.send(await peer.exactly(5))
        await peer.rest()

    upstream = ScriptedUpstream(script)
    async with (
        upstream.serving(),
        running_proxy(upstream.port, timeouts={"response_body_idle_s": 0.3}) as proxy,
        client(proxy.port) as peer,
    ):
        await peer.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n")
        await peer.head()
        for byte in (b"h", b"e", b"l", b"l", b"o"):
            await asyncio.sleep(0.2)
            await peer.send(byte)
        assert await peer.exactly(5) == b"hello"


async def test_options_that_end_here_need_no_route() -> None:
    async with (
        running_proxy(
            upstreams={"a": UpstreamConfig(urls=["http://127.0.0.1:1"])},
            routes={"a": RouteConfig(upstream="a", host="known.example")},
        ) as proxy,
        client(proxy.port) as peer,
    ):
        await peer.send(b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\nMax-Forwards: 0\r\n\r\n")
        assert (await peer.head()).startswith(b"HTTP/1.1 200 OK\r\n")


async def test_options_and_trace_obey_max_forwards() -> None:
    received: list[bytes] = []
    upstream = ScriptedUpstream(answering(OK, requests=received))
    async with upstream.serving(), running_proxy(upstream.port) as proxy, client(proxy.port) as peer:
        await peer.send(b"OPTIONS * HTTP/1.1\r\nHost: h\r\nMax-Forwards: 0\r\n\r\n")
        head, _ = await peer.response()
        assert "GET" in fields_of(head)["allow"][0]
        await peer.send(b"TRACE /x HTTP/1.1\r\nHost: h\r\nMax-Forwards: 0\r\nCookie: secret\r\nX-A: 1\r\n\r\n")
        _, body = await peer.response()
        assert b"X-A: 1" in body
        assert b"secret" not in body
        assert upstream.connections == 0
        await peer.send(b"OPTIONS * HTTP/1.1\r\nHost: h\r\nMax-Forwards: 3\r\n\r\n")
        await peer.response()
        assert received[0].startswith(b"OPTIONS * HTTP/1.1\r\n")
        assert fields_of(received[0])["max-forwards"] == ["2"]
