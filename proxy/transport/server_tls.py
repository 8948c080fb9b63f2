"""TLS towards clients: certificates by name, followed as their files change, and sessions that any worker resumes.

Workers resume each other's sessions because they inherit the keys of tickets from the parent; see `ticket_keys`.
"""

import base64
import hashlib
import ssl
import time
from functools import lru_cache
from typing import Final

import msgspec

from proxy.transport.certificates import CertificateFault, Described, FollowedFiles, described, load_pair, reason_of
from proxy.transport.regular_file import read_regular, require_regular
from proxy.transport.ticket_keys import TicketKeys, set_ticket_keys
from proxy.transport.tls import VERSIONS

#: For TLS 1.2: forward secrecy and authenticated encryption, nothing else. Those of 1.3 are all such.
_CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"


class ServerTls(msgspec.Struct, frozen=True, kw_only=True):
    """How TLS is spoken to clients."""

    certificates: tuple[tuple[str, str], ...]  # PEM files: certificate with its chain, and key; "" where in the same
    min_version: str = "1.2"  # one of VERSIONS
    client_certificate: str = "off"  # "optional", "required"
    client_ca: str = ""  # a PEM file


class ServerContexts:
    """The contexts of one listener: one for each certificate. Raises CertificateFault."""

    def __init__(self, settings: ServerTls, now: float) -> None:
        """`now`, here and below, is the monotonic clock's, which all processes of a machine share."""
        self.fault: CertificateFault | None = None  # of the last look that found a change
        self._settings = settings
        self._files = FollowedFiles([*(path for pair in settings.certificates for path in pair), settings.client_ca])
        self._keys = TicketKeys(now)
        self._about_signers = b""
        self._contexts: list[ssl.SSLContext] = []
        self._by_name: dict[str, ssl.SSLContext] = {}
        self.certificates: list[Described] = []
        self._build()

    @property
    def context(self) -> ssl.SSLContext:
        """The context with which a handshake begins."""
        return self._contexts[0]

    def look_again(self) -> list[str]:
        """Load what has changed since the last look; connections that are open go on as they are. Returns the files.

        Raises CertificateFault, once for each change, where a file cannot be used: the old ones stay in use.
        """
        if changed := self._files.changed():
            self._build()
        return changed

    def renew_ticket_keys(self, now: float) -> None:
        """Set those of this time, if they are others than before."""
        if self._keys.advance(now):
            self._set_ticket_keys(self._contexts)

    def _build(self) -> None:
        """Make all contexts anew: one into which another kind of key is loaded would keep the old certificate, too."""
        self.fault = None
        try:
            found = [self._new_context(pair) for pair in self._settings.certificates]
            self._about_signers = self._digest_of_signers()
        except CertificateFault as exc:
            self.fault = exc
            raise
        self._contexts = [context for context, _ in found]
        self._set_ticket_keys(self._contexts)
        self._name([each for _, each in found])

    def _digest_of_signers(self) -> bytes:
        """What tickets depend on: a session whose client certificate is trusted no more must not resume."""
        signers = self._settings.client_ca
        try:
            return hashlib.sha256(read_regular(signers)).digest() if signers else b""
        except OSError as exc:
            raise CertificateFault(signers, reason_of(exc)) from exc

    def _set_ticket_keys(self, contexts: list[ssl.SSLContext]) -> None:
        for context in contexts:
            set_ticket_keys(context, self._keys.keys(self._about_signers))

    def _name(self, certificates: list[Described]) -> None:
        """Say which context a client gets for which name."""
        self.certificates = certificates
        self._by_name = {}
        for context, each in zip(self._contexts, certificates, strict=True):
            for name in each.names:
                self._by_name.setdefault(name, context)
        self._contexts[0].sni_callback = self._choose if len(self._contexts) > 1 else None

    def _choose(self, tls: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        if name is not None:
            asked = name.lower().removesuffix(".")
            found = self._by_name.get(asked) or self._by_name.get("*." + asked.partition(".")[2])
            if found is not None:
                tls.context = found

    def _new_context(self, pair: tuple[str, str]) -> tuple[ssl.SSLContext, Described]:
        settings = self._settings
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = VERSIONS[settings.min_version]
        context.set_ciphers(_CIPHERS)
        context.set_alpn_protocols(["http/1.1"])
        context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
        load_pair(context, *pair)
        try:
            found = described(context, pair[0])
        except OSError as exc:
            raise CertificateFault(pair[0], reason_of(exc)) from exc
        if settings.client_certificate != "off":
            context.verify_mode = ssl.CERT_OPTIONAL if settings.client_certificate == "optional" else ssl.CERT_REQUIRED
            try:
                require_regular(settings.client_ca)
                context.load_verify_locations(settings.client_ca)
            except OSError as exc:
                raise CertificateFault(settings.client_ca, reason_of(exc)) from exc
        return context, found


@lru_cache(maxsize=256)
def server_contexts(settings: ServerTls) -> ServerContexts:
    """The contexts for these settings, which a process makes once: workers inherit them from the parent, and so resume
    each other's sessions. Raises CertificateFault."""
    return ServerContexts(settings, time.monotonic())


def client_certificate(tls: ssl.SSLObject) -> bytes:
    """The client's verified certificate as `Client-Cert` says it (RFC 9440 §2.2); empty where there is none."""
    found = tls.getpeercert(binary_form=True) if tls.context.verify_mode is not ssl.CERT_NONE else None
    return b":%b:" % base64.b64encode(found) if found else b""
