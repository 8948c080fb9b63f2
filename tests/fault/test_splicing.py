"""Large bodies of known length, which are moved within the kernel: whole, cut, slow, and where the kernel refuses."""

import asyncio
import fcntl
import socket
import sys
import termios

import pytest

from tests.fault.splices import BODY, GET, LARGEST_READ, POST, RESPONSE, SIZE, Watched, proxying, reset
from tests.fault.test_cut_responses import taken_slowly
from tests.harness.loops import on_both_loops
from tests.harness.scripted import OK, Peer, ScriptedUpstream, answering, client, raw_client

# -- whole -------------------------------------------------------------------------------------------------------


@on_both_loops
async def test_a_response_arrives_whole_and_both_connections_go_on(watched: Watched) -> None:
    upstream = ScriptedUpstream(answering(RESPONSE, RESPONSE, OK))
    async with proxying(upstream) as proxy, client(proxy.port) as peer:
        for number in (1, 2):
            await peer.send(GET)
            assert (await peer.response())[1] == BODY
            assert watched.moved > number * (SIZE - LARGEST_READ)
        await peer.send(GET)
        assert (await peer.response())[1] == b"ok"
        assert upstream.connections == 1
        assert [record.response_bytes for record in proxy.records] == [SIZE, SIZE, 2]


@on_both_loops
async def test_an_upload_arrives_whole_and_what_follows_it_is_the_next_request(watched: Watched) -> None:
    requests: list[bytes] = []
    upstream = ScriptedUpstream(answering(OK, OK, requests=requests))
    async with proxying(upstream) as proxy, client(proxy.port) as peer:
        await peer.send(POST + GET)
        assert (await peer.response())[1] == b"ok"
        assert (await peer.response())[1] == b"ok"
        assert requests[0].endswith(b"\r\n\r\n" + BODY)
        assert requests[1].startswith(b"GET / HTTP/1.1\r\n")
        assert watched.moved > SIZE - LARGEST_READ
        assert [record.request_bytes for record in proxy.records] == [SIZE, 0]


@on_both_loops
async def test_a_slow_client_gets_all_of_it(watched: Watched) -> None:
    upstream = ScriptedUpstream(answering(RESPONSE))
    async with proxying(upstream) as proxy, client(proxy.port) as peer:
        await peer.send(GET)
        peer.pause_reading()
        await watched.until_blocked()
        peer.resume_reading()
        assert (await peer.response())[1] == BODY


@on_both_loops
async def test_a_slow_service_gets_all_of_it(watched: Watched) -> None:
    requests: list[bytes] = []

    async def script(peer: Peer) -> None:
        peer.pause_reading()
        await watched.until_blocked()
        peer.resume_reading()
        await answering(OK, requests=requests)(peer)

    async with proxying(ScriptedUpstream(script)) as proxy, client(proxy.port) as peer:
        await peer.send(POST)
        assert (await peer.response())[1] == b"ok"
        assert requests[0].endswith(b"\r\n\r\n" + BODY)


# -- cut ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by_reset", [False, True], ids=["FIN", "RST"])
@on_both_loops
async def test_a_slow_client_gets_what_came_of_a_response_that_is_cut(watched: Watched, by_reset: bool) -> None:
    """The service ends while the kernel holds what the client does not take."""
    length = 2 * SIZE

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % length + BODY[:4_000_000])
        await watched.until_blocked()
        if by_reset:
            peer.reset()
        else:
            await peer.close()

    async with proxying(ScriptedUpstream(script)) as proxy, raw_client(proxy.port, 4096) as raw:
        raw.send(GET)
        await watched.until_blocked()
        received, was_reset = await taken_slowly(raw, 0.0)
        _, _, body = received.partition(b"\r\n\r\n")
        assert body == BODY[: len(body)]
        if not by_reset:
            assert len(body) == 4_000_000
        assert not was_reset
        await proxy.records.wait_for(1)
        record = proxy.records[0]
        assert (record.status, record.error, record.response_bytes) == (200, "response_body_cut", len(body))


