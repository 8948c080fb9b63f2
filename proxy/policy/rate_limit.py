"""How often a client may use a route: a bucket of tokens for each, kept as one number (GCRA, ITU-T I.371).

The number is the time at which the bucket is full again. Each request moves it later by the time in which one token is
added; where it would then be further away than a whole bucket takes, the request is refused.
"""

from typing import Final

import msgspec

from proxy.http1.message import RequestHead
from proxy.policy.forwarded import parse_address

SECOND: Final = 1_000_000_000  # times are nanoseconds: whole numbers, which shared memory can hold
_IPV6_BITS: Final = 64  # a subscriber's: within it, a client may have as many addresses as it likes (RFC 6177)


class RateLimit(msgspec.Struct, frozen=True):
    """How many requests one client may send. `header` is the lower-case name of the field that tells clients apart;
    empty: the address does."""

    route: bytes  # whose buckets these are
    interval_ns: int  # in which one token is added
    burst: int  # tokens of a full bucket, at least 1
    header: bytes = b""
    dry_run: bool = False

    def key(self, head: RequestHead, address: str) -> bytes:
        """Whose bucket a request takes its token from."""
        if self.header:
            values = [value for name, value in head.fields if name.lower() == self.header and value]
            if values:
                return b"%b\0h%b" % (self.route, b",".join(values))
        return b"%b\0a%b" % (self.route, client_key(address))


#: The limit on one client's wrong passwords: twenty at once, then ten a minute.
WRONG_PASSWORDS: Final = RateLimit(b"\0wrong passwords", 6 * SECOND, 20)


def client_key(address: str) -> bytes:
    """What identifies one client: its address; of IPv6, the first 64 bits."""
    parsed = parse_address(address)
    if parsed is None:
        return address.encode()
    return parsed.packed[: _IPV6_BITS // 8] if parsed.version == 6 else parsed.packed


def take_token(full_at: int, now: int, limit: RateLimit) -> tuple[int, int]:
    """Take a token from a bucket that is full at `full_at` (ns). Returns when it is full after that, and 0; or, where
    it has none, the same time as before, and in how many ns it has one."""
    after = max(full_at, now) + limit.interval_ns
    wait_ns = after - now - limit.burst * limit.interval_ns
    return (after, 0) if wait_ns <= 0 else (full_at, wait_ns)
