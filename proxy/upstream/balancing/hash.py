"""Requests that are alike go to the same origin, in every worker and every instance.

Rendezvous hashing: each origin has a score for each key, and the highest wins. So an origin that leaves moves only the
keys that it had, an origin that comes takes only its share, and by weights (Schindelhauer and Schomaker, 2005) the same
holds for a weight that changes. A choice costs half a microsecond for each origin.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from hashlib import blake2b
from math import log
from typing import Final, TypeAlias

from proxy.http1.fields import is_token
from proxy.http1.message import RequestHead
from proxy.http1.target import request_target
from proxy.policy.cookies import request_cookie
from proxy.upstream.balancing.base import BalancedRequest, Balancing
from proxy.upstream.balancing.round_robin import RoundRobin
from proxy.upstream.origin import Candidate, Origin

#: What requests must have in common to go to the same origin; None where this one has no such thing.
HashKey: TypeAlias = Callable[[BalancedRequest], bytes | None]

_MASK: Final = (1 << 64) - 1
_FORMS: Final = 'expected "client_address", "path", "header:NAME" or "cookie:NAME"'


def hash_key(hash_on: str) -> HashKey:
    """What the setting `hash_on` means. Raises ValueError."""
    kind, _, name = hash_on.partition(":")
    if hash_on == "client_address":
        return lambda request: request.client_address.encode()
    if hash_on == "path":
        return lambda request: request_target(request.head).origin_form.partition(b"?")[0]
    if kind == "header" and is_token(name):
        wanted = name.lower().encode("ascii")
        return lambda request: _field(request.head, wanted)
    if kind == "cookie" and is_token(name):
        cookie = name.encode("ascii")
        return lambda request: request_cookie(request.head, cookie)
    raise ValueError(_FORMS)


class Hash(Balancing):
    """The origin with the highest score for the request's key; in turn, where it has none."""

    __slots__ = ("_in_turn", "_key")

    def __init__(self, key: HashKey) -> None:
        self._key = key
        self._in_turn = RoundRobin()

    def has_affinity(self, request: BalancedRequest) -> bool:
        """Another origin would not have what this one keeps for the key."""
        return self._key(request) is not None

    def choose(self, candidates: Sequence[Candidate], request: BalancedRequest, *, again: bool = False) -> Origin:
        """Where the first choice has failed, the one with the next score: always the same one, too."""
        key = self._key(request)
        if key is None:
            return self._in_turn.choose(candidates, request, again=again)
        place = int.from_bytes(blake2b(key, digest_size=8).digest(), "big")
        chosen, lowest = candidates[0].origin, float("inf")
        for origin, weight, _ in candidates:
            mixed = place ^ _seed(origin)
            # The finalizer of SplitMix64: without it, scores of similar seeds would go together.
            mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9 & _MASK
            mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB & _MASK
            cost = -log(((mixed ^ (mixed >> 31)) + 1) / 0x10000000000000001) / weight
            if cost < lowest:
                chosen, lowest = origin, cost
        return chosen


@lru_cache(maxsize=4096)
def _seed(origin: Origin) -> int:
    """What an origin is hashed by: where it is, and nothing that another worker could see differently."""
    return int.from_bytes(blake2b(str(origin).encode(), digest_size=8).digest(), "big")


def _field(head: RequestHead, wanted: bytes) -> bytes | None:
    values = [value for name, value in head.fields if len(name) == len(wanted) and name.lower() == wanted]
    return b", ".join(values) if values else None
