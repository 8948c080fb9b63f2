"""Listeners that speak TLS: certificates by name, versions, resumption, what a client is told, and what goes upstream."""

import asyncio
import base64
import contextlib
import socket
import ssl
from typing import Any

import pytest

from proxy.downstream import places
from proxy.policy.settings import Timeouts
from tests.harness.listeners import listener, tls_client, tls_proxy
from tests.harness.scripted import OK, PATIENCE_S, Peer, ScriptedUpstream, answering, client, fields_of
from tests.harness.tls import Authority, authority

__all__ = ["authority"]

GET = b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"


async def test_a_request_goes_on_and_its_scheme_is_stated(authority: Authority, reader: str) -> None:
    requests: list[bytes] = []
    upstream = ScriptedUpstream(answering(OK, OK, requests=requests))
    async with (
        upstream.serving(),
        tls_proxy(authority, upstream.port, reader=reader) as proxy,
        tls_client(authority, proxy.port) as peer,
    ):
        for request in (GET, b"GET https://a.example/ HTTP/1.1\r\nHost: b\r\n\r\n"):
            await peer.send(request)
            assert (await peer.response())[1] == b"ok"
        tls = peer.tls()
        assert (tls.selected_alpn_protocol(), tls.version()) == (None, "TLSv1.3")
    assert [fields_of(request)["x-forwarded-proto"] for request in requests] == [["https"]] * 2
    assert [fields_of(request)["host"] for request in requests] == [["a.example"]] * 2


async def test_the_certificate_is_chosen_by_name_and_the_first_is_the_default(authority: Authority) -> None:
    upstream = ScriptedUpstream(answering(OK))
    public = listener(authority, "a.example", more=[("b.example", "*.c.example")])
    names = {
        "a.example": "a.example",
        "B.example": "b.example",
        "x.c.example": "b.example",
        "x.y.c.example": "a.example",  # a wildcard stands for one label
        "c.example": "a.example",
        None: "a.example",
    }
    lenient = authority.client()
    lenient.check_hostname = False
    async with upstream.serving(), tls_proxy(authority, upstream.port, listeners={"public": public}) as proxy:
        for asked, got in names.items():
            async with tls_client(authority, proxy.port, asked, lenient) as peer:
                shown = peer.tls().getpeercert()
                assert shown is not None
                assert ("DNS", got) in shown["subjectAltName"], asked


@pytest.mark.parametrize("least", ["1.2", "1.3"])
async def test_no_older_version_is_spoken_than_the_least(authority: Authority, least: str) -> None:
    upstream = ScriptedUpstream(answering(OK))
    public = listener(authority, min_version=least)
    old = authority.client()
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    async with upstream.serving(), tls_proxy(authority, upstream.port, listeners={"public": public}) as proxy:
        if least == "1.3":
            with pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"):
                async with tls_client(authority, proxy.port, context=old):
                    pass
        else:
            async with tls_client(authority, proxy.port, context=old) as peer:
                await peer.send(GET)
                assert (await peer.response())[1] == b"ok"
                cipher = peer.tls().cipher()
                assert cipher is not None
                assert cipher[0].startswith("ECDHE-")
                assert "GCM" in cipher[0] or "CHACHA20" in cipher[0]


@pytest.mark.parametrize("ciphers", ["AES128-GCM-SHA256", "ECDHE-RSA-AES128-SHA256:ECDHE-ECDSA-AES128-SHA256", "aNULL"])
async def test_ciphers_without_forward_secrecy_or_authentication_are_refused(
    authority: Authority, ciphers: str
) -> None:
    upstream = ScriptedUpstream(answering(OK))
    weak = authority.client()
    weak.maximum_version = ssl.TLSVersion.TLSv1_2
    weak.set_ciphers(f"{ciphers}:@SECLEVEL=0")
    async with upstream.serving(), tls_proxy(authority, upstream.port) as proxy:
        with pytest.raises(ssl.SSLError, match="HANDSHAKE_FAILURE"):
            async with tls_client(authority, proxy.port, context=weak):
                pass


