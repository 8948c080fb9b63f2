"""The PROXY header with which a balancer says who its client is (HAProxy's proxy-protocol.txt, versions 1 and 2).

Pure: bytes in, an address out. Every length is bounded, and what is not exactly a header is refused: behind one that
two readers read in two ways, a client's bytes would be taken for the balancer's.
"""

import re
import socket
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final, NamedTuple

_SIGNATURE: Final = b"\r\n\r\n\0\r\nQUIT\n"
_V1_BYTES: Final = 107  # the longest line, its end included (§2.1)
_V2_HEAD_BYTES: Final = 16
_V2_MORE_BYTES: Final = 4096  # addresses and TLVs; balancers send some hundred at most
_V1: Final = re.compile(
    rb"PROXY (?:(TCP4) ([0-9.]{7,15}) ([0-9.]{7,15})|(TCP6) ([0-9A-Fa-f:.]{2,39}) ([0-9A-Fa-f:.]{2,39}))"
    rb" (0|[1-9][0-9]{0,4}) (0|[1-9][0-9]{0,4})\r\n"
)
_V1_UNKNOWN: Final = re.compile(rb"PROXY UNKNOWN(?: [ -~]*)?\r\n")
_LOCAL, _PROXY = 0x0, 0x1
#: Address family and protocol (§2.2): how long its addresses are, and the family.
_ADDRESSES: Final = {0x11: (12, socket.AF_INET), 0x21: (36, socket.AF_INET6)}
_OTHERS: Final = {0x00: 0, 0x12: 12, 0x22: 36, 0x31: 216, 0x32: 216}  # unspecified, datagrams, Unix sockets


class NoProxyHeader(Exception):
    """The connection does not begin with a PROXY header; the text says what is wrong."""


class ProxyHeader(NamedTuple):
    """A header, and how many bytes it took. `address` is the client's; None where the balancer speaks for itself (its
    health checks), or does not know it."""

    address: str | None
    length: int


def proxy_header(data: bytes) -> ProxyHeader | None:
    """The header at the beginning of `data`; None where more of it is to come. Raises NoProxyHeader."""
    if data[: len(_SIGNATURE)] == _SIGNATURE[: len(data)]:
        return _version_2(data)
    if data[:6] == b"PROXY "[: len(data)]:
        return _version_1(data)
    raise NoProxyHeader("the connection begins with no PROXY header")


def _version_1(data: bytes) -> ProxyHeader | None:
    end = data.find(b"\r\n", 0, _V1_BYTES)
    if end < 0:
        if len(data) >= _V1_BYTES:
            raise NoProxyHeader(f"a PROXY header of more than {_V1_BYTES} bytes")
        return None
    line = data[: end + 2]
    if _V1_UNKNOWN.fullmatch(line):
        return ProxyHeader(None, len(line))
    found = _V1.fullmatch(line)
    if found is None or int(found[7]) > 65_535 or int(found[8]) > 65_535:
        raise NoProxyHeader("a PROXY header of version 1 that is malformed")
    source, target = (found[2], found[3]) if found[1] else (found[5], found[6])
    try:
        address, _ = ip_address(source.decode("ascii")), ip_address(target.decode("ascii"))
    except ValueError as exc:
        raise NoProxyHeader("a PROXY header of version 1 with an invalid address") from exc
    if address.version != (4 if found[1] else 6):
        raise NoProxyHeader("a PROXY header of version 1 with an address of another family")
    return ProxyHeader(str(_unmapped(address)), len(line))


def _version_2(data: bytes) -> ProxyHeader | None:
    if len(data) < _V2_HEAD_BYTES:
        return None
    version, command = data[12] >> 4, data[12] & 0xF
    if version != 2 or command not in (_LOCAL, _PROXY):
        raise NoProxyHeader("a PROXY header of an unknown version or command")
    more = int.from_bytes(data[14:16], "big")
    if more > _V2_MORE_BYTES:
        raise NoProxyHeader(f"a PROXY header of more than {_V2_MORE_BYTES} bytes")
    length = _V2_HEAD_BYTES + more
    if len(data) < length:
        return None
    if command == _LOCAL:
        return ProxyHeader(None, length)  # whatever it says of addresses (§2.2)
    size, family = _ADDRESSES.get(data[13], (None, None))
    needed = size if size is not None else _OTHERS.get(data[13])
    if needed is None or more < needed:
        raise NoProxyHeader("a PROXY header of version 2 that is malformed")
    if family is None:
        return ProxyHeader(None, length)
    source = data[_V2_HEAD_BYTES:][: 4 if family == socket.AF_INET else 16]
    return ProxyHeader(str(_unmapped(ip_address(source))), length)


def _unmapped(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """A balancer that listens on `[::]` may state an IPv4 client within IPv6, which is the same client."""
    return (address.ipv4_mapped if isinstance(address, IPv6Address) else None) or address
