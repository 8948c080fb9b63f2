"""Peers that speak TLS wrongly, or in bad faith: what came before is served, nothing raises, and memory stays bounded."""

import asyncio
import socket
import ssl
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from proxy.transport.deadlines import NEVER, Deadlines
from proxy.transport.fiber import in_fiber
from proxy.transport.tls import ClientTls, client_context
from proxy.transport.tls_stream import TlsStream
from tests.harness.addresses import run
from tests.harness.listeners import listener, tls_proxy
from tests.harness.scripted import OK, PATIENCE_S, Peer, ScriptedUpstream, answering, client
from tests.harness.tls import Authority, TlsPeer, authority

__all__ = ["authority", "run"]

Run = Callable[[Coroutine[Any, Any, None]], None]
GET = b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"
ANSWERED_HERE = b"OPTIONS * HTTP/1.1\r\nHost: a.example\r\nMax-Forwards: 0\r\n\r\n"


@pytest.mark.parametrize("request_", [GET, ANSWERED_HERE])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize(
    "broken",
    [
        b"\x17\x03\x03\x00\x20" + b"x" * 32,  # a record that does not decrypt
        b"\x15\x03\x03\x00\x02\x02\x28",  # an alert in plain text
        b"GET / HTTP/1.1\r\n\r\n",
    ],
)
def test_what_breaks_tls_behind_a_request_is_the_clients_end_and_no_defect_of_ours(
    run: Run, authority: Authority, broken: bytes, version: ssl.TLSVersion, request_: bytes
) -> None:
    context = authority.client()
    context.minimum_version = context.maximum_version = version

    async def scenario() -> None:
        upstream = ScriptedUpstream(answering(*[OK] * 2))
        async with upstream.serving(), tls_proxy(authority, upstream.port) as proxy, client(proxy.port) as peer:
            tls = TlsPeer(peer, context)
            await tls.shake_hands()
            await peer.send(tls.encrypted(request_) + broken)
            await peer.rest()
            await proxy.records.wait_for(1)
            assert proxy.records[0].method in (b"GET", b"OPTIONS")
            assert proxy.records[0].error in ("", "client_gone")

    run(scenario())


@pytest.mark.parametrize("request_bytes", [0, 300_000])
async def test_the_alert_that_says_why_outlasts_what_the_client_sends_meanwhile(
    authority: Authority, request_bytes: int
) -> None:
    def ask(port: int) -> str:
        raw = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
        with authority.client().wrap_socket(raw, server_hostname="a.example") as tls:
            for _ in range(request_bytes // 1000):
                tls.sendall(b"x" * 1000)
            try:
                tls.recv(1)
            except ssl.SSLError as exc:
                return str(exc.reason)
        return "nothing"

    public = listener(authority, client_certificate="required", client_ca=authority.pem)
    upstream = ScriptedUpstream(answering(OK))
    async with upstream.serving(), tls_proxy(authority, upstream.port, listeners={"public": public}) as proxy:
        told = [await asyncio.to_thread(ask, proxy.port) for _ in range(5)]
    assert told == ["TLSV13_ALERT_CERTIFICATE_REQUIRED"] * 5


def test_a_peer_that_asks_to_begin_again_and_reads_no_answer_is_left(run: Run, authority: Authority) -> None:
    context = authority.server()
    context.maximum_version = ssl.TLSVersion.TLSv1_2

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        for each in (ours, theirs):
            each.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        deadlines = Deadlines(loop)
        stream = TlsStream(deadlines)
        peer = Peer(*await asyncio.open_connection(sock=theirs))
        await loop.connect_accepted_socket(lambda: stream, ours)
        tls = TlsPeer(peer, context, None)
        shaken = asyncio.create_task(tls.shake_hands())
        settings = ClientTls(ca=authority.pem)
        await in_fiber(stream.handshake(client_context(settings).context, NEVER, server_hostname="service.example"))
        await shaken
        peer.pause_reading()
        most = 0
        for _ in range(40_000):
            try:
                await peer.send(tls.begin_again())
            except ConnectionError:
                break
            if not stream.is_ended:
                most = max(most, stream.transport.get_write_buffer_size())
        else:
            pytest.fail("it goes on and on")
        assert 200_000 < most < 600_000
        peer.abort()

    run(scenario())