async def test_http_1_1_is_chosen_where_a_client_offers_several_protocols(authority: Authority) -> None:
    upstream = ScriptedUpstream(answering(OK))
    context = authority.client()
    context.set_alpn_protocols(["h2", "http/1.1"])
    async with (
        upstream.serving(),
        tls_proxy(authority, upstream.port) as proxy,
        tls_client(authority, proxy.port, context=context) as peer,
    ):
        assert peer.tls().selected_alpn_protocol() == "http/1.1"


async def test_plain_http_is_told_what_this_port_speaks(authority: Authority) -> None:
    upstream = ScriptedUpstream(answering(OK))
    async with upstream.serving(), tls_proxy(authority, upstream.port) as proxy, client(proxy.port) as peer:
        await peer.send(GET)
        head, body = await peer.response()
        assert head.startswith(b"HTTP/1.1 400 Bad Request\r\n")
        assert b"this port speaks TLS: ask with https://" in body
        assert fields_of(head)["connection"] == ["close"]
        assert await peer.ended()
        await proxy.records.wait_for(1)
        assert proxy.records[0].error == "plain_http_on_tls_port"


async def test_a_client_that_never_begins_is_closed_in_time(authority: Authority) -> None:
    upstream = ScriptedUpstream(answering(OK))
    async with upstream.serving(), tls_proxy(authority, upstream.port, timeouts={"handshake_s": 0.1}) as proxy:
        for begun in (b"", b"\x16\x03\x01\x02\x00\x01"):
            async with client(proxy.port) as peer:
                if begun:
                    await peer.send(begun)
                async with asyncio.timeout(Timeouts().handshake_s * 0.8):
                    assert await peer.ended()
        assert not proxy.records


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_session_is_resumed(authority: Authority, version: ssl.TLSVersion) -> None:
    context = authority.client()
    context.minimum_version = context.maximum_version = version
    sessions: list[ssl.SSLSession | None] = [None]
    reused = []

    def visit(port: int) -> None:
        raw = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
        with context.wrap_socket(raw, server_hostname="a.example", session=sessions[-1]) as tls:
            tls.sendall(GET)
            assert tls.recv(8192).endswith(b"ok")
            sessions.append(tls.session)
            reused.append(tls.session_reused)

    upstream = ScriptedUpstream(answering(*[OK] * 3))
    async with upstream.serving(), tls_proxy(authority, upstream.port) as proxy:
        for _ in range(3):
            await asyncio.to_thread(visit, proxy.port)
    assert reused == [False, True, True]


@pytest.mark.parametrize("wanted", ["off", "optional", "required"])
async def test_a_clients_certificate_is_stated_and_nobody_can_forge_one(authority: Authority, wanted: str) -> None:
    requests: list[bytes] = []
    upstream = ScriptedUpstream(answering(*[OK] * 4, requests=requests))
    ca: dict[str, Any] = {"client_ca": authority.pem} if wanted != "off" else {}
    public = listener(authority, client_certificate=wanted, **ca)
    forged = (
        b"GET / HTTP/1.1\r\nHost: h\r\nClient-Cert: :Zm9v:\r\nClient_Cert: :Zm9v:\r\nClient-Cert-Chain: :Zm9v:\r\n"
        b"client.cert: x\r\nConnection: Client-Cert\r\n\r\n"
    )
    async with upstream.serving():
        for trusted in ([], ["127.0.0.0/8"]):
            async with tls_proxy(
                authority, upstream.port, listeners={"public": public}, trusted_networks=trusted
            ) as proxy:
                with_one = authority.client(certificate=True)
                async with tls_client(authority, proxy.port, context=with_one) as peer:
                    await peer.send(forged)
                    assert (await peer.response())[1] == b"ok"
                    ours = authority.client_der
                stated = [b":%b:" % base64.b64encode(ours)] if wanted != "off" else []
                if wanted == "off" and trusted:
                    continue  # a trusted gateway's own statement stands
                sent = requests[-1]
                assert [line[13:] for line in sent.split(b"\r\n") if line.startswith(b"Client-Cert: ")] == stated
                assert sent.lower().replace(b"_", b"-").replace(b".", b"-").count(b"\r\nclient-cert") == len(stated)


