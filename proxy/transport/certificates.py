"""What a certificate says: its names, and how long it is valid.

Asked of OpenSSL by a handshake with ourselves, in memory: `ssl` reads no certificate that it does not verify.
"""

import ssl
from typing import Any, Final, NamedTuple

_NO_CHECK_TIME: Final = 0x200000  # X509_V_FLAG_NO_CHECK_TIME: an expired one is read, too


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
