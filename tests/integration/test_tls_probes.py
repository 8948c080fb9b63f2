"""What a scanner of TLS looks for: each cipher and version that OpenSSL can ask for, renegotiation, early data, fallback."""

import asyncio
import socket
import ssl
from typing import Final

import pytest
import trustme

from tests.harness.listeners import listener, tls_proxy
from tests.harness.scripted import OK, PATIENCE_S, ScriptedUpstream, answering, client
from tests.harness.tls import Authority, authority

__all__ = ["authority"]

GET: Final = b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"
#: For TLS 1.2: an ephemeral key, so that a key that is stolen later opens nothing; and encryption that authenticates.
ACCEPTED: Final = {
    "a.example": {"ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305"},
    "rsa.example": {"ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-RSA-CHACHA20-POLY1305"},
}


def all_ciphers() -> list[str]:
    """Every one that this OpenSSL can offer for TLS 1.2 or older without a shared key or password."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_ciphers("ALL:COMPLEMENTOFALL:@SECLEVEL=0")
    names = [cipher["name"] for cipher in context.get_ciphers()]
    return [name for name in names if not name.startswith("TLS_") and "PSK" not in name and "SRP" not in name]


def agreed(port: int, name: str, cipher: str) -> str | None:
    """The cipher that a client who offers only this one gets; None where the handshake fails."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(f"{cipher}:@SECLEVEL=0")
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as raw:
        try:
            with context.wrap_socket(raw, server_hostname=name) as tls:
                found = tls.cipher()
                return found[0] if found is not None else None
        except (ssl.SSLError, ConnectionError):
            return None


async def test_no_cipher_without_forward_secrecy_or_authenticated_encryption_is_accepted(authority: Authority) -> None:
    public = listener(authority, "a.example")
    rsa = listener(authority, "rsa.example")
    authority.file("rsa.example", path=rsa.tls.certificates[0].certificate, key_type=trustme.KeyType.RSA)
    public.tls.certificates.extend(rsa.tls.certificates)
    ciphers = all_ciphers()
    assert len(ciphers) > 30
    upstream = ScriptedUpstream(answering(OK))
    async with upstream.serving(), tls_proxy(authority, upstream.port, listeners={"public": public}) as proxy:

        def probe(name: str) -> set[str]:
            return {cipher for cipher in ciphers if agreed(proxy.port, name, cipher) == cipher}

        for name, accepted in ACCEPTED.items():
            assert await asyncio.to_thread(probe, name) == accepted


#: A hello as clients of the last century begin: the server must not go on with it.
HELLO_BODY: Final = bytes(32) + b"\x00" + b"\x00\x04\x00\x2f\x00\x0a" + b"\x01\x00"
OLD_HELLOS: Final = {
    "SSLv2": b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10"
    + b"\x01\x00\x80\x02\x00\x80\x03\x00\x80" * 2
    + b"\x00" * 19,
    **{
        name: b"\x16\x03" + minor + b"\x00\x2f\x01\x00\x00\x2b\x03" + minor + HELLO_BODY
        for name, minor in (("SSLv3", b"\x00"), ("TLS 1.0", b"\x01"), ("TLS 1.1", b"\x02"))
    },
}


@pytest.mark.parametrize("version", OLD_HELLOS)
async def test_the_hello_of_an_old_version_gets_an_alert_or_an_end(authority: Authority, version: str) -> None:
    hello = OLD_HELLOS[version]
    if version != "SSLv2":
        assert len(hello) == 5 + 0x2F
    upstream = ScriptedUpstream(answering(OK))
    async with upstream.serving(), tls_proxy(authority, upstream.port) as proxy, client(proxy.port) as peer:
        await peer.send(hello)
        answer = await peer.rest()
        assert answer[:1] in (b"", b"\x15", b"H"), "an alert, an end, or the 400 of who speaks no TLS"
        assert b"\x16\x03" not in answer[:2]
        if version.startswith("TLS") or version == "SSLv3":
            assert answer[:1] == b"\x15"
            assert answer[5:7] in (b"\x02\x46", b"\x02\x28"), "fatal: protocol_version, or handshake_failure"


async def test_a_client_that_offers_only_h2_is_served_http_1_1_without_a_choice(authority: Authority) -> None:
    context = authority.client()
    context.set_alpn_protocols(["h2"])

    def ask(port: int) -> tuple[str | None, bytes]:
        raw = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
        with context.wrap_socket(raw, server_hostname="a.example") as tls:
            tls.sendall(GET)
            return tls.selected_alpn_protocol(), tls.recv(8192)

    upstream = ScriptedUpstream(answering(OK))
    async with upstream.serving(), tls_proxy(authority, upstream.port) as proxy:
        chosen, answer = await asyncio.to_thread(ask, proxy.port)
    assert chosen is None
    assert answer.startswith(b"HTTP/1.1 200 ")
