"""TLS towards servers: how certificates are verified, and which name is asked for. See also `tls_stream`."""

import ssl
from functools import lru_cache
from typing import Final

import msgspec

#: As configurations write them.
VERSIONS: Final = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


class ClientTls(msgspec.Struct, frozen=True, kw_only=True):
    """How TLS is spoken to a server. Equal settings make connections of one kind, which a pool may share."""

    verify: bool = True
    ca: str = ""  # a PEM file of those who may sign; "" is the system's
    server_name: str = ""  # asked for (SNI) and verified; "" is the host that is connected to
    certificate: str = ""  # a PEM file with our own, and its chain, for servers that ask for one
    key: str = ""  # a PEM file; "" where it stands in the one of `certificate`
    min_version: str = "1.2"  # one of VERSIONS


@lru_cache(maxsize=256)
def client_context(settings: ClientTls) -> ssl.SSLContext:
    """What OpenSSL needs to know. Raises OSError where a file cannot be read, or holds no such thing."""
    context = ssl.create_default_context(cafile=settings.ca or None)
    context.minimum_version = VERSIONS[settings.min_version]
    context.options |= ssl.OP_NO_RENEGOTIATION  # nothing in HTTP/1.1 needs it, and no deadline would watch it
    context.set_alpn_protocols(["http/1.1"])
    if not settings.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if settings.certificate:
        context.load_cert_chain(settings.certificate, settings.key or None)
    return context


def tls_code(error: ssl.SSLError) -> str:
    """Which of RFC 9209's types a failure is (§2.3.20 to 2.3.22)."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return "tls_certificate_error"
    return "tls_alert_received" if "ALERT" in (error.reason or "") else "tls_protocol_error"


def tls_reason(error: ssl.SSLError) -> str:
    """What OpenSSL says of a failure, for the log."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message.rstrip(".")
    reason = (error.reason or "TLS failed").replace("_", " ").lower()
    return f"{reason} (does it speak plain HTTP?)" if error.reason == "WRONG_VERSION_NUMBER" else reason
