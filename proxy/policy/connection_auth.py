"""Logins that hold for a connection instead of a request: NTLM and Negotiate (RFC 4559 §6).

A connection on which such a login has begun must carry nobody else's requests: they would be that person's.
"""

import re
from collections.abc import Iterable
from typing import Final

from proxy.http1.message import RequestHead, ResponseHead

_SCHEMES: Final = frozenset({b"ntlm", b"negotiate"})
_QUOTED: Final = re.compile(rb'"(?:[^"\\]|\\.)*"')


def request_authenticates_connection(head: RequestHead) -> bool:
    """Whether a request carries such a login, or a step of one."""
    return any(_scheme(value) in _SCHEMES for value in head.known.get(b"authorization", ()))


def response_authenticates_connection(head: ResponseHead) -> bool:
    """Whether a 401 offers or continues such a login."""
    return any(scheme in _SCHEMES for scheme in _challenges(head))


def _challenges(head: ResponseHead) -> Iterable[bytes]:
    for name, value in head.fields:
        if name.lower() == b"www-authenticate":
            # A comma in a quoted parameter begins no challenge (RFC 9110 §11.6.1).
            yield from map(_scheme, _QUOTED.sub(b"", value).split(b","))


def _scheme(value: bytes) -> bytes:
    words = value.split(None, 1)
    return words[0].lower() if words else b""
