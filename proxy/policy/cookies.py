"""Cookies that this proxy reads and sets itself (RFC 6265). All others pass untouched."""

from proxy.http1.fields import FieldLine
from proxy.http1.message import RequestHead


def request_cookie(head: RequestHead, name: bytes) -> bytes | None:
    """The value of the first cookie of this name, without quotes; None where there is none (RFC 6265 §4.2.1)."""
    for field, value in head.fields:
        if len(field) == 6 and field.lower() == b"cookie" and name in value:
            for pair in value.split(b";"):
                found, equals, text = pair.partition(b"=")
                if equals and found.strip(b" \t") == name:
                    return text.strip(b' \t"')
    return None


def session_cookie(name: bytes, value: bytes, *, secured: bool) -> FieldLine:
    """The field line that sets a cookie for the browser's session: hidden from scripts (HttpOnly), sent from other
    sites only when a link is followed (SameSite=Lax), and, where `secured`, over TLS only."""
    attributes = b"; Path=/; HttpOnly; SameSite=Lax" + (b"; Secure" if secured else b"")
    return b"Set-Cookie", name + b"=" + value + attributes
