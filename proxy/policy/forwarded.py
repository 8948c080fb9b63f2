"""Who the client is: trusted networks, the address behind them, and the fields that say so."""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from itertools import islice
from typing import Final, NamedTuple

from proxy.http1.field_names import Trait, has_standard_spelling, impostors, names, spellings, variables
from proxy.http1.fields import X_FORWARDED_NAMES, Index
from proxy.http1.message import Value

Network = IPv4Network | IPv6Network | str  # the text is UNIX

_MAPPED: Final = IPv6Network("::ffff:0:0/96")  # RFC 4291 §2.5.5.2
_MOST_HOPS: Final = 32
_LONGEST: Final = 45  # characters of an address without a zone: what is remembered is bounded
_ABSENT: Final = (b"",)
#: Printable, and without characters that would end a column or a quoted text in a log.
_REQUEST_ID: Final = re.compile(rb"[!#-&(-\[\]-~]{1,128}")
_SCHEME: Final = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]{0,31}")  # RFC 3986 §3.1

#: Fields that say who the client is. An untrusted peer may have forged them.
CLIENT_IDENTITY: Final = spellings(names(Trait.CLIENT_IDENTITY))
#: Fields that this proxy states about the client itself: received lines of them do not go on.
STATED_ABOUT_CLIENT: Final = spellings(names(Trait.STATED_ABOUT_CLIENT))
#: Fields that a service may take for variables of its own.
SERVICE_VARIABLES: Final = variables()
#: Fields that are dropped from every peer, trusted or not.
IMPOSTORS: Final = impostors()
_NO_NAMES: Final[frozenset[bytes]] = frozenset()

#: The address of a client on a Unix socket, which has none, in the log and in lists of networks.
UNIX: Final = "unix"


class ClientIdentity(Value):
    """Who is at the other end of a client's connection.

    `trusted`: it is in a trusted network, and what it says about the client behind it is believed. `listener` is the
    name of the one it came by, empty for those of `listen`; `https_port` the one to which that listener redirects, for
    routes that are not its own, 0: it does not; `certificate` its verified certificate, in the form of `Client-Cert`.
    """

    __slots__ = ("address", "certificate", "https_port", "listener", "scheme", "trusted")

    def __init__(
        self, address: bytes, trusted: bool = False, scheme: bytes = b"http", listener: str = "", https_port: int = 0,
        certificate: bytes = b"",
    ) -> None:  # fmt: skip
        self.address: Final = address
        self.trusted: Final = trusted
        self.scheme: Final = scheme
        self.listener: Final = listener
        self.https_port: Final = https_port
        self.certificate: Final = certificate

    def content(self) -> tuple[object, ...]:
        return self.address, self.trusted, self.scheme, self.listener, self.https_port, self.certificate


def networks(cidrs: Iterable[str]) -> tuple[Network, ...]:
    """Parse CIDR strings, and "unix". Raises ValueError, whose text names the one that is neither."""
    return tuple(UNIX if cidr == UNIX else _plain_network(ip_network(cidr)) for cidr in cidrs)


def _plain_network(network: IPv4Network | IPv6Network) -> IPv4Network | IPv6Network:
    """A network of IPv4 addresses written as IPv6 (`::ffff:10.0.0.0/104`) as one of IPv4: addresses are compared in
    that form, and a `deny` would match nobody."""
    if isinstance(network, IPv6Network) and network.subnet_of(_MAPPED):
        first = network.network_address.ipv4_mapped
        return ip_network(f"{first}/{network.prefixlen - 96}")
    return network


def is_trusted(address: str, trusted: tuple[Network, ...]) -> bool:
    """Whether a peer address lies in a trusted network. A Unix socket's peer, which has none, does where "unix" is
    one."""
    return trusting_network(address, trusted) is not None


def trusting_network(address: str, trusted: tuple[Network, ...]) -> Network | None:
    """The trusted network in which a peer address lies, if any."""
    if address == UNIX:
        return UNIX if UNIX in trusted else None
    parsed = parse_address(address)
    if parsed is None:
        return None
    return next((network for network in trusted if not isinstance(network, str) and parsed in network), None)


def plain_address(address: str) -> str:
    """A peer's address as it is shown and compared. A listener on `[::]` sees IPv4 clients as `::ffff:192.0.2.1`."""
    return address[7:] if address[:7].lower() == "::ffff:" and "." in address else address


