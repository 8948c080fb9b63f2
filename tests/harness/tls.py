"""Services that speak TLS: certificates made for each test, and a proxy that believes them."""

import _ssl
import contextlib
import ctypes
import ssl
from pathlib import Path
from typing import Any

import pytest

from proxy.config.upstream_model import UpstreamConfig, UpstreamTlsConfig
from tests.harness.running_proxy import running_proxy
from tests.harness.scripted import Peer, ScriptedUpstream

trustme = pytest.importorskip("trustme", reason="makes the certificates: pip install trustme")

_OPENSSL = ctypes.CDLL(_ssl.__file__)


class Authority:
    """Who signs the services' certificates, and the names that clients asked for."""

    def __init__(self, folder: Path) -> None:
        self._authority = trustme.CA()
        self._folder = folder
        self.pem = str(folder / "ca.pem")
        self.client_pem = str(folder / "client.pem")
        self.asked_for: list[str | None] = []
        self._authority.cert_pem.write_to_path(self.pem)
        ours = self._authority.issue_cert("onehop@client.example")
        ours.private_key_and_cert_chain_pem.write_to_path(self.client_pem)
        self.client_certificate, self.client_key = str(folder / "client.crt"), str(folder / "client.key")
        Path(self.client_certificate).write_bytes(b"".join(pem.bytes() for pem in ours.cert_chain_pems))
        ours.private_key_pem.write_to_path(self.client_key)
        self.client_der = ssl.PEM_cert_to_DER_cert(ours.cert_chain_pems[0].bytes().decode())

    def server(self, *names: str, **validity: Any) -> ssl.SSLContext:
        """A service with a certificate for these names."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.sni_callback = lambda _, name, __: self.asked_for.append(name)
        self._authority.issue_cert(*names or ("service.example",), **validity).configure_cert(context)
        return context

    def file(self, *names: str, path: str = "", **validity: Any) -> str:
        """A PEM file with a certificate for these names, its chain and its key."""
        made = path or str(self._folder / f"{names[0]}.pem")
        self._authority.issue_cert(*names, **validity).private_key_and_cert_chain_pem.write_to_path(made)
        return made

    def client(self, *, certificate: bool = False) -> ssl.SSLContext:
        """A client that believes this authority, with a certificate of its own if asked."""
        context = ssl.create_default_context(cafile=self.pem)
        if certificate:
            context.load_cert_chain(self.client_pem)
        return context

    def asks_for_a_certificate(self, context: ssl.SSLContext) -> None:
        """From its clients, too; and says so before they send anything, as TLS 1.2 does."""
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.verify_mode = ssl.CERT_REQUIRED
        self._authority.configure_trust(context)


class TlsPeer:
    """A client's or a service's TLS over a plain connection, record by record in the hands of a test."""

    def __init__(self, peer: Peer, context: ssl.SSLContext, name: str | None = "a.example") -> None:
        self._peer = peer
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._incoming, self._outgoing, server_side=name is None, server_hostname=name)

    async def shake_hands(self) -> None:
        """Do the whole handshake."""
        while True:
            try:
                self.tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                await self._peer.send(self._outgoing.read())
                self._incoming.write(await self._peer.some())
        await self._peer.send(self._outgoing.read())

    def encrypted(self, data: bytes) -> bytes:
        """The records that say `data`."""
        self.tls.write(data)
        return self._outgoing.read()

    def begin_again(self) -> bytes:
        """The record that asks for another handshake; TLS 1.2 alone has such."""
        place = id(self.tls._sslobj) + object.__basicsize__ + ctypes.sizeof(ctypes.c_void_p)  # type: ignore[attr-defined]
        _OPENSSL.SSL_renegotiate(ctypes.c_void_p.from_address(place))
        self.tls.do_handshake()
        return self._outgoing.read()


def exchanged(client: ssl.SSLContext, server: ssl.SSLContext, session: ssl.SSLSession | None = None) -> ssl.SSLObject:
    """The client's side of a connection in memory, on which a byte went each way. Raises ssl.SSLError."""
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    us = client.wrap_bio(to_client, to_server, server_hostname="a.example", session=session)
    them = server.wrap_bio(to_server, to_client, server_side=True)
    for side in (us, them, us, them, us):
        with contextlib.suppress(ssl.SSLWantReadError):
            side.do_handshake()
    us.write(b"x")
    assert them.read(1) == b"x"
    them.write(b"y")
    assert us.read(1) == b"y"  # and the tickets before it
    return us


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def in_front_of(upstream: ScriptedUpstream, host: str = "service.example", **tls: Any) -> Any:
    service = UpstreamConfig(urls=[f"https://{host}:{upstream.port}"], tls=UpstreamTlsConfig(**tls))
    return running_proxy(upstreams={"default": service}, lookup=lambda _: ["127.0.0.1"])
