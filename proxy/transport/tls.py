"""TLS towards servers: how certificates are verified, and which name is asked for. See also `tls_stream`."""

import ssl
from functools import lru_cache

import msgspec


class ClientTls(msgspec.Struct, frozen=True, kw_only=True):
    """How TLS is spoken to a server. Equal settings make connections of one kind, which a pool may share."""

    verify: bool = True
    ca: str = ""  # a PEM file of those who may sign; "" is the system's
    server_name: str = ""  # asked for (SNI) and verified; "" is the host that is connected to
    certificate: str = ""  # a PEM file with our own, and its chain, for servers that ask for one
    key: str = ""  # a PEM file; "" where it stands in the one of `certificate`


@lru_cache(maxsize=256)
def client_context(settings: ClientTls) -> ssl.SSLContext:
    """What OpenSSL needs to know, for TLS 1.2 or later. Raises OSError where a file cannot be read, or holds no such
    thing."""
    context = ssl.create_default_context(cafile=settings.ca or None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if not settings.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if settings.certificate:
        context.load_cert_chain(settings.certificate, settings.key or None)
    return context
