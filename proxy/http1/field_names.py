"""The fields that are special to this proxy, in one table: every set of names in the code derives from it.

Names are canonical here: lower case, `-` for `_` and `.`. CGI and WSGI services read `-` and `_` as one, PHP all three,
so what is removed for safety is removed in every spelling (`spellings`); what the RFCs define has only its own.
"""

import re
from collections.abc import Iterable
from enum import Flag, auto
from itertools import product
from typing import Final

from proxy.http1.remembered import Remembered


class Trait(Flag):
    """What is special about a field."""

    HOP_BY_HOP = auto()  # ends at this hop, nominated by `Connection` or not (RFC 9110 §7.6.1)
    FRAMING = auto()  # delimits the body: read from the received message, written anew for the forwarded one
    AUTHORITY = auto()  # names the host that the request is for: written anew as well
    CLIENT_IDENTITY = auto()  # says who the client is: an untrusted peer may have forged it
    STATED_ABOUT_CLIENT = auto()  # this proxy states it about the client: no received line of it goes on
    STATED_IN_REQUEST = auto()  # this proxy states it to upstreams
    STATED_IN_RESPONSE = auto()  # this proxy states it to clients
    NOT_IN_TRAILERS = auto()  # not allowed in a trailer section (RFC 9110 §6.5.1)
    SERVICE_VARIABLE = auto()  # spelled with `_`, a service may take it for a variable of its own (CGI, WSGI)
    #: Any other spelling is dropped, whoever sends it: a service that reads `_` as `-` would take it for this one.
    STANDARD_SPELLING_ONLY = auto()
    NEVER_FORWARDED = auto()  # dropped in every spelling, whoever sends it
    SECRET = auto()  # authenticates a person or a program: never logged, reflected or shown
    NOT_SECRET = auto()  # its name contains a word of secrets, but its value is none
    UNDERSTOOD = auto()  # this proxy acts on its value, so it is indexed; all others pass without being looked at


_HOP, _FRAMING, _AUTHORITY = Trait.HOP_BY_HOP, Trait.FRAMING, Trait.AUTHORITY
_CLIENT, _ABOUT = Trait.CLIENT_IDENTITY, Trait.STATED_ABOUT_CLIENT | Trait.STATED_IN_REQUEST
_TO_UPSTREAM, _TO_CLIENT = Trait.STATED_IN_REQUEST, Trait.STATED_IN_RESPONSE
_NO_TRAILER, _SECRET, _PUBLIC, _READ = Trait.NOT_IN_TRAILERS, Trait.SECRET, Trait.NOT_SECRET, Trait.UNDERSTOOD
_VARIABLE, _STANDARD, _NEVER = Trait.SERVICE_VARIABLE, Trait.STANDARD_SPELLING_ONLY, Trait.NEVER_FORWARDED

TRAITS: Final[dict[bytes, Trait]] = {
    b"connection": _HOP | _NO_TRAILER | _READ,
    b"keep-alive": _HOP | _READ,
    b"te": _HOP | _NO_TRAILER | _READ,
    b"trailer": _HOP | _NO_TRAILER | _READ,
    b"upgrade": _HOP | _READ,
    b"proxy-authenticate": _HOP | _PUBLIC,
    b"proxy-authorization": _HOP | _SECRET,
    b"proxy-connection": _HOP,  # never standard, still sent by old clients and by curl
    b"proxy-authentication-info": _HOP | _SECRET,  # added by RFC 9110 §11.7.3; most proxies forget it
    b"http2-settings": _HOP,  # belongs to the h2c upgrade (RFC 7540 §3.2.1), which is never forwarded
    b"transfer-encoding": _HOP | _FRAMING | _NO_TRAILER | _READ,
    b"content-length": _FRAMING | _NO_TRAILER | _READ,
    b"content-type": _NO_TRAILER | _STANDARD,
    b"host": _AUTHORITY | _NO_TRAILER | _READ,
    b"x-forwarded-for": _CLIENT | _ABOUT | _NO_TRAILER | _READ,
    b"x-forwarded-host": _CLIENT | _ABOUT | _NO_TRAILER | _READ,
    b"x-forwarded-proto": _CLIENT | _ABOUT | _NO_TRAILER | _READ,
    b"client-cert": _CLIENT | _TO_UPSTREAM | _NO_TRAILER,  # RFC 9440: stated by the hop that ends the client's TLS
    b"client-cert-chain": _CLIENT | _NO_TRAILER,
    b"x-request-id": _ABOUT | _NO_TRAILER | _READ,
    b"x-real-ip": _CLIENT | _NO_TRAILER,
    b"forwarded": _CLIENT | _TO_UPSTREAM | _NO_TRAILER | _READ,
    b"via": _TO_UPSTREAM | _TO_CLIENT | _NO_TRAILER | _READ,
    b"date": _TO_CLIENT | _NO_TRAILER | _READ,
    b"expect": _TO_UPSTREAM | _NO_TRAILER | _READ,
    b"max-forwards": _TO_UPSTREAM | _NO_TRAILER | _READ | _STANDARD,
    b"cdn-loop": _TO_UPSTREAM | _NO_TRAILER | _READ | _STANDARD,
    b"proxy": _NEVER | _NO_TRAILER,  # becomes HTTP_PROXY, which HTTP clients obey (CVE-2016-5385)
    b"authorization": _SECRET | _NO_TRAILER | _READ,
    b"traceparent": _READ,  # W3C Trace Context: passes untouched, and its trace id is logged
    b"cookie": _SECRET | _NO_TRAILER,
    b"set-cookie": _SECRET | _NO_TRAILER,
    b"x-api-key": _SECRET,
    b"x-auth-token": _SECRET,
    b"authentication-info": _SECRET | _NO_TRAILER,
    b"www-authenticate": _PUBLIC | _NO_TRAILER,
    b"access-control-allow-credentials": _PUBLIC,
    b"sec-websocket-key": _PUBLIC,
} | dict.fromkeys((
    # Content, caching, conditions and control data: read with the head, or not at all.
    b"content-encoding", b"content-range", b"content-location", b"cache-control", b"pragma", b"range",
    b"location", b"retry-after", b"age", b"expires", b"vary", b"warning",
    b"if-match", b"if-none-match", b"if-modified-since", b"if-unmodified-since", b"if-range",
), _NO_TRAILER) | dict.fromkeys((
    # CGI's variables (RFC 3875 §4.1), and its servers'. gunicorn, by default, reads SCRIPT_NAME and PATH_INFO from
    # fields that a proxy on the same host passes on: a client could choose another path than the one that was routed.
    b"auth-type", b"gateway-interface", b"path-info", b"path-translated", b"query-string",
    b"remote-addr", b"remote-host", b"remote-ident", b"remote-port", b"remote-user",
    b"request-method", b"request-scheme", b"request-uri", b"script-name", b"script-filename", b"script-url",
    b"server-addr", b"server-name", b"server-port", b"server-protocol", b"server-software",
    b"document-root", b"document-uri", b"orig-path-info", b"redirect-status", b"redirect-url", b"redirect-remote-user",
), _VARIABLE)  # fmt: skip

