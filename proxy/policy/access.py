"""Who may use a route: by the client's network. What else is asked before a request goes on is described here, too.

The address is the client's as trusted peers state it. `deny` goes before `allow`: an address in both is refused. With
an `allow`, everybody else is refused; with a `deny` alone, everybody else is let in.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Network, IPv6Network, collapse_addresses

import msgspec

from proxy.errors import Forbidden
from proxy.policy.field_rules import FieldRules
from proxy.policy.forwarded import UNIX, Network, networks, parse_address
from proxy.policy.rate_limit import RateLimit


class NetworkSet:
    """A set of addresses, given as networks. Looking one up costs the logarithm of how many they are."""

    def __init__(self, cidrs: Iterable[str]) -> None:
        """Raises ValueError, which names the one that is no network."""
        self.networks = networks(cidrs)
        self._by_version = {4: _ranges(self.networks, IPv4Network), 6: _ranges(self.networks, IPv6Network)}

    def __contains__(self, address: str) -> bool:
        """Whether an address lies in one of the networks. "unix", as a Unix socket's peer is called, does where it is
        one of them; what else is no address does not."""
        if address == UNIX:
            return UNIX in self.networks
        parsed = parse_address(address)
        if parsed is None:
            return False
        firsts, lasts = self._by_version[parsed.version]
        place = bisect_right(firsts, int(parsed)) - 1
        return place >= 0 and int(parsed) <= lasts[place]


def _ranges(among: tuple[Network, ...], kind: type[IPv4Network] | type[IPv6Network]) -> tuple[list[int], list[int]]:
    """First and last addresses of the networks of one kind, sorted, without overlap."""
    kept = [network for network in among if isinstance(network, kind)]
    ranges = sorted((int(one[0]), int(one[-1])) for one in collapse_addresses(kept))  # type: ignore[type-var]  # all of one kind
    return [first for first, _ in ranges], [last for _, last in ranges]


class AuthService(msgspec.Struct, frozen=True):
    """Who is asked whether a request may go on: an upstream, at a target. `copied` are the fields of its answer that
    the request takes along, by lower-case name, as the configuration spells them; `rules` leave out what of the
    client's fields it is not told."""

    upstream: str
    target: bytes
    copied: Mapping[bytes, bytes]
    rules: FieldRules
    host_override: bytes = b""
    default_host: bytes = b""


class Access(msgspec.Struct, frozen=True):
    """What is asked before a request that matches a route is answered or goes on. None asks nothing."""

    allow: NetworkSet | None = None
    deny: NetworkSet | None = None
    basic_auth: str = ""  # the file of users and passwords; "": nobody is asked for one
    user_field: bytes = b""  # in which the service is told who it is; b"": in none
    auth_service: AuthService | None = None
    rate_limit: RateLimit | None = None


def check_network(access: Access, address: str) -> None:
    """Raises Forbidden where this address may not use the route."""
    if access.deny is not None and address in access.deny:
        raise Forbidden(f"{address} is in a network that the route denies")
    if access.allow is not None and address not in access.allow:
        raise Forbidden(f"{address} is in no network that the route allows")
