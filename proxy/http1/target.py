"""The request target in its four forms (RFC 9112 §3.2), and the authority that routing goes by."""

import re
from ipaddress import IPv6Address
from typing import Final

from proxy.errors import ProtocolError
from proxy.http1.message import RequestHead, RequestTarget
from proxy.http1.remembered import Remembered

_AUTHORITY: Final = re.compile(
    # No possessive group: on CPython 3.11.0 to 3.11.4 one takes a malformed `%` for a match (gh-106052).
    rb"(?:(?:[A-Za-z0-9._~!$&'()*+;=-]++|%[0-9A-Fa-f]{2})+"  # a name or an IPv4 address
    rb"|\[(?:([0-9A-Fa-f:.]++)|[vV][0-9A-Fa-f]++\.[A-Za-z0-9._~!$&'()*+;=:-]++)\])"  # IPv6 address, IPvFuture
    rb"(?::([0-9]{0,5}))?"
)
_ABSOLUTE: Final = re.compile(rb"(?i:(https?)://)([^/?#]*)(/[^?#]*)?(\?[^#]*)?")

_HIGHEST_PORT: Final = 65_535
_HASH: Final = ord("#")  # a number: CPython looks for one byte of a bytes object seven times faster by that


def has_authority_form(text: bytes) -> bool:
    """Whether this is host[:port] of an http URI (RFC 3986 §3.2.2). With userinfo it is none: that has no
    meaning in http and hides the real host (RFC 9110 §4.2.4)."""
    authority = _AUTHORITY.fullmatch(text)
    if authority is None or int(authority[2] or 0) > _HIGHEST_PORT:
        return False
    if authority[1] is not None:
        try:
            IPv6Address(authority[1].decode("ascii"))
        except ValueError:
            return False
    return True


#: The same as a cache: a service has few names.
IS_AUTHORITY: Final = Remembered(has_authority_form, 256)


def request_target(head: RequestHead) -> RequestTarget:
    """Read target and Host together: an absolute-form target wins over Host (RFC 9112 §3.2.2).

    Raises ProtocolError (400, and 405 for CONNECT, which a reverse proxy does not support).
    """
    method, target = head.method, head.target
    if method == b"CONNECT":
        raise ProtocolError("CONNECT is not supported", status=405, code="method_not_allowed")
    hosts = head.known.get(b"host")
    authority = hosts[0] if hosts else b""
    if target[:1] == b"/":
        if _HASH in target:
            # Forwarded, one parser would cut it off and the next would not (CVE-2021-32779).
            raise ProtocolError("fragment in the request target")
        return RequestTarget(target, authority)
    if target == b"*":
        if method != b"OPTIONS":
            raise ProtocolError("* is a target for OPTIONS only")
        return RequestTarget(target, authority)
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is None or not IS_AUTHORITY[absolute[2]]:
        raise ProtocolError("invalid request target")
    path, query = absolute[3] or b"", absolute[4] or b""
    if not path:
        # RFC 9112 §3.2.4: OPTIONS without a path asks about the server as a whole.
        path = b"*" if method == b"OPTIONS" and not query else b"/"
    return RequestTarget(path + query, absolute[2], absolute[1].lower() == b"https")


def host_of(authority: bytes) -> bytes:
    """The host of host[:port], lower-case, without the root's dot."""
    host = authority.lower()
    if host[-1:] != b"]":
        name, colon, port = host.rpartition(b":")
        if colon and (port.isdigit() or not port):
            host = name
    return host.removesuffix(b".")
