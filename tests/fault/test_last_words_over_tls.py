"""Over TLS, too, what a peer said before it broke the connection is read: the kernel holds it, encrypted."""

import asyncio
import contextlib
import os
import socket
import ssl
from collections.abc import Callable

import pytest

from proxy.config.upstream_model import UpstreamConfig, UpstreamTlsConfig
from proxy.transport import sockets
from proxy.transport.deadlines import NEVER, Deadlines
from proxy.transport.fiber import in_fiber
from proxy.transport.tls import ClientTls, client_context
from proxy.transport.tls_stream import TlsStream
from tests.fault.test_last_words import (
    HANDSHAKE,
    LAST_FRAME,
    REFUSAL,
    SWITCH,
    service,
    until_end,
    uploading,
    what_arrived,
)
from tests.harness.running_proxy import RunningProxy, running_proxy
from tests.harness.scripted import PATIENCE_S
from tests.harness.tls import Authority, authority

__all__ = ["authority"]


def secured(context: ssl.SSLContext, serve: Callable[[ssl.SSLSocket], None]) -> Callable[[socket.socket], None]:
    def shake_hands_and_serve(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as tls:
            serve(tls)

    return shake_hands_and_serve


def in_front_of(port: int, authority: Authority) -> contextlib.AbstractAsyncContextManager[RunningProxy]:
    upstream = UpstreamConfig(urls=[f"https://service.example:{port}"], tls=UpstreamTlsConfig(ca=authority.pem))
    return running_proxy(upstreams={"default": upstream}, lookup=lambda _: ["127.0.0.1"])


@pytest.mark.parametrize(("size", "piece"), [(4_000_000, 65_536), (300_000, 1_000)])
async def test_a_refused_upload_is_told_so(authority: Authority, size: int, piece: int) -> None:
    def refuse(tls: ssl.SSLSocket) -> None:
        tls.recv(8192)
        tls.sendall(REFUSAL)  # and closes with the body unread: RST

    with service(secured(authority.server(), refuse)) as port:
        async with in_front_of(port, authority) as proxy:
            answers = []
            for _ in range(5):
                uploads = (asyncio.to_thread(uploading, proxy.port, size, piece) for _ in range(4))
                answers += await asyncio.gather(*uploads)
    assert [answer[:12] for answer in answers] == [b"HTTP/1.1 401"] * 20
    assert all(answer.endswith(b"no!\n") for answer in answers)


@pytest.mark.parametrize(("says_goodbye", "end"), [(True, "clean"), (False, "broken")])
@pytest.mark.parametrize("size", [5, 65_536, 1_000_000])
async def test_what_arrived_before_a_reset_is_read(
    authority: Authority, size: int, says_goodbye: bool, end: str
) -> None:
    words = os.urandom(size)
    stream = await broken_behind(authority, words, says_goodbye=says_goodbye)
    assert await what_arrived(stream, pause=True) == (words, end)
    assert not stream._deadlines.streams


async def broken_behind(authority: Authority, words: bytes, *, says_goodbye: bool) -> TlsStream:
    """A stream whose peer has sent `words` and then broken the connection, which a write has found out."""
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        raw = socket.socket()
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_000_000)
        raw.setblocking(False)
        await loop.sock_connect(raw, listening.getsockname())
        accepted, _ = listening.accept()
    accepted.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_000_000)
    accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else the reset overtakes what is small
    server = authority.server()
    shaking = asyncio.create_task(asyncio.to_thread(server.wrap_socket, accepted, server_side=True))
    deadlines = Deadlines(loop)
    _, stream = await loop.create_connection(lambda: TlsStream(deadlines), sock=raw)
    await in_fiber(
        stream.handshake(client_context(ClientTls(ca=authority.pem)).context, NEVER, server_hostname="service.example")
    )
    peer = await shaking
    stream.write(b"a request")
    await asyncio.to_thread(peer.recv, 1)
    peer.sendall(words)
    if says_goodbye:
        peer.setblocking(False)
        with contextlib.suppress(ssl.SSLError):  # it would read, and finds our request
            peer.unwrap()
    while sockets.untaken_bytes(peer):  # the loop has no turn: all of it is in our kernel's queue
        pass
    accepted = socket.socket(fileno=peer.detach())
    sockets.reset_on_close(accepted)
    accepted.close()
    for _ in range(3):
        stream.write(b"more of it")
    return stream


async def test_the_last_frame_of_a_tunnel_arrives(authority: Authority) -> None:
    def serve(tls: ssl.SSLSocket) -> None:
        tls.recv(8192)
        tls.sendall(SWITCH)
        tls.recv(1)  # the client talks, and goes on talking
        tls.sendall(LAST_FRAME)

    def talk(port: int) -> bytes:
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as client:
            client.sendall(HANDSHAKE)
            assert b" 101 " in client.recv(8192)
            with contextlib.suppress(ConnectionError):
                for _ in range(200):
                    client.sendall(b"x" * 500)
            return until_end(client)

    with service(secured(authority.server(), serve)) as port:
        async with in_front_of(port, authority) as proxy:
            heard = []
            for _ in range(10):
                heard += await asyncio.gather(*(asyncio.to_thread(talk, proxy.port) for _ in range(3)))
    assert heard == [LAST_FRAME] * 30