#: A field whose canonical name begins like this says who the client is, too: X-Forwarded-Port, -Prefix, -User, and
#: others that frameworks invent. A list of whole names would never be complete.
CLIENT_IDENTITY_PREFIX: Final = b"x-forwarded"

#: Words in the names of fields that hold secrets. A list of whole names would never be complete.
_SECRET_WORDS: Final = re.compile(rb"auth|token|secret|cookie|session|passw|credential|signature|jwt|assertion|key")


_MARKS: Final = (b"-", b"_", b".")
_CANONICAL: Final = bytes(range(256)).lower().translate(bytes.maketrans(b"_.", b"--"))


def canonical_name(name: bytes) -> bytes:
    """A name in lower case, with `-` for `_` and `.`: the same for all its spellings."""
    return name.translate(_CANONICAL)


def names(trait: Trait) -> frozenset[bytes]:
    """The names of all fields with a trait, or with one of several."""
    return frozenset(name for name, traits in TRAITS.items() if traits & trait)


def spellings(canonical_names: Iterable[bytes]) -> frozenset[bytes]:
    """Every mix of `-`, `_` and `.` in these names, so that one look-up with a lower-case name finds any."""
    return frozenset(
        b"".join(part + mark for part, mark in zip(parts, (*marks, b""), strict=True))
        for name in canonical_names
        for parts in [name.split(b"-")]
        for marks in product(_MARKS, repeat=len(parts) - 1)
    )


def is_secret(name: bytes) -> bool:
    """Whether a field of that name may hold a secret."""
    canonical = canonical_name(name)
    traits = TRAITS.get(canonical, Trait(0))
    if traits & Trait.NOT_SECRET:
        return False
    return bool(traits & Trait.SECRET) or _SECRET_WORDS.search(canonical) is not None


#: The same as a cache: peers use few names.
HOLDS_SECRET: Final = Remembered(is_secret, 1024)


def impostors() -> frozenset[bytes]:
    """The names that are dropped from every peer, trusted or not: `Proxy`, and other spellings of names that have a
    meaning for this hop or say who the client is. A trusted gateway sets the standard spelling; any other one that it
    sends comes from its client, and a service that reads `_` as `-` would take `Proxy_Authorization` for the field that
    ends here, or `Content_Length` for the one that delimits the body."""
    alone = names(Trait.HOP_BY_HOP | Trait.FRAMING | Trait.CLIENT_IDENTITY | Trait.STANDARD_SPELLING_ONLY)
    return (spellings(alone) - alone) | names(Trait.NEVER_FORWARDED)


def has_standard_spelling(name: bytes) -> bool:
    """Whether a name has no `_` or `.`, which some services read as `-`."""
    return b"_" not in name and b"." not in name


def variables() -> frozenset[bytes]:
    """The spellings that a service may take for variables of its own, and that no honest client sends. With hyphens
    only they are ordinary fields: they arrive as HTTP_*."""
    return frozenset(
        name for name in spellings(names(Trait.SERVICE_VARIABLE)) if not has_standard_spelling(name) or b"-" not in name
    )
