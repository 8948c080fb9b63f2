"""Where an upstream connection leads, and whether by TLS: the key of the pool."""

import re
from functools import lru_cache
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from proxy.transport.tls import ClientTls

_HOST: Final = re.compile(r"[\w-]+(?:\.[\w-]+)*\.?|[0-9a-f:.]+")  # urlsplit has taken the brackets off IPv6
_FORM: Final = "http://HOST[:PORT], https://HOST[:PORT] or unix:/PATH"
_UNIX: Final = re.compile(r"unix:(?://)?(/.*)", re.DOTALL)
_PATH_BYTES: Final = 107  # of a socket's address on Linux, unix(7): the 108th is the NUL
_DEFAULT_TLS: Final = ClientTls()


class Origin(NamedTuple):
    """A service's host and port; `tls` where it is spoken; `address` where it is one of those that the host's name has.
    Connections to equal origins are alike."""

    host: str
    port: int
    tls: ClientTls | None = None
    address: str = ""  # TLS and `Host` go by the name all the same
    path: str = ""  # of a Unix socket, which has neither host nor port

    @property
    def authority(self) -> bytes:
        """host[:port] as `Host` says it: brackets round IPv6, no port where it is the scheme's own."""
        if self.path:
            return b"localhost"  # as nginx says, too: some host has to be named
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = 80 if self.tls is None else 443
        return (host if self.port == usual else f"{host}:{self.port}").encode("idna" if not host.isascii() else "ascii")

    @property
    def label(self) -> str:
        """host:port, or unix:/path, as logs and errors name it."""
        if self.path:
            return f"unix:{self.path}"
        return _label(self.host, self.port)

    def __str__(self) -> str:
        """The label, with the address where it is one of several that the name may have."""
        return f"{self.label} ({self.address})" if self.address else self.label


class Candidate(NamedTuple):
    """An origin as a service may choose it. No part of the pool's key: a weight that changes costs no connection."""

    origin: Origin
    weight: float = 1.0  # its share, relative to the others'; more than 0
    backup: bool = False  # used only while no other is usable


def origin_of(url: str, tls: ClientTls = _DEFAULT_TLS) -> Origin:
    """The origin that a URL names; `tls` is how an https one is spoken to. Raises ValueError, whose text says what was
    expected."""
    if url[:5].lower() == "unix:":
        return Origin("", 0, path=socket_path(url))
    try:
        parts = urlsplit(url)
    except ValueError as exc:  # brackets that hold no IPv6 address
        raise ValueError(_FORM) from exc
    if parts.scheme not in ("http", "https") or not parts.hostname or re.search(r"[\s\x00-\x1f]", url):
        raise ValueError(_FORM)
    if parts.username is not None or parts.query or parts.fragment or parts.path not in ("", "/"):
        raise ValueError(f"{_FORM} and no more: the client's target goes on untouched")
    if not _HOST.fullmatch(parts.hostname) or not is_encodable(parts.hostname):
        raise ValueError(f"a host name or an address in {_FORM}")
    try:
        port = parts.port
    except ValueError:  # no number, or too large a one
        port = 0
    if port == 0:
        raise ValueError(f"a port from 1 to 65535 in {_FORM}")
    secured = parts.scheme == "https"
    return Origin(parts.hostname, port or (443 if secured else 80), tls if secured else None)


def socket_path(text: str) -> str:
    """The path in "unix:/run/app.sock". Raises ValueError, whose text says what was expected."""
    found = _UNIX.fullmatch(text)
    if found is None or re.search(r"[\x00-\x1f\x7f]", text) or found[1].endswith("/"):
        raise ValueError("unix: and the absolute path of a socket, as in unix:/run/app.sock")
    if len(found[1].encode("utf-8", "surrogateescape")) > _PATH_BYTES:
        raise ValueError(f"a path of at most {_PATH_BYTES} bytes: the kernel takes no more of a socket's")
    return found[1]


def is_encodable(host: str) -> bool:
    """Whether the resolver will take a name: it raises, and not an OSError, where a label is empty or too long."""
    try:
        host.removesuffix(".").encode("idna")
    except UnicodeError:
        return False
    return True


@lru_cache(maxsize=1024)
def _label(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
