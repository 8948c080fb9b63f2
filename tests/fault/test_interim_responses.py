"""Interim responses: a service may send as many as its work takes, but not a flood."""

import pytest

from tests.harness.running_proxy import running_proxy
from tests.harness.scripted import OK, Peer, ScriptedUpstream, client

PROCESSING = b"HTTP/1.1 102 Processing\r\n\r\n"


async def test_a_102_for_every_piece_of_a_long_upload_is_passed_on(reader: str) -> None:
    pieces = 100

    async def script(peer: Peer) -> None:
        await peer.head()
        for _ in range(pieces):
            await peer.exactly(3)
            await peer.send(PROCESSING)
        await peer.send(OK)
        await peer.rest()

    upstream = ScriptedUpstream(script)
    async with upstream.serving(), running_proxy(upstream.port, reader=reader) as proxy, client(proxy.port) as peer:
        await peer.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % (3 * pieces))
        for _ in range(pieces):
            await peer.send(b"abc")
            assert await peer.head() == PROCESSING
        assert (await peer.response())[1] == b"ok"


@pytest.mark.parametrize(("limit", "beyond"), [("interim_responses", PROCESSING), ("interim_bytes", b"")])
async def test_a_flood_is_a_502(limit: str, beyond: bytes) -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + beyond + OK)
        await peer.rest()

    upstream = ScriptedUpstream(script)
    async with upstream.serving(), running_proxy(upstream.port, limits={limit: 1}) as proxy, client(proxy.port) as peer:
        await peer.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        head = await peer.head()
        if head.startswith(b"HTTP/1.1 103 "):
            head = await peer.head()
        assert head.startswith(b"HTTP/1.1 502 ")
        await proxy.records.wait_for(1)
        assert proxy.records[0].detail == "too many interim responses at once"
