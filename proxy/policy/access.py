"""Who may use a route: by the client's network. The other checks of a route are described here, too.

The address is the client's as trusted peers state it. `deny` goes before `allow`: an address in both is refused. With
an `allow`, all other addresses are refused; with a `deny` alone, all others are accepted.
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
        """Raises ValueError, whose text names the one that is no network."""
        self.networks = networks(cidrs)
        self._by_version = {4: _ranges(self.networks, IPv4Network), 6: _ranges(self.networks, IPv6Network)}

    def __contains__(self, address: str) -> bool:
        """Whether an address lies in one of the networks. "unix", which stands for a peer on a Unix socket, does if it
        is one of them; any other text that is no address does not."""
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
    """The service that decides whether a request may go on: an upstream, and the target that it is asked at. `copied`
    are the fields of its answer that are added to the request: lower-case names, each with its spelling in the
    configuration. `rules` remove those of the client's fields that it is not sent."""

    upstream: str
    target: bytes
    copied: Mapping[bytes, bytes]
    rules: FieldRules
    host_override: bytes = b""
    default_host: bytes = b""


class Access(msgspec.Struct, frozen=True):
    """The checks of a route, made before its requests are answered or forwarded. One that is None is not made."""

    allow: NetworkSet | None = None
    deny: NetworkSet | None = None
    basic_auth: str = ""  # the file of users and passwords; "": no password is needed
    user_field: bytes = b""  # the field that tells the service the user's name; b"": none
    auth_service: AuthService | None = None
    rate_limit: RateLimit | None = None


def check_network(access: Access, address: str) -> None:
    """Raises Forbidden where this address may not use the route."""
    if access.deny is not None and address in access.deny:
        raise Forbidden(f"{address} is in a network that the route denies")
    if access.allow is not None and address not in access.allow:
        raise Forbidden(f"{address} is in no network that the route allows")
