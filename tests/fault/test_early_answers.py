"""An answer that is complete before its request is: what becomes of the rest of the upload, and of both connections."""

import asyncio

import pytest

from tests.harness.running_proxy import running_proxy
from tests.harness.scripted import OK, Peer, ScriptedUpstream, client, fields_of
from tests.harness.waiting import until

NO = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno"
GET = b"GET /next HTTP/1.1\r\nHost: h\r\n\r\n"
UPLOADS = [
    # head, the body's beginning, its rest, what the upstream gets of it
    (b"Content-Length: 9", b"abc", b"defghi", b"abcdefghi"),
    (b"Transfer-Encoding: chunked", b"3\r\nabc\r\n", b"6\r\ndefghi\r\n0\r\n\r\n",
     b"3\r\nabc\r\n6\r\ndefghi\r\n0\r\n\r\n"),
]  # fmt: skip


@pytest.mark.parametrize(("framing", "begun", "rest", "whole"), UPLOADS)
async def test_an_upload_ends_behind_a_complete_answer_that_says_no_close(
    framing: bytes, begun: bytes, rest: bytes, whole: bytes, reader: str
) -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(NO)
        assert await peer.exactly(len(whole)) == whole
        assert (await peer.head()).startswith(b"GET /next ")
        await peer.send(OK)
        await peer.rest()

    upstream = ScriptedUpstream(script)
    async with upstream.serving(), running_proxy(upstream.port, reader=reader) as proxy, client(proxy.port) as peer:
        await peer.send(b"POST / HTTP/1.1\r\nHost: h\r\n" + framing + b"\r\n\r\n" + begun)
        head, body = await peer.response()
        assert (head.split()[1], body) == (b"401", b"no")
        assert fields_of(head)["connection"] == ["close"]
        await peer.send(rest)  # the answer has been read whole: nothing of the upload was cut
        assert await peer.ended()
        await proxy.records.wait_for(1)
        async with client(proxy.port) as other:
            await other.send(GET)
            assert (await other.response())[1] == b"ok"
        assert upstream.connections == 1  # pooled, and used again
        assert [record.error for record in proxy.records] == ["", ""]


async def test_the_upload_of_a_client_that_closes_afterwards_is_sent_whole() -> None:
    received = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(NO)
        assert await peer.exactly(9) == b"abcdefghi"
        received.set()
        await peer.rest()

    upstream = ScriptedUpstream(script)
    async with upstream.serving(), running_proxy(upstream.port) as proxy, client(proxy.port) as peer:
        await peer.send(b"POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 9\r\n\r\nabc")
        assert (await peer.response())[1] == b"no"
        await peer.send(b"defghi")
        assert await peer.ended()
        await received.wait()
        assert proxy.idle_upstreams == 1


def closes(peer: Peer) -> None:
    peer.half_close()


def resets(peer: Peer) -> None:
    peer.reset()


async def says_more(peer: Peer) -> None:
    await peer.send(OK)


@pytest.mark.parametrize("ends", [closes, resets, says_more])
async def test_an_upload_that_its_upstream_no_longer_reads_is_given_up_and_logged(ends: object) -> None:
    go = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(NO)
        await go.wait()
        waiting = ends(peer)  # type: ignore[operator]
        if waiting is not None:
            await waiting
        await peer.rest()

    upstream = ScriptedUpstream(script)
    async with upstream.serving(), running_proxy(upstream.port) as proxy, client(proxy.port) as peer:
        await peer.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nabc")
        assert (await peer.response())[1] == b"no"
        go.set()
        assert await peer.ended()
        await proxy.records.wait_for(1)
        assert (proxy.records[0].status, proxy.records[0].error) == (401, "upload_given_up")
        assert proxy.idle_upstreams == 0


async def test_an_answer_that_says_close_ends_the_upload_and_the_log_says_so() -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(NO.replace(b"\r\n", b"\r\nConnection: close\r\n", 1))
        await peer.rest()

    upstream = ScriptedUpstream(script)
    async with upstream.serving(), running_proxy(upstream.port) as proxy, client(proxy.port) as peer:
        await peer.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nabc")
        head, body = await peer.response()
        assert (fields_of(head)["connection"], body) == (["close"], b"no")
        assert await peer.ended()
        await proxy.records.wait_for(1)
        assert proxy.records[0].error == "upload_given_up"


async def test_a_client_that_stops_behind_the_answer_has_its_time() -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(NO)
        await peer.rest()

    upstream = ScriptedUpstream(script)
    async with (
        upstream.serving(),
        running_proxy(upstream.port, timeouts={"request_body_idle_s": 0.2}) as proxy,
        client(proxy.port) as peer,
    ):
        await peer.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nabc")
        assert (await peer.response())[1] == b"no"
        assert await peer.ended()
        await proxy.records.wait_for(1)
        assert (proxy.records[0].status, proxy.records[0].error) == (401, "request_timeout")


async def test_a_body_that_was_not_asked_for_is_not_waited_for() -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(NO)
        await peer.rest()

    upstream = ScriptedUpstream(script)
    async with upstream.serving(), running_proxy(upstream.port) as proxy, client(proxy.port) as peer:
        await peer.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n")
        head, _ = await peer.response()
        assert fields_of(head)["connection"] == ["close"]
        assert await peer.ended()
        await proxy.records.wait_for(1)
        assert proxy.records[0].error == ""


@pytest.mark.parametrize("expect", [b"", b"Expect: 100-continue\r\n"])
async def test_an_answer_outlives_the_upload_that_nobody_sends_any_more(expect: bytes) -> None:
    """Refused before its 100, a client may leave its body out (RFC 9110 §10.1.1), and take its time to read."""
    refused = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 6\r\n\r\ntoo")
        await refused.wait()
        await peer.send(b"big")
        await peer.rest()

    upstream = ScriptedUpstream(script)
    timeouts = {"request_body_idle_s": 0.1, "continue_s": 30.0}
    async with upstream.serving(), running_proxy(upstream.port, timeouts=timeouts) as proxy, client(proxy.port) as peer:
        await peer.send(b"POST / HTTP/1.1\r\nHost: h\r\n" + expect + b"Content-Length: 9\r\n\r\n")
        assert b"413" in await peer.head()
        assert await peer.exactly(3) == b"too"
        [connection] = proxy.worker.clients
        exchange = connection.exchange
        assert exchange is not None
        await until(lambda: not exchange.is_uploading)  # its time has passed only once the sweep says so
        refused.set()
        assert await peer.exactly(3) == b"big"
        assert await peer.ended()
        await proxy.records.wait_for(1)
        [record] = proxy.records
        assert (record.status, record.error, record.response_bytes) == (413, "" if expect else "request_timeout", 6)
