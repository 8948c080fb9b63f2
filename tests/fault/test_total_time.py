"""`timeouts.request_total_s`: what one request and its response may take in all, however busy both sides are."""

import asyncio
import contextlib
import threading
from pathlib import Path

import pytest

from proxy.config.route_model import RespondConfig, RouteConfig
from proxy.config.upstream_model import UpstreamConfig
from proxy.downstream.phases import Phase
from tests.harness.loops import on_both_loops
from tests.harness.running_proxy import RunningProxy, running_proxy
from tests.harness.scripted import OK, PATIENCE_S, Peer, Script, ScriptedUpstream, answering, client, raw_client
from tests.harness.waiting import until

GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n"
HANDSHAKE = b"GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
CLOSED_PORT = 1  # nobody listens there
TOTAL = {"request_total_s": 0.4}
BEGINNINGS = {
    "counted": b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n",
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    "until close": b"HTTP/1.1 200 OK\r\n\r\n",
}


def trickling(beginning: bytes, piece: bytes, left: asyncio.Event) -> Script:
    """A service that is never silent for long, and never done."""

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(beginning)
        end = asyncio.create_task(peer.rest())
        with contextlib.suppress(ConnectionError):
            while not end.done():
                await peer.send(piece)
                await asyncio.sleep(0.02)
        await end
        left.set()

    return script


async def silent(peer: Peer) -> None:
    await peer.rest()


async def record_is(proxy: RunningProxy, status: int) -> None:
    await proxy.records.wait_for(1)
    assert (proxy.records[0].status, proxy.records[0].error) == (status, "request_total_timeout")


@pytest.mark.parametrize("request_bytes", [GET, POST + b"part"], ids=["waiting", "uploading"])
@on_both_loops
async def test_a_response_that_has_not_begun_by_then_is_a_504(request_bytes: bytes) -> None:
    upstream = ScriptedUpstream(silent)
    async with (
        upstream.serving(),
        running_proxy(upstream.port, timeouts=TOTAL) as proxy,
        client(proxy.port) as peer,
    ):
        await peer.send(request_bytes)
        head, body = await peer.response()
        assert head.startswith(b"HTTP/1.1 504 Gateway Timeout\r\n")
        assert b"error=http_response_timeout" in head
        assert b"took longer than this proxy allows" in body
        assert (b"Connection: close" in head) == (request_bytes is not GET)
        await record_is(proxy, 504)
        assert (upstream.connections, proxy.idle_upstreams) == (1, 0), "nothing was sent twice"


@on_both_loops
async def test_a_connection_goes_on_after_it_and_each_request_has_its_own_time() -> None:
    upstream = ScriptedUpstream(silent, answering(OK, OK, OK, OK))
    async with (
        upstream.serving(),
        running_proxy(upstream.port, timeouts={"request_total_s": 1.0}) as proxy,
        client(proxy.port) as peer,
    ):
        await peer.send(GET)
        assert (await peer.response())[0].startswith(b"HTTP/1.1 504 ")
        for _ in range(4):
            await peer.send(GET)
            assert (await peer.response())[1] == b"ok"
            await asyncio.sleep(0.3)  # together longer than one may take


@pytest.mark.parametrize("way", ["a trickling upload", "a connection that is not made"])
@on_both_loops
async def test_whatever_it_waits_for_ends_then(way: str) -> None:
    upload = way == "a trickling upload"
    may_answer = threading.Event()

    def lookup(host: str) -> list[str]:
        may_answer.wait()
        return ["127.0.0.1"]

    upstream = ScriptedUpstream(silent)
    async with upstream.serving():
        host = "127.0.0.1" if upload else "silent"
        upstreams = {"default": UpstreamConfig(urls=[f"http://{host}:{upstream.port}"])}
        async with (
            running_proxy(upstreams=upstreams, timeouts=TOTAL, lookup=lookup) as proxy,
            client(proxy.port) as peer,
        ):
            await peer.send(POST if upload else GET)
            answer = asyncio.create_task(peer.head())
            while upload and not answer.done():
                await peer.send(b"x")
                await asyncio.sleep(0.02)
            assert (await answer).startswith(b"HTTP/1.1 504 ")
            await record_is(proxy, 504)
            may_answer.set()


@pytest.mark.parametrize("kind", BEGINNINGS)
@on_both_loops
async def test_a_response_under_way_is_visibly_cut(kind: str) -> None:
    left = asyncio.Event()
    upstream = ScriptedUpstream(trickling(BEGINNINGS[kind], b"1\r\nx\r\n" if kind == "chunked" else b"x", left))
    async with (
        upstream.serving(),
        running_proxy(upstream.port, timeouts=TOTAL) as proxy,
        raw_client(proxy.port) as raw,
    ):
        loop, received = asyncio.get_running_loop(), b""
        await loop.sock_sendall(raw, GET.replace(b"1.1", b"1.0") if kind == "until close" else GET)
        broken = False
        async with asyncio.timeout(PATIENCE_S):
            try:
                while data := await loop.sock_recv(raw, 65_536):
                    received += data
            except ConnectionResetError:
                broken = True
            await left.wait()
        assert b"x" in received
        assert not received.endswith(b"0\r\n\r\n")
        assert broken == (kind == "until close"), "where only the end delimits, it is a reset"
        await record_is(proxy, 200)


