"""Files of certificates: whether they have changed, and what they say: names, and how long they are valid.

Asked of OpenSSL by a handshake with ourselves, in memory: `ssl` reads no certificate that it does not verify.
"""

import os
import ssl
from collections.abc import Iterable
from typing import Any, Final, NamedTuple, TypeAlias

from proxy.transport.regular_file import read_regular, require_regular

_NO_CHECK_TIME: Final = 0x200000  # X509_V_FLAG_NO_CHECK_TIME: an expired one is read, too


_Stamp: TypeAlias = tuple[int, int, int, int]


class CertificateFault(OSError):
    """A file cannot be used. `path` is that of the certificate, or of the trusted CAs."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


class FollowedFiles:
    """Files, and whether they have changed since they were looked at last: written, or another put in their place."""

    def __init__(self, paths: Iterable[str]) -> None:
        self._stamps = {path: _stamp(path) for path in paths if path}

    def changed(self) -> list[str]:
        """Those that have changed since the last call."""
        before, self._stamps = self._stamps, {path: _stamp(path) for path in self._stamps}
        return [path for path, stamp in self._stamps.items() if stamp != before[path]]


def load_pair(context: ssl.SSLContext, certificate: str, key: str) -> None:
    """Load a certificate and its key; "" where that stands in the same file. Raises CertificateFault."""
    is_encrypted = False

    def no_password() -> str:
        nonlocal is_encrypted
        is_encrypted = True
        return ""  # else OpenSSL would ask the terminal, and a worker would wait for it

    try:
        require_regular(certificate, key)
        context.load_cert_chain(certificate, key or None, password=no_password)
    except OSError as exc:
        reason = "its key is encrypted: onehop knows no password" if is_encrypted else reason_of(exc)
        if key and (fault := unreadable(key)) is not None and unreadable(certificate) is None:
            reason = f"its key {key}: {fault}"
        raise CertificateFault(certificate, reason) from exc


def unreadable(path: str) -> str | None:
    """Why a file cannot be read; None where it can."""
    try:
        read_regular(path, 1)
    except OSError as exc:
        return reason_of(exc)
    return None


def reason_of(exc: OSError) -> str:
    """Why a file cannot be used."""
    if isinstance(exc, ssl.SSLError):
        if exc.reason in (None, "PEM_LIB"):
            return "no certificate and key in PEM"
        return exc.reason.replace("_", " ").lower()
    return exc.strerror or str(exc)


def _stamp(path: str) -> _Stamp | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    # The time of the last change of its permissions, too: with others, a file may be readable that was not before.
    return found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_size


class Described(NamedTuple):
    """What a certificate says of itself."""

    path: str
    names: tuple[str, ...]  # of hosts, lower case; "*.example.com" stands for one label
    expires_at: float  # Unix time


def described(server: ssl.SSLContext, path: str) -> Described:
    """What the certificate in `server` says, which was loaded from `path`. Raises OSError."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.load_verify_locations(path)
    client.verify_flags = ssl.VerifyFlags(client.verify_flags | ssl.VERIFY_X509_PARTIAL_CHAIN | _NO_CHECK_TIME)
    found = _shown_to(client, server)
    subject: dict[str, str] = {name: value for part in found.get("subject", ()) for name, value in part}
    alternatives = [value for kind, value in found.get("subjectAltName", ()) if kind == "DNS"]
    names = alternatives or [subject[key] for key in ("commonName",) if key in subject]
    return Described(path, tuple(name.lower() for name in names), ssl.cert_time_to_seconds(found["notAfter"]))


def _shown_to(client: ssl.SSLContext, server: ssl.SSLContext) -> dict[str, Any]:
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    us = client.wrap_bio(to_client, to_server)
    them = server.wrap_bio(to_server, to_client, server_side=True)
    for side in (us, them, us):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    return dict(us.getpeercert() or {})
