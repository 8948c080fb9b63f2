"""Proxies that speak TLS to their clients, and clients that speak it to them."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from proxy.config.listener_model import CertificateConfig, ListenerConfig, ListenerTlsConfig
from tests.harness.running_proxy import RunningProxy, running_proxy
from tests.harness.scripted import Peer
from tests.harness.tls import Authority


def listener(
    authority: Authority, *names: str, more: Sequence[tuple[str, ...]] = (), **settings: Any
) -> ListenerConfig:
    """A TLS listener with a certificate for these names, and `more`."""
    certificates = [CertificateConfig(certificate=authority.file(*each)) for each in (names or ("a.example",), *more)]
    tls = {name: settings.pop(name) for name in ("min_version", "client_certificate", "client_ca") if name in settings}
    return ListenerConfig(address="127.0.0.1:0", tls=ListenerTlsConfig(certificates=certificates, **tls), **settings)


@asynccontextmanager
async def tls_proxy(authority: Authority, *ports: int, **settings: Any) -> AsyncIterator[RunningProxy]:
    """A worker with a TLS listener alone, in front of the given ports."""
    settings.setdefault("listeners", {"public": listener(authority)})
    async with running_proxy(*ports, listen=[], **settings) as proxy:
        yield proxy


@asynccontextmanager
async def tls_client(
    authority: Authority, port: int, name: str | None = "a.example", context: ssl.SSLContext | None = None
) -> AsyncIterator[Peer]:
    """A client connected to `port`, which asks for a name and believes the authority."""
    peer = Peer(
        *await asyncio.open_connection("127.0.0.1", port, ssl=context or authority.client(), server_hostname=name or "")
    )
    try:
        yield peer
    finally:
        await peer.close()
