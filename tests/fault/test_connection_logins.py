"""NTLM and Negotiate log in on a connection (RFC 4559 §6): an upstream connection with a login serves one client only."""

import asyncio

import pytest

from tests.harness.running_proxy import running_proxy
from tests.harness.scripted import Peer, ScriptedUpstream, client

ASKS = b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: %b\r\nContent-Length: 0\r\n\r\n"
FIELDS = [b"NTLM", b"Negotiate", b"ntlm TlRMTVNTUAAC", b'Basic realm="x", Negotiate']


async def service(peer: Peer) -> None:
    """Knows a connection by the first request on it, as services with such logins do."""
    name = b""
    while True:
        try:
            head = await peer.head()
        except asyncio.IncompleteReadError:
            return
        name = name or head.split(b" ")[1][1:]
        if head.startswith(b"GET /challenge"):
            await peer.send(ASKS % head.split(b"X-Ask: ")[1].split(b"\r\n")[0])
        else:
            await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(name), name))


def get(path: bytes, fields: bytes = b"") -> bytes:
    return b"GET /" + path + b" HTTP/1.1\r\nHost: h\r\n" + fields + b"\r\n"


async def ask(peer: Peer, path: bytes, fields: bytes = b"") -> bytes:
    await peer.send(get(path, fields))
    return (await peer.response())[1]


@pytest.mark.parametrize("scheme", [b"NTLM TlRM", b"Negotiate YII=", b"negotiate YII="])
async def test_nobody_else_is_given_a_connection_on_which_somebody_logged_in(scheme: bytes, reader: str) -> None:
    upstream = ScriptedUpstream(service)
    async with upstream.serving(), running_proxy(upstream.port, reader=reader) as proxy, client(proxy.port) as alice:
        assert await ask(alice, b"alice", b"Authorization: " + scheme + b"\r\n") == b"alice"
        assert proxy.idle_upstreams == 0
        async with client(proxy.port) as bob:
            assert await ask(bob, b"bob") == b"bob"
        assert await ask(alice, b"again") == b"alice"  # and she is known by it
        assert upstream.connections == 2


@pytest.mark.parametrize("challenge", FIELDS)
async def test_a_connection_that_was_challenged_belongs_to_whom_it_challenged(challenge: bytes) -> None:
    upstream = ScriptedUpstream(service)
    async with upstream.serving(), running_proxy(upstream.port) as proxy, client(proxy.port) as alice:
        await ask(alice, b"challenge", b"X-Ask: " + challenge + b"\r\n")
        async with client(proxy.port) as bob:
            assert await ask(bob, b"bob") == b"bob"
        assert await ask(alice, b"again") == b"challenge"


@pytest.mark.parametrize("challenge", [b"Basic realm=x", b'Digest realm="a, NTLM b"', b"Bearer"])
async def test_other_logins_share_connections(challenge: bytes) -> None:
    upstream = ScriptedUpstream(service)
    async with upstream.serving(), running_proxy(upstream.port) as proxy, client(proxy.port) as alice:
        await ask(alice, b"challenge", b"X-Ask: " + challenge + b"\r\nAuthorization: Basic YTpi\r\n")
        assert proxy.idle_upstreams == 1


async def test_it_ends_with_its_clients_connection() -> None:
    ended = asyncio.Event()

    async def script(peer: Peer) -> None:
        await service(peer)
        ended.set()

    upstream = ScriptedUpstream(script)
    async with upstream.serving(), running_proxy(upstream.port) as proxy:
        async with client(proxy.port) as alice:
            await ask(alice, b"alice", b"Authorization: NTLM TlRM\r\n")
            assert len(proxy.worker.pool.bound) == 1
        async with asyncio.timeout(5):
            await ended.wait()
        assert len(proxy.worker.pool.bound) == 0


async def test_one_that_its_upstream_closes_is_forgotten() -> None:
    async def once(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none")

    upstream = ScriptedUpstream(once, service)
    async with upstream.serving(), running_proxy(upstream.port) as proxy, client(proxy.port) as alice:
        assert await ask(alice, b"alice", b"Authorization: NTLM TlRM\r\n") == b"one"
        assert await ask(alice, b"two") == b"two"
        assert proxy.records[1].error == ""