async def test_a_client_without_the_certificate_that_is_required_gets_no_further(authority: Authority) -> None:
    upstream = ScriptedUpstream(answering(OK))
    public = listener(authority, client_certificate="required", client_ca=authority.pem)
    async with upstream.serving(), tls_proxy(authority, upstream.port, listeners={"public": public}) as proxy:
        with pytest.raises(ssl.SSLError, match="CERTIFICATE_REQUIRED"):  # TLS 1.3: told at the first read
            async with tls_client(authority, proxy.port) as peer:
                await peer.send(GET)
                await peer.head()
        assert upstream.connections == 0


@pytest.mark.parametrize(
    ("request_", "whole"),
    [(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", True), (b"GET / HTTP/1.0\r\nHost: h\r\n\r\n", False)],
)
async def test_the_end_of_a_connection_says_whether_the_body_is_whole(
    authority: Authority, request_: bytes, whole: bool
) -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        if whole:
            await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
        else:  # to a 1.0 client, only the close delimits it
            await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n5\r\nx")
            peer.abort()

    def read(port: int) -> tuple[bytes, bool]:
        context = authority.client()
        raw = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
        with context.wrap_socket(raw, server_hostname="a.example", suppress_ragged_eofs=False) as tls:
            tls.sendall(request_)
            received = bytearray()
            try:
                while data := tls.recv(8192):
                    received += data
            except (ssl.SSLEOFError, ConnectionError):
                return bytes(received), False
            return bytes(received), True

    upstream = ScriptedUpstream(script)
    async with upstream.serving(), tls_proxy(authority, upstream.port) as proxy:
        received, clean = await asyncio.to_thread(read, proxy.port)
        assert b"hello" in received
        assert clean is whole


async def test_large_bodies_pass_both_ways(authority: Authority) -> None:
    body = bytes(range(256)) * 8192

    async def echo(peer: Peer) -> None:
        await peer.head()
        received = await peer.exactly(len(body))
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(received) + received)
        await peer.rest()

    upstream = ScriptedUpstream(echo)
    async with (
        upstream.serving(),
        tls_proxy(authority, upstream.port) as proxy,
        tls_client(authority, proxy.port) as peer,
    ):
        await peer.send(b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % len(body))
        sending = asyncio.create_task(peer.send(body))
        assert (await peer.response())[1] == body
        await sending


async def test_a_handshake_in_the_smallest_pieces_is_understood(authority: Authority) -> None:
    upstream = ScriptedUpstream(answering(OK))
    async with upstream.serving(), tls_proxy(authority, upstream.port) as proxy, client(proxy.port) as peer:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = authority.client().wrap_bio(incoming, outgoing, server_hostname="a.example")
        received = b""
        asked = False
        while not received.endswith(b"ok"):
            try:
                if not asked:
                    tls.do_handshake()
                    tls.write(GET)
                    asked = True
                else:
                    received += tls.read(8192)
                    continue
            except ssl.SSLWantReadError:
                pass
            if outgoing.pending:
                await peer.send_bytewise(outgoing.read())
            else:
                incoming.write(await peer.some())


async def test_a_worker_that_shuts_down_does_not_wait_for_a_handshake_that_never_ends(authority: Authority) -> None:
    upstream = ScriptedUpstream(answering(OK))
    async with upstream.serving(), contextlib.AsyncExitStack() as stack:
        async with tls_proxy(authority, upstream.port) as proxy:
            peer = await stack.enter_async_context(client(proxy.port))
            await peer.send(b"\x16\x03\x01\x02\x00\x01")
            begun = await stack.enter_async_context(tls_client(authority, proxy.port))  # the one before is accepted
        assert await peer.ended()
        assert await begun.ended()


async def test_silent_connections_keep_nobody_out(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "NEXT_REQUEST_S", 0.1)
    upstream = ScriptedUpstream(answering(OK))
    async with (
        upstream.serving(),
        tls_proxy(authority, upstream.port, limits={"connections": 2}, timeouts={"handshake_s": 600.0}) as proxy,
        client(proxy.port) as silent,
        client(proxy.port) as slow,
    ):
        await slow.send(b"\x16\x03\x01")
        async with tls_client(authority, proxy.port) as peer:
            await peer.send(GET)
            assert (await peer.response())[1] == b"ok"
        assert await silent.ended()  # the oldest
