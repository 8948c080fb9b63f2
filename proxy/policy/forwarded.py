"""Whose word about the client is taken: trusted networks, and the client address behind them."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from proxy.http1.fields import members

Network = IPv4Network | IPv6Network


def networks(cidrs: Iterable[str]) -> tuple[Network, ...]:
    """Parse CIDR strings. Raises ValueError, which names the one that is none."""
    return tuple(ip_network(cidr) for cidr in cidrs)


def is_trusted(address: str, trusted: tuple[Network, ...]) -> bool:
    """Whether a peer address lies in a trusted network. What is no address (a Unix socket's peer) does not."""
    parsed = _parse(address)
    return parsed is not None and any(parsed in network for network in trusted)


def client_address(peer: str, forwarded_for: Iterable[bytes], trusted: tuple[Network, ...]) -> str:
    """The address of the client that a trusted peer speaks for.

    Walks `X-Forwarded-For` from the right, the end that our side wrote, past every trusted hop: the first address
    that nobody vouches for is the client. What lies left of it is its own claim.
    """
    address = peer
    for member in reversed(members(forwarded_for)):
        if not is_trusted(address, trusted):
            break
        hop = member.decode("ascii", "replace").strip('"[]')
        if _parse(hop) is None or "%" in hop:
            break  # a zone means nothing here, and may hold any text
        address = hop
    return address


def _parse(address: str) -> IPv4Address | IPv6Address | None:
    try:
        parsed = ip_address(address)
    except ValueError:
        return None
    mapped = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None
    return mapped or parsed