@on_both_loops
async def test_the_log_counts_what_the_kernel_of_a_client_had_that_breaks_off(watched: Watched) -> None:
    async with proxying(ScriptedUpstream(answering(RESPONSE))) as proxy, raw_client(proxy.port) as raw:
        raw.send(GET)
        await watched.until_blocked()
        taken, head_bytes = await stands_still(raw), raw.recv(1000, socket.MSG_PEEK).index(b"\r\n\r\n") + 4
        reset(raw)
        await proxy.records.wait_for(1)
        record = proxy.records[0]
        assert (record.error, record.response_bytes) == ("client_gone", taken - head_bytes)


async def stands_still(raw: socket.socket) -> int:
    """Wait until nothing more arrives at a client that does not read; how many bytes have."""
    counted = [-1, -2]
    while counted[-1] != counted[-2] or counted[-1] <= 0:
        await asyncio.sleep(0.1)  # only time shows that nothing more comes
        unread = fcntl.ioctl(raw.fileno(), termios.FIONREAD, bytes(4))
        counted.append(int.from_bytes(unread, sys.byteorder))
    return counted[-1]


@on_both_loops
async def test_a_service_that_falls_silent_in_mid_body_is_a_cut_after_what_it_sent(watched: Watched) -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(RESPONSE[:3_000_000])
        await peer.rest()

    async with (
        proxying(ScriptedUpstream(script), timeouts={"response_body_idle_s": 0.3}) as proxy,
        client(proxy.port) as peer,
    ):
        await peer.send(GET)
        assert (await peer.rest()).endswith(BODY[2_999_000 : 3_000_000 - len(RESPONSE) + SIZE])
        await proxy.records.wait_for(1)
        assert proxy.records[0].error == "response_body_timeout"
        assert watched.moved > 1_000_000


@on_both_loops
async def test_a_client_that_stops_reading_is_given_up(watched: Watched) -> None:
    async with (
        proxying(ScriptedUpstream(answering(RESPONSE)), timeouts={"client_write_idle_s": 0.3}) as proxy,
        client(proxy.port) as peer,
    ):
        await peer.send(GET)
        peer.pause_reading()
        await proxy.records.wait_for(1)
        record = proxy.records[0]
        assert record.error == "client_write_timeout"
        assert record.response_bytes < SIZE


@on_both_loops
async def test_an_early_answer_with_a_reset_behind_it_reaches_the_client(watched: Watched) -> None:
    """The service answers in mid-upload and closes: what it has not read makes that a reset."""
    answer = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 8\r\n\r\ntoo much"

    async def script(peer: Peer) -> None:
        peer.pause_reading()
        await watched.until_blocked()
        await peer.send(answer)
        peer.abort()

    async with proxying(ScriptedUpstream(script)) as proxy, client(proxy.port) as peer:
        sending = asyncio.create_task(peer.send(POST))
        assert (await peer.response())[1] == b"too much"
        await proxy.records.wait_for(1)
        assert proxy.records[0].status == 413
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)


@on_both_loops
async def test_a_response_past_its_total_time_is_cut_behind_what_came(watched: Watched) -> None:
    async with (
        proxying(ScriptedUpstream(answering(RESPONSE)), timeouts={"request_total_s": 0.5}) as proxy,
        client(proxy.port) as peer,
    ):
        await peer.send(GET)
        peer.pause_reading()
        await proxy.records.wait_for(1)
        assert proxy.records[0].error == "request_total_timeout"
        assert proxy.records[0].response_bytes < SIZE


@on_both_loops
async def test_the_time_limit_of_a_body_begins_anew_with_what_comes(watched: Watched) -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        for at in range(0, 2_000_000, 100_000):
            await peer.send(RESPONSE[at : at + 100_000])
            await asyncio.sleep(0.06)
        await peer.send(RESPONSE[2_000_000:])
        await peer.rest()

    async with (
        proxying(ScriptedUpstream(script), timeouts={"response_body_idle_s": 0.5}) as proxy,
        client(proxy.port) as peer,
    ):
        await peer.send(GET)
        assert (await peer.response())[1] == BODY
        assert watched.moved > 1_000_000
