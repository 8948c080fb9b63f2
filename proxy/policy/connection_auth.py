"""Logins that hold for a connection instead of a request: NTLM and Negotiate (RFC 4559 §6).

A connection on which such a login has begun must not carry requests of other clients: they would run with that login.
"""

import re
from typing import Final

from proxy.http1.message import RequestHead, ResponseHead

_SCHEMES: Final = frozenset({b"ntlm", b"negotiate"})
_CHALLENGE: Final = re.compile(rb"(?:^|,)[ \t]*+(?:ntlm|negotiate)(?![^\s,])", re.IGNORECASE)
_QUOTED: Final = re.compile(rb'"(?:[^"\\]|\\.)*"')


def request_authenticates_connection(head: RequestHead) -> bool:
    """Whether a request carries such a login, or a step of one."""
    return any(_scheme(value) in _SCHEMES for value in head.known.get(b"authorization", ()))


def response_authenticates_connection(head: ResponseHead) -> bool:
    """Whether a 401 offers or continues such a login."""
    return any(_offers(value) for name, value in head.fields if name.lower() == b"www-authenticate")


def _offers(challenges: bytes) -> bool:
    # Searched, not split: a list may hold tens of thousands of members. A comma in a quoted parameter begins no
    # challenge (RFC 9110 §11.6.1).
    return _CHALLENGE.search(challenges) is not None and _CHALLENGE.search(_QUOTED.sub(b"", challenges)) is not None


def _scheme(value: bytes) -> bytes:
    words = value.split(None, 1)
    return words[0].lower() if words else b""