@on_both_loops
async def test_a_client_that_takes_its_response_slowly_has_no_more_time() -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        with pytest.raises(ConnectionError):
            await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n" + b"x" * 100_000_000)

    upstream = ScriptedUpstream(script)
    async with (
        upstream.serving(),
        running_proxy(upstream.port, timeouts=TOTAL) as proxy,
        raw_client(proxy.port, 4096) as raw,
    ):
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(raw, GET)
        received = 0
        async with asyncio.timeout(PATIENCE_S):
            with contextlib.suppress(ConnectionResetError):  # where it was the client that was waited for just then
                while data := await loop.sock_recv(raw, 65_536):
                    received += len(data)
                    await asyncio.sleep(0 if proxy.records else 0.02)
        assert 0 < received < 100_000_000
        await record_is(proxy, 200)


@on_both_loops
async def test_a_pipelined_request_that_is_overdue_leaves_the_response_before_it_whole() -> None:
    first = b"1" * 40_000  # all of it is written at once, and most of it waits in the kernel for the client

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 40000\r\n\r\n" + first)
        await peer.head()
        with contextlib.suppress(ConnectionError):
            await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 8000000\r\n\r\n" + b"2" * 8_000_000)

    upstream = ScriptedUpstream(script)
    async with (
        upstream.serving(),
        running_proxy(upstream.port, timeouts=TOTAL) as proxy,
        raw_client(proxy.port, 4096) as raw,
    ):
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(raw, GET + GET)
        clients = proxy.worker.clients
        await until(lambda: len(proxy.records) == 2 or any(each.phase is Phase.DELIVERING for each in clients))
        async with asyncio.timeout(PATIENCE_S):
            received = b""
            with contextlib.suppress(ConnectionResetError):
                while data := await loop.sock_recv(raw, 1_000_000):
                    received += data
        assert first in received
        assert len(received) < 8_000_000


@pytest.mark.parametrize(("error", "kind"), [("request_total_timeout", "fixed"), ("connect_failed", "error page")])
@on_both_loops
async def test_an_answer_of_our_own_that_is_taken_slowly_is_whole_and_the_only_one(
    tmp_path: Path, error: str, kind: str
) -> None:
    page = tmp_path / "page.txt"
    page.write_bytes(b"1" * 40_000)
    fixed = RouteConfig(respond=RespondConfig(status=502, file=str(page)))
    route = fixed if kind == "fixed" else RouteConfig(upstream="default")
    async with (
        running_proxy(CLOSED_PORT, routes={"r": route}, error_pages={"502": str(page)}, timeouts=TOTAL) as proxy,
        raw_client(proxy.port, 4096) as raw,
    ):
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(raw, GET * 300)  # only so many are answered as the kernel and we hold for the client
        await until(lambda: any(each.phase is Phase.DELIVERING for each in proxy.worker.clients))
        async with asyncio.timeout(PATIENCE_S):
            received = b""
            while data := await loop.sock_recv(raw, 1_000_000):
                received += data
        answers = received.split(b"HTTP/1.1 ")[1:]
        assert all(answer[:4] == b"502 " and answer.endswith(b"\r\n\r\n" + page.read_bytes()) for answer in answers)
        await proxy.records.wait_for(len(answers))
        assert len(proxy.records) == len(answers) < 300
        assert proxy.records[-1].error == error


@on_both_loops
async def test_an_upload_behind_a_complete_answer_ends_then_too() -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(OK)
        await peer.rest()

    upstream = ScriptedUpstream(script)
    async with (
        upstream.serving(),
        running_proxy(upstream.port, timeouts=TOTAL) as proxy,
        client(proxy.port) as peer,
    ):
        await peer.send(POST + b"part")
        assert (await peer.response())[1] == b"ok"
        await record_is(proxy, 200)


@on_both_loops
async def test_a_tunnel_is_not_ended_by_it() -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(SWITCH)
        await peer.send(await peer.exactly(4))
        await peer.rest()

    upstream = ScriptedUpstream(script)
    async with (
        upstream.serving(),
        running_proxy(upstream.port, timeouts=TOTAL) as proxy,
        client(proxy.port) as peer,
    ):
        await peer.send(HANDSHAKE)
        await peer.head()
        await asyncio.sleep(1.0)  # twice what a request may take, and the sweep of the deadlines
        await peer.send(b"ping")
        assert await peer.exactly(4) == b"ping"


@on_both_loops
async def test_an_upgrade_whose_request_never_ends_is_ended_before_the_switch() -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(SWITCH)
        await peer.rest()

    upstream = ScriptedUpstream(script)
    async with (
        upstream.serving(),
        running_proxy(upstream.port, timeouts=TOTAL) as proxy,
        client(proxy.port) as peer,
    ):
        await peer.send(HANDSHAKE[:-2] + b"Content-Length: 10\r\n\r\npart")
        assert (await peer.head()).startswith(b"HTTP/1.1 504 ")
        await record_is(proxy, 504)
