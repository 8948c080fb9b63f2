"""How a connection over TLS ends, and what that means for whom. On both event loops."""

import socket
import ssl
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from tests.fault.test_last_words import service
from tests.harness.addresses import run
from tests.harness.scripted import Peer, ScriptedUpstream, client
from tests.harness.tls import Authority, authority, in_front_of

__all__ = ["authority", "run"]

Run = Callable[[Coroutine[Any, Any, None]], None]


@pytest.mark.parametrize("says_so", [True, False])
def test_a_body_until_close_is_whole_only_where_tls_says_so(run: Run, authority: Authority, says_so: bool) -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 200 OK\r\n\r\nhello")
        if not says_so:
            peer.abort()  # a FIN without close_notify: anybody on the way can send one

    async def scenario() -> None:
        upstream = ScriptedUpstream(script)
        async with (
            upstream.serving(authority.server()),
            in_front_of(upstream, ca=authority.pem) as proxy,
            client(proxy.port) as peer,
        ):
            await peer.send(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
            assert b"chunked" in await peer.head()
            received = await peer.rest()
            assert received.endswith(b"0\r\n\r\n") is says_so
            await proxy.records.wait_for(1)
            assert proxy.records[0].error == ("" if says_so else "response_body_cut")

    run(scenario())


def test_a_clients_half_close_reaches_a_service_over_tls_which_may_still_speak(run: Run, authority: Authority) -> None:
    def serve(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as tls:
            tls.recv(8192)
            tls.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
            heard = bytearray()
            while data := tls.recv(8192):  # to the close_notify: a bare FIN raises SSLEOFError
                heard += data
            tls.sendall(b"heard " + heard)
            tls.unwrap()

    async def scenario() -> None:
        upstream = ScriptedUpstream()
        with service(serve) as upstream.port:
            async with in_front_of(upstream, ca=authority.pem) as proxy, client(proxy.port) as peer:
                await peer.send(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
                assert (await peer.head()).startswith(b"HTTP/1.1 101 ")
                await peer.send(b"hey")
                peer.half_close()
                assert await peer.rest() == b"heard hey"
                await proxy.records.wait_for(1)
                assert proxy.records[0].tunnel_end == "closed"

    context = authority.server()
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
    run(scenario())


@pytest.mark.parametrize("says_so", [True, False])
def test_a_tunnel_over_tls_ends_with_its_service(run: Run, authority: Authority, says_so: bool) -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello")
        assert await peer.exactly(3) == b"hey"
        await peer.send(b"bye")
        if not says_so:
            peer.abort()

    async def scenario() -> None:
        upstream = ScriptedUpstream(script)
        async with (
            upstream.serving(authority.server()),
            in_front_of(upstream, ca=authority.pem) as proxy,
            client(proxy.port) as peer,
        ):
            await peer.send(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
            assert (await peer.head()).startswith(b"HTTP/1.1 101 ")
            assert await peer.exactly(5) == b"hello"
            await peer.send(b"hey")
            assert await peer.exactly(3) == b"bye"
            peer.half_close()
            assert await peer.ended()

    run(scenario())
