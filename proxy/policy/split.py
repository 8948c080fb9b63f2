"""A route's requests split among upstreams by weight.

Chosen by the request's id, so that the choice needs no chance and no state: a plan stays a function of values, and
`explain` shows what is done. Ids of this instance are as good as random here; a trusted peer that gives a request the
same id again gets the same upstream again.
"""

from bisect import bisect_right
from collections.abc import Iterable
from itertools import accumulate
from zlib import crc32

import msgspec


class Destination(msgspec.Struct, frozen=True):
    """An upstream, the `Host` that replaces the client's for it, and the one for 1.0 clients that send none."""

    upstream: str
    host_override: bytes = b""
    default_host: bytes = b""


class Split:
    """Upstreams with their weights, of which at least one is not 0."""

    def __init__(self, weighted: Iterable[tuple[Destination, int]]) -> None:
        rows = [(destination, weight) for destination, weight in weighted if weight]
        self.destinations = [destination for destination, _ in rows]
        self._ends = list(accumulate(weight for _, weight in rows))

    def choose(self, request_id: bytes) -> Destination:
        """The upstream of one request."""
        return self.destinations[bisect_right(self._ends, share(request_id, self._ends[-1]))]


def share(request_id: bytes, of: int, salt: int = 0) -> int:
    """A number below `of`, the same for the same id, and evenly spread over ids. Another `salt`: another number."""
    # CRC-32 alone leaves consecutive ids close together; the factor (Knuth's) spreads them.
    return ((crc32(request_id, salt) * 2_654_435_761 & 0xFFFF_FFFF) * of) >> 32
