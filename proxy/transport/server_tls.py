"""TLS towards clients: certificates by name, followed as their files change, and sessions that any worker resumes.

Tickets are encrypted by a key that an `SSLContext` draws when it is made. So it is made in the parent, before the fork,
and for as long as the process lives: new certificates are loaded into the one that is there.
"""

import base64
import os
import ssl
from functools import lru_cache
from typing import Final, TypeAlias

import msgspec

from proxy.transport.certificates import Described, described
from proxy.transport.tls import VERSIONS

#: For TLS 1.2: forward secrecy and authenticated encryption, nothing else. Those of 1.3 are all such.
_CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"

_Stamp: TypeAlias = tuple[int, int, int]


class ServerTls(msgspec.Struct, frozen=True, kw_only=True):
    """How TLS is spoken to clients."""

    certificates: tuple[tuple[str, str], ...]  # PEM files: certificate with its chain, and key; "" where in the same
    min_version: str = "1.2"  # one of VERSIONS
    client_certificate: str = "off"  # "optional", "required"
    client_ca: str = ""  # a PEM file


class CertificateFault(OSError):
    """A file cannot be used. `path` is the one of the certificate, or of `client_ca`."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


class ServerContexts:
    """The contexts of one listener: one for each certificate. Raises CertificateFault."""

    def __init__(self, settings: ServerTls) -> None:
        self._settings = settings
        self._stamps = self._stamped()
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
        stamps = self._stamped()
        if stamps == self._stamps:
            return []
        before, self._stamps = self._stamps, stamps
        changed = [path for path in stamps if stamps[path] != before.get(path)]
        if self._settings.client_ca in changed:
            # Made anew, with other ticket keys: a session of somebody whom nobody vouches for any more must not resume.
            self._build()
            return changed
        found = [self._new_context(pair) for pair in self._settings.certificates]
        for index, (pair, (fresh, _)) in enumerate(zip(self._settings.certificates, found, strict=True)):
            try:
                self._contexts[index].load_cert_chain(*_files(pair))
            except OSError:  # changed again meanwhile, and is broken now: what was checked is used
                self._contexts[index] = fresh
        self._name([each for _, each in found])
        return changed

    def _build(self) -> None:
        found = [self._new_context(pair) for pair in self._settings.certificates]
        self._contexts = [context for context, _ in found]
        self._name([each for _, each in found])

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
        try:
            context.load_cert_chain(*_files(pair))
            found = described(context, pair[0])
        except OSError as exc:
            raise CertificateFault(pair[0], _reason(exc)) from exc
        if settings.client_certificate != "off":
            context.verify_mode = ssl.CERT_OPTIONAL if settings.client_certificate == "optional" else ssl.CERT_REQUIRED
            try:
                context.load_verify_locations(settings.client_ca)
            except OSError as exc:
                raise CertificateFault(settings.client_ca, _reason(exc)) from exc
        return context, found

    def _stamped(self) -> dict[str, _Stamp | None]:
        """Every file, and what changes when somebody writes it or puts another in its place."""
        files = [path for pair in self._settings.certificates for path in pair] + [self._settings.client_ca]
        return {path: _stamp(path) for path in files if path}


@lru_cache(maxsize=256)
def server_contexts(settings: ServerTls) -> ServerContexts:
    """The contexts for these settings, which a process makes once: workers inherit them from the parent, and so resume
    each other's sessions. Raises CertificateFault."""
    return ServerContexts(settings)


def client_certificate(tls: ssl.SSLObject) -> bytes:
    """The client's verified certificate as `Client-Cert` says it (RFC 9440 §2.2); empty where there is none."""
    found = tls.getpeercert(binary_form=True) if tls.context.verify_mode is not ssl.CERT_NONE else None
    return b":%b:" % base64.b64encode(found) if found else b""


def _files(pair: tuple[str, str]) -> tuple[str, str | None]:
    return pair[0], pair[1] or None


def _stamp(path: str) -> _Stamp | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size


def _reason(exc: OSError) -> str:
    if isinstance(exc, ssl.SSLError):
        if exc.reason is None or exc.reason == "PEM_LIB":
            return "no certificate and key in PEM"
        return exc.reason.replace("_", " ").lower()
    return exc.strerror or str(exc)
