"""`limits.request_minimum_bytes_per_s`: a body of one byte per second is never too slow for an idle limit."""

import asyncio

import pytest

from tests.harness.loops import on_both_loops
from tests.harness.running_proxy import running_proxy
from tests.harness.scripted import OK, Peer, ScriptedUpstream, answering, client

RATE = {"request_minimum_bytes_per_s": 1000}
POST = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture(autouse=True)
def short_window(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.exchange.upload.RATE_WINDOW_S", 0.5)


async def taking(peer: Peer) -> None:
    await peer.rest()


TRICKLES = {
    "counted": (POST, b"x"),
    "chunked": (CHUNKED, b"1\r\nx\r\n"),
    "extensions": (CHUNKED + b"1", b";a=" + b"b" * 40),  # no byte of the body, however many come
    "silent": (POST, b""),
}


@pytest.mark.parametrize("kind", TRICKLES)
@on_both_loops
async def test_a_body_that_trickles_is_a_408(kind: str) -> None:
    head, piece = TRICKLES[kind]
    upstream = ScriptedUpstream(taking)
    async with upstream.serving(), running_proxy(upstream.port, limits=RATE) as proxy, client(proxy.port) as peer:
        await peer.send(head)
        answer = asyncio.create_task(peer.head())
        while not answer.done():
            await peer.send(piece)
            await asyncio.sleep(0.02)
        assert (await answer).startswith(b"HTTP/1.1 408 Request Timeout\r\n")
        await proxy.records.wait_for(1)
        assert (proxy.records[0].status, proxy.records[0].error) == (408, "request_too_slow")


@on_both_loops
async def test_one_that_keeps_the_rate_may_take_its_time() -> None:
    requests: list[bytes] = []
    upstream = ScriptedUpstream(answering(OK, requests=requests))
    async with upstream.serving(), running_proxy(upstream.port, limits=RATE) as proxy, client(proxy.port) as peer:
        await peer.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 20000\r\n\r\n")
        for _ in range(20):  # a second and more, in several windows
            await peer.send(b"x" * 1000)
            await asyncio.sleep(0.06)
        assert (await peer.response())[1] == b"ok"
        assert len(requests) == 1


@on_both_loops
async def test_without_the_setting_a_trickle_is_taken() -> None:
    upstream = ScriptedUpstream(answering(OK))
    async with upstream.serving(), running_proxy(upstream.port) as proxy, client(proxy.port) as peer:
        await peer.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 20\r\n\r\n")
        for _ in range(20):
            await peer.send(b"x")
            await asyncio.sleep(0.06)
        assert (await peer.response())[1] == b"ok"


@on_both_loops
async def test_the_time_in_which_the_service_does_not_read_is_not_the_clients() -> None:
    size = 30_000_000

    async def script(peer: Peer) -> None:
        await peer.head()
        peer.pause_reading()
        await asyncio.sleep(1.5)  # three windows, in which the client cannot send
        peer.resume_reading()
        await peer.exactly(size)
        await peer.send(OK)
        await peer.rest()

    upstream = ScriptedUpstream(script)
    async with (
        upstream.serving(),
        running_proxy(upstream.port, limits={"request_minimum_bytes_per_s": 1_000_000}) as proxy,
        client(proxy.port) as peer,
    ):
        await peer.send(POST.replace(b"1000000", b"%d" % size) + b"x" * size)
        assert (await peer.response())[1] == b"ok"


@on_both_loops
async def test_the_time_in_which_a_client_waits_for_its_100_is_not_its_own() -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        await asyncio.sleep(1.2)  # longer than two windows
        await peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        await peer.exactly(1000)
        await peer.send(OK)
        await peer.rest()

    upstream = ScriptedUpstream(script)
    async with (
        upstream.serving(),
        running_proxy(upstream.port, limits=RATE, timeouts={"continue_s": 60.0}) as proxy,
        client(proxy.port) as peer,
    ):
        await peer.send(b"POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 1000\r\n\r\n")
        assert (await peer.head()).startswith(b"HTTP/1.1 100 ")
        await asyncio.sleep(0.2)
        await peer.send(b"x" * 1000)
        assert (await peer.response())[1] == b"ok"


@on_both_loops
async def test_who_got_its_100_has_a_whole_window_and_no_more() -> None:
    upstream = ScriptedUpstream(taking)
    async with (
        upstream.serving(),
        running_proxy(upstream.port, limits=RATE, timeouts={"continue_s": 0.3}) as proxy,
        client(proxy.port) as peer,
    ):
        await peer.send(b"POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 1000\r\n\r\n")
        assert (await peer.head()).startswith(b"HTTP/1.1 100 ")
        assert (await peer.head()).startswith(b"HTTP/1.1 408 ")
