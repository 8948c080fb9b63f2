"""TLS towards services: how certificates are verified, and which name is asked for. `server_tls` is that towards
clients, `tls_stream` a connection over either."""

import ssl
from functools import lru_cache
from typing import Final

import msgspec

from proxy.transport.certificates import CertificateFault, FollowedFiles, load_pair, reason_of
from proxy.transport.regular_file import require_regular

#: As configurations write them.
VERSIONS: Final = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


class ClientTls(msgspec.Struct, frozen=True, kw_only=True):
    """How TLS is spoken to a server. Equal settings make connections of one kind, which a pool may share."""

    verify: bool = True
    ca: str = ""  # a PEM file of trusted CAs; "" is the system's
    server_name: str = ""  # asked for (SNI) and verified; "" is the host that is connected to
    certificate: str = ""  # a PEM file with our own, and its chain, for servers that ask for one
    key: str = ""  # a PEM file; "" where it stands in the one of `certificate`
    min_version: str = "1.2"  # one of VERSIONS


class ClientContext:
    """What OpenSSL needs to know, made anew where a file has changed. Raises CertificateFault."""

    def __init__(self, settings: ClientTls) -> None:
        systems = "" if settings.ca else ssl.get_default_verify_paths().cafile
        self._settings = settings
        self._files = FollowedFiles([settings.ca or systems or "", settings.certificate, settings.key])
        self.fault: CertificateFault | None = None  # of the last look that found a change
        self.context = _new_context(settings)

    def look_again(self) -> list[str]:
        """Read what has changed since the last look, for new connections. Returns the files.

        Raises CertificateFault, once for each change, where a file cannot be used: the old ones stay in use.
        """
        if changed := self._files.changed():
            self.fault = None
            try:
                self.context = _new_context(self._settings)
            except CertificateFault as exc:
                self.fault = exc
                raise
        return changed


@lru_cache(maxsize=256)
def client_context(settings: ClientTls) -> ClientContext:
    """The context for these settings, which a process makes once. Raises CertificateFault."""
    return ClientContext(settings)


def _new_context(settings: ClientTls) -> ssl.SSLContext:
    try:
        require_regular(settings.ca)
        context = ssl.create_default_context(cafile=settings.ca or None)
    except OSError as exc:
        raise CertificateFault(settings.ca, _ca_reason(exc)) from exc
    context.minimum_version = VERSIONS[settings.min_version]
    context.options |= ssl.OP_NO_RENEGOTIATION  # nothing in HTTP/1.1 needs it, and no deadline would watch it
    context.set_alpn_protocols(["http/1.1"])
    if not settings.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if settings.certificate:
        load_pair(context, settings.certificate, settings.key)
    return context


def _ca_reason(exc: OSError) -> str:
    return reason_of(exc) if not isinstance(exc, ssl.SSLError) else "no certificate in PEM"


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
