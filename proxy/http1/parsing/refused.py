"""What is known of a request that was refused: only for the log, never for a decision.

Splits what arrived at its line ends, spaces and colons, and validates nothing.
"""

import re
from typing import Final, NamedTuple

from proxy.http1.fields import TOKEN, Fields
from proxy.http1.masking import MASK

_READ_BYTES: Final = 65_536
_LINES: Final = 128
_SCHEME: Final = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]{0,15}+://")
_AUTHORITY_END: Final = re.compile(rb"[/?#@]")  # with an @, it is masked where it is shown
_LONGEST_HOST: Final = 255
_PROXY_V2: Final = b"\r\n\r\n\0\r\nQUIT\n"


class RefusedHead(NamedTuple):
    """As much of a head as arrived, unchecked."""

    method: bytes
    target: bytes
    http_version: bytes
    fields: Fields


_NOTHING: Final = RefusedHead(b"", b"", b"", [])


def refused_head(arrived: bytes | bytearray) -> RefusedHead:
    """The parts of what arrived; all empty where it does not begin as a request line does."""
    start = bytes(arrived[:_READ_BYTES]).lstrip(b"\r\n")
    if not TOKEN.match(start):
        return _NOTHING
    lines = start.partition(b"\r\n\r\n")[0].split(b"\n", _LINES)[:_LINES]
    method, _, rest = lines[0].rstrip(b"\r").partition(b" ")
    target, found, version = rest.rpartition(b" HTTP/")
    if not found:
        target, version = _without_cut_authority(rest), b""
    fields: Fields = []
    for line in lines[1:]:
        name, colon, value = line.partition(b":")
        if colon and TOKEN.fullmatch(name):
            fields.append((name, value.strip(b" \t\r")))
    return RefusedHead(method, target, version, fields)


def _without_cut_authority(target: bytes) -> bytes:
    """An incomplete target as it may be logged. Where it was cut within an authority too long for a host, that may hold
    a password whose `@` has not arrived: it is masked."""
    scheme = _SCHEME.match(target)
    authority = target[scheme.end() if scheme else 0 :]
    if len(authority) <= _LONGEST_HOST or _AUTHORITY_END.search(authority):
        return target
    return target[: len(target) - len(authority)] + MASK.encode()


def other_protocol(arrived: bytes | bytearray) -> tuple[str, str] | None:
    """Error code and detail where the bytes begin another protocol that is often sent to the wrong port."""
    start = bytes(arrived[:16])
    if start[:2] == b"\x16\x03":  # a handshake record of SSL 3.0 to TLS 1.3 (RFC 8446 §5.1)
        return "tls_on_plain_listener", "a TLS hello on a plain HTTP listener"
    # The reader has skipped the two empty lines that version 2 begins with.
    if start.startswith((b"PROXY ", _PROXY_V2, _PROXY_V2[4:])):
        return "unexpected_proxy_header", "a PROXY protocol header on a listener that takes none"
    return None
