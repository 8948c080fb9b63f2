"""Upgrades of requests that have a body (docker exec): the switch comes after the whole request (RFC 9110 §7.8)."""

import asyncio

import pytest

from tests.harness.running_proxy import running_proxy
from tests.harness.scripted import OK, Peer, ScriptedUpstream, client, fields_of

SWITCH = b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
BODIES = [
    # framing                          the body's beginning, its rest
    (b"Content-Length: 9",             b"abc",            b"defghi"),
    (b"Transfer-Encoding: chunked",    b"3\r\nabc\r\n",   b"6\r\ndefghi\r\n0\r\n\r\n"),
]  # fmt: skip


def post(framing: bytes, upgrade: bytes = b"tcp") -> bytes:
    return b"POST /exec HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: %b\r\n%b\r\n\r\n" % (upgrade, framing)


async def body_of(peer: Peer, head: bytes) -> bytes:
    if "transfer-encoding" in fields_of(head):
        return (await peer.chunked())[0]
    return await peer.exactly(9)


@pytest.mark.parametrize(("framing", "begun", "rest"), BODIES)
async def test_a_request_with_a_body_switches_after_it(framing: bytes, begun: bytes, rest: bytes, reader: str) -> None:
    async def script(peer: Peer) -> None:
        head = await peer.head()
        assert (fields_of(head)["upgrade"], fields_of(head)["connection"]) == (["tcp"], ["Upgrade"])
        assert await body_of(peer, head) == b"abcdefghi"
        await peer.send(SWITCH + b"hello")
        assert await peer.exactly(4) == b"ping"

    upstream = ScriptedUpstream(script)
    async with (
        upstream.serving(),
        running_proxy(upstream.port, reader=reader, upgrades=["tcp"]) as proxy,
        client(proxy.port) as peer,
    ):
        await peer.send(post(framing) + begun + rest + b"ping")
        head = await peer.head()
        assert head.startswith(b"HTTP/1.1 101 ")
        assert fields_of(head)["upgrade"] == ["tcp"]
        assert await peer.rest() == b"hello"


@pytest.mark.parametrize(("framing", "begun", "rest"), BODIES)
async def test_a_101_before_the_bodys_end_waits_for_it(framing: bytes, begun: bytes, rest: bytes) -> None:
    switched = asyncio.Event()

    async def script(peer: Peer) -> None:
        head = await peer.head()
        await peer.send(SWITCH + b"hello")
        switched.set()
        assert await body_of(peer, head) == b"abcdefghi"
        assert await peer.exactly(4) == b"ping"

    upstream = ScriptedUpstream(script)
    async with upstream.serving(), running_proxy(upstream.port, upgrades=["tcp"]) as proxy, client(proxy.port) as peer:
        await peer.send(post(framing) + begun)
        await switched.wait()
        await peer.send(rest + b"ping")
        assert (await peer.head()).startswith(b"HTTP/1.1 101 ")
        assert await peer.rest() == b"hello"


async def test_a_body_that_never_ends_is_no_switch() -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(SWITCH)
        await peer.rest()

    upstream = ScriptedUpstream(script)
    async with (
        upstream.serving(),
        running_proxy(upstream.port, upgrades=["tcp"], timeouts={"request_body_idle_s": 0.2}) as proxy,
        client(proxy.port) as peer,
    ):
        await peer.send(post(b"Content-Length: 9") + b"abc")
        assert (await peer.head()).startswith(b"HTTP/1.1 408 ")


async def test_an_upgrade_that_is_declined_is_an_ordinary_upload() -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        assert await peer.exactly(3) == b"abc"
        await peer.send(OK)
        await peer.rest()

    upstream = ScriptedUpstream(script)
    async with upstream.serving(), running_proxy(upstream.port, upgrades=["tcp"]) as proxy, client(proxy.port) as peer:
        await peer.send(post(b"Content-Length: 3") + b"abc")
        assert (await peer.response())[1] == b"ok"
        assert proxy.idle_upstreams == 1


async def test_h2c_is_stripped_with_a_body_as_well() -> None:
    async def script(peer: Peer) -> None:
        head = await peer.head()
        assert "upgrade" not in fields_of(head) and "connection" not in fields_of(head)
        assert await peer.exactly(3) == b"abc"
        await peer.send(OK)
        await peer.rest()

    upstream = ScriptedUpstream(script)
    async with upstream.serving(), running_proxy(upstream.port) as proxy, client(proxy.port) as peer:
        await peer.send(post(b"Content-Length: 3", b"h2c") + b"abc")
        assert (await peer.response())[1] == b"ok"
