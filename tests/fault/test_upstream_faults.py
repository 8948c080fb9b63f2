"""An upstream that refuses, hangs, dies or talks nonsense: status, log, pool state, and the next request."""

import asyncio

import pytest

from proxy.config.route_model import FieldRulesConfig, RouteConfig
from proxy.config.upstream_model import UpstreamConfig
from tests.harness.running_proxy import RunningProxy, running_proxy
from tests.harness.scripted import OK, Peer, ScriptedUpstream, answering, client, fields_of

GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"


#: A port that nobody listens on (tcpmux). One freed a moment ago might be the proxy's own.
CLOSED_PORT = 1


async def silent(peer: Peer) -> None:
    """Reads, and says nothing."""
    await peer.rest()


def saying(data: bytes) -> "object":
    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(data)

    return script


async def status_of(proxy: RunningProxy, request: bytes = GET) -> tuple[int, dict[str, list[str]], bytes]:
    async with client(proxy.port) as peer:
        await peer.send(request)
        head, body = await peer.response()
        return int(head.split()[1]), fields_of(head), body


async def test_a_refused_connection_is_a_502_and_the_clients_connection_goes_on() -> None:
    async with running_proxy(CLOSED_PORT) as proxy, client(proxy.port) as peer:
        for _ in range(2):
            await peer.send(GET)
            head, body = await peer.response()
            assert head.startswith(b"HTTP/1.1 502 Bad Gateway\r\n")
            assert "error=connection_refused" in fields_of(head)["proxy-status"][0]
            assert b"connect_failed" in body
            assert b"127.0.0.1" not in body  # inner addresses are the log's
        assert [record.error for record in proxy.records] == ["connect_failed"] * 2
        assert "127.0.0.1" in proxy.records[0].detail


async def test_the_next_origin_is_tried_where_one_refuses() -> None:
    upstream = ScriptedUpstream(answering(OK, OK))
    async with upstream.serving(), running_proxy(CLOSED_PORT, upstream.port, CLOSED_PORT) as proxy:
        for _ in range(2):
            assert (await status_of(proxy, b"POST / HTTP/1.0\r\nContent-Length: 1\r\n\r\nx"))[0] == 200


@pytest.mark.parametrize(("interims", "status"), [(3, 200), (4, 502)])
async def test_interim_responses_are_passed_on_up_to_their_limit(interims: int, status: int) -> None:
    upstream = ScriptedUpstream(answering(b"HTTP/1.1 103 Early Hints\r\n\r\n" * interims + OK))
    async with (
        upstream.serving(),
        running_proxy(upstream.port, limits={"interim_responses": 3}) as proxy,
        client(proxy.port) as peer,
    ):
        await peer.send(GET)
        for _ in range(3):
            assert (await peer.head()).startswith(b"HTTP/1.1 103 ")
        assert (await peer.head()).startswith(b"HTTP/1.1 %d " % status)


async def test_a_body_that_follows_a_long_upload_has_its_own_time() -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
        body = await peer.exactly(5)
        await asyncio.sleep(0.9)
        await peer.send(body)
        await peer.rest()

    upstream = ScriptedUpstream(script)
    async with (
        upstream.serving(),
        running_proxy(upstream.port, timeouts={"response_head_s": 0.2, "response_body_idle_s": 5.0}) as proxy,
        client(proxy.port) as peer,
    ):
        await peer.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n")
        await peer.head()
        await peer.send(b"hello")
        assert await peer.exactly(5) == b"hello"


async def test_an_upstream_that_never_answers_is_a_504() -> None:
    upstream = ScriptedUpstream(silent)
    async with upstream.serving(), running_proxy(upstream.port, timeouts={"response_head_s": 0.2}) as proxy:
        status, fields, body = await status_of(proxy)
        assert status == 504
        assert "error=http_response_timeout" in fields["proxy-status"][0]
        assert b"response_timeout" in body
        assert proxy.idle_upstreams == 0


NONSENSE = [
    b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nBad Name: x\r\n\r\n",
    b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
    b"HTTP/2.0 200 OK\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX: " + b"a" * 70_000 + b"\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n" * 300 + OK,
    b"\x00\x01\x02\x03",
    b"",
    b"HTTP/1.1 200 OK\r\nContent-Le",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nnonsense\r\n",
]


@pytest.mark.parametrize("nonsense", NONSENSE)
async def test_nonsense_is_a_502_and_its_connection_is_not_used_again(nonsense: bytes, reader: str) -> None:
    upstream = ScriptedUpstream(saying(nonsense), answering(OK))  # type: ignore[arg-type]
    async with upstream.serving(), running_proxy(upstream.port, reader=reader) as proxy:
        async with client(proxy.port) as peer:
            await peer.send(GET)
            head = await peer.head()
            while head.startswith(b"HTTP/1.1 100 "):
                head = await peer.head()
            assert head.startswith(b"HTTP/1.1 502 ")
            assert "proxy-status" in fields_of(head)
        assert proxy.records[0].status == 502
        assert proxy.records[0].error in ("bad_response", "upstream_closed", "head_too_large")
        assert (await status_of(proxy))[0] == 200
        assert upstream.connections == 2


CUT = [  # the response's beginning; what the client gets of it
    (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello", b"hello"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", b"5\r\nhello\r\n"),
]


