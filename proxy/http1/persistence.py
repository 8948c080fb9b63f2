"""Whether a connection stays open after a message (RFC 9112 §9.3, and the HTTP/1.0 defaults of RFC 9112 C.2.2)."""

import re
from collections.abc import Collection
from typing import Final

from proxy.http1.fields import members, short_list
from proxy.http1.message import KeepAlive


def persists(http_version: bytes, connection_options: Collection[bytes]) -> bool:
    """Apply the branches of RFC 9112 §9.3 in its order. Options are lower-case tokens."""
    if b"close" in connection_options:
        return False
    if http_version >= b"1.1":
        return True
    return b"keep-alive" in connection_options


_PARAMETER: Final = re.compile(rb"(timeout|max)[ \t]*=[ \t]*\"?([0-9]{1,9})(?:\.[0-9]*+)?\"?", re.IGNORECASE)


def keep_alive(values: list[bytes]) -> KeepAlive:
    """Read `Keep-Alive: timeout=5, max=100`. Other parameters are ignored, and so is a field of over a kilobyte."""
    found: dict[bytes, int] = {}
    for member in members(short_list(values)):
        if parameter := _PARAMETER.fullmatch(member):
            name, number = parameter[1].lower(), int(parameter[2])
            found[name] = min(number, found.get(name, number))  # given twice, the smaller is the safer
    return KeepAlive(found.get(b"timeout"), found.get(b"max"))