def is_from_this_machine(peer: str, listener: str, known: Index) -> bool:
    """Whether a request comes from a program on this machine, and on its own behalf: it names no client behind it."""
    is_local = peer in ("::1", listener) or peer.startswith("127.")
    return is_local and X_FORWARDED_NAMES not in known and b"forwarded" not in known


def trusted_request_id(known: Index, options: frozenset[bytes]) -> bytes:
    """The request id that a trusted peer gave, where it is fit to go on and to be logged; else empty."""
    given = known.get(b"x-request-id", _ABSENT)[0] if b"x-request-id" not in options else b""
    return given if _REQUEST_ID.fullmatch(given) else b""


def trusted_scheme(known: Index, options: frozenset[bytes]) -> bytes:
    """The scheme that a trusted peer says the client used; empty where it says none. Of a list, which several gateways
    make, the first is the client's."""
    if b"x-forwarded-proto" in options:
        return b""
    given = known.get(b"x-forwarded-proto", _ABSENT)[0].partition(b",")[0].strip(b" \t")
    return given if _SCHEME.fullmatch(given) else b""


class Hop(NamedTuple):
    """An address on the way from the client, and why what it says about the address before it is believed or not."""

    address: str
    element: int  # of X-Forwarded-For, counted from its right end; 0: the peer itself
    why: str


def client_address(
    peer: str, forwarded_for: Sequence[bytes], trusted: tuple[Network, ...], walk: list[Hop] | None = None
) -> str:
    """The address of the client that a trusted peer speaks for.

    Walks `X-Forwarded-For` from the right, the end that our side wrote, past every trusted hop: the first address
    that is not trusted is the client. Everything to its left is only what that client claims. The walk ends at the
    32nd hop: so long a chain of trusted gateways is a forgery by one of them, and it is named. With `walk`, each hop is
    recorded in it, the client last.
    """
    address, element, why = peer, 0, "no element before it is read"
    for member in islice(_from_the_right(forwarded_for), _MOST_HOPS):
        network = trusting_network(address, trusted)
        if network is None:
            why = "in no trusted network: what it says about others is ignored"
            break
        hop = _address_of(member)
        if hop is None:
            why = "the element before it is no address"
            break
        if walk is not None:
            walk.append(Hop(address, element, f"in trusted network {network}: the element before it is believed"))
        address, element = hop, element + 1
    if walk is not None:
        walk.append(Hop(address, element, why))
    return address


def _from_the_right(values: Sequence[bytes]) -> Iterator[bytes]:
    """The last members of a list, the rightmost first: so many of each line as may be walked, and no others."""
    for value in reversed(values):
        for part in reversed(value.rsplit(b",", _MOST_HOPS)[-_MOST_HOPS:]):
            if member := part.strip(b" \t"):
                yield member


_WITH_PORT: Final = re.compile(rb"\[([0-9A-Fa-f:.]+)\](?::[0-9]{1,5})?|([0-9.]+):[0-9]{1,5}")


def _address_of(member: bytes) -> str | None:
    """The address that a member of X-Forwarded-For names, or None: Azure's gateways add a port, RFC 7239's form has
    quotes and brackets. A zone means nothing here, and may hold any text."""
    if len(member) > 1 and member[:1] == member[-1:] == b'"':
        member = member[1:-1]
    if (found := _WITH_PORT.fullmatch(member)) is not None:
        member = found[1] or found[2]
    address = member.decode("ascii", "replace")
    return None if "%" in address or parse_address(address) is None else plain_address(address)


def parse_address(address: str) -> IPv4Address | IPv6Address | None:
    """An address as it is compared, IPv4 within IPv6 as IPv4; None where the text is none."""
    return _remembered(address) if len(address) <= _LONGEST else _parsed(address)


def _parsed(address: str) -> IPv4Address | IPv6Address | None:
    try:
        parsed = ip_address(address)
    except ValueError:
        return None
    mapped = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None
    return mapped or parsed


#: Gateways are few, and a client asks more than once: `ipaddress` takes ten times as long as looking it up.
_remembered = lru_cache(1024)(_parsed)


def forged_names(known: Index, *, trusted: bool) -> frozenset[bytes]:
    """The lower-case names that begin with X-Forwarded and must not go on: from an untrusted peer all; from a trusted
    one those with `_` or `.`. A gateway sets none of these, but may pass on those of its client, which a service would
    take for the gateway's (CVE-2025-64484)."""
    claims = known.get(X_FORWARDED_NAMES)
    if claims is None:
        return _NO_NAMES
    return frozenset([name for name in claims if not has_standard_spelling(name)] if trusted else claims)