@pytest.mark.parametrize(("beginning", "seen"), CUT)
async def test_a_body_cut_short_never_looks_complete(beginning: bytes, seen: bytes, reader: str) -> None:
    upstream = ScriptedUpstream(saying(beginning))  # type: ignore[arg-type]
    async with upstream.serving(), running_proxy(upstream.port, reader=reader) as proxy:
        async with client(proxy.port) as peer:
            await peer.send(GET)
            await peer.head()
            received = await peer.rest()
            assert seen.startswith(received)
            assert not received.endswith(b"0\r\n\r\n")
        await proxy.records.wait_for(1)
        assert proxy.records[0].error == "response_body_cut"
        assert proxy.records[0].status == 200


async def test_a_body_until_close_that_is_reset_is_reset_to_a_1_0_client() -> None:
    got_some = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 200 OK\r\n\r\nhello")
        await got_some.wait()
        peer.reset()

    upstream = ScriptedUpstream(script)
    async with upstream.serving(), running_proxy(upstream.port) as proxy, client(proxy.port) as peer:
        await peer.send(b"GET / HTTP/1.0\r\n\r\n")
        await peer.head()
        assert await peer.exactly(5) == b"hello"
        got_some.set()
        with pytest.raises(ConnectionResetError):
            await peer.some()


async def test_a_silent_body_is_cut_after_its_time() -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
        await peer.rest()

    upstream = ScriptedUpstream(script)
    async with upstream.serving(), running_proxy(upstream.port, timeouts={"response_body_idle_s": 0.2}) as proxy:
        async with client(proxy.port) as peer:
            await peer.send(GET)
            await peer.head()
            assert await peer.rest() in (b"hello", b"")
        await proxy.records.wait_for(1)
        assert proxy.records[0].error == "response_body_timeout"


async def test_an_early_answer_reaches_a_client_that_is_still_sending() -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbig")
        await peer.rest()

    upstream = ScriptedUpstream(script)
    async with upstream.serving(), running_proxy(upstream.port) as proxy, client(proxy.port) as peer:
        await peer.send(b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000000\r\n\r\n" + b"x" * 100_000)
        head, body = await peer.response()
        assert head.startswith(b"HTTP/1.1 413 ")
        assert fields_of(head)["connection"] == ["close"]
        assert body == b"big"
        await peer.send(b"x" * 100_000)
        assert await peer.ended()
        assert proxy.idle_upstreams == 0


async def test_a_continue_goes_end_to_end_and_a_silent_upstream_is_helped() -> None:
    async def invites(peer: Peer) -> None:
        assert fields_of(await peer.head())["expect"] == ["100-continue"]
        await peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        assert await peer.exactly(2) == b"hi"
        await peer.send(OK)
        await peer.rest()

    async def keeps_silent(peer: Peer) -> None:
        await peer.head()
        assert await peer.exactly(2) == b"hi"
        await peer.send(OK)
        await peer.rest()

    async def refuses(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n")
        await peer.rest()

    request = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
    upstream = ScriptedUpstream(invites, keeps_silent, refuses)
    pool = {"just_used_s": 0.0}
    async with (
        upstream.serving(),
        running_proxy(upstream.port, pool=pool, timeouts={"continue_s": 0.05}) as proxy,
    ):
        for _ in range(2):
            async with client(proxy.port) as peer:
                await peer.send(request)
                assert await peer.head() == b"HTTP/1.1 100 Continue\r\n\r\n"
                await peer.send(b"hi")
                assert (await peer.response())[1] == b"ok"
        async with client(proxy.port) as peer:
            await peer.send(request)
            head, _ = await peer.response()
            assert head.startswith(b"HTTP/1.1 417 ")
            assert fields_of(head)["connection"] == ["close"]


async def test_no_route_is_a_404() -> None:
    upstream = ScriptedUpstream(answering(OK))
    async with (
        upstream.serving(),
        running_proxy(
            upstreams={"a": UpstreamConfig(urls=[f"http://127.0.0.1:{upstream.port}"])},
            routes={"a": RouteConfig(upstream="a", host="known.example", path="/api")},
        ) as proxy,
    ):
        status, fields, _ = await status_of(proxy, b"GET /api HTTP/1.1\r\nHost: other\r\n\r\n")
        assert status == 404
        assert "error=destination_not_found" in fields["proxy-status"][0]
        assert (await status_of(proxy, b"GET /api/x HTTP/1.1\r\nHost: Known.Example:80\r\n\r\n"))[0] == 200


async def test_a_request_that_comes_back_is_a_loop() -> None:
    async with running_proxy(CLOSED_PORT, limits={"passes": 1}) as proxy:
        request = b"GET / HTTP/1.1\r\nHost: h\r\nVia: 1.0 fred, 1.1 onehop-test (x)\r\n\r\n"
        status, fields, _ = await status_of(proxy, request)
        assert status == 508
        assert "error=proxy_loop_detected" in fields["proxy-status"][0]


@pytest.mark.parametrize("via", [True, False])
@pytest.mark.parametrize("removed", [[], ["Via", "CDN-Loop"]])
async def test_a_proxy_that_is_its_own_upstream_says_so_after_ten_passes(
    unused_tcp_port: int, via: bool, removed: list[str]
) -> None:
    routes = {"default": RouteConfig(upstream="default", request_fields=FieldRulesConfig(remove=removed))}
    async with running_proxy(unused_tcp_port, listen=[f"127.0.0.1:{unused_tcp_port}"], via=via, routes=routes) as proxy:
        for request in (GET, b"POST / HTTP/1.0\r\nContent-Length: 1\r\n\r\nx"):
            proxy.records.clear()
            status, fields, _ = await status_of(proxy, request)
            assert status == 508
            assert "error=proxy_loop_detected" in fields["proxy-status"][0]
            await proxy.records.wait_for(11)
            assert [record.error for record in proxy.records].count("loop_detected") == 1
