"""In turn: every origin gets the same number of requests; one that is listed twice gets twice as many."""

from collections.abc import Sequence

from proxy.upstream.balancing.base import BalancedRequest, Balancing
from proxy.upstream.origin import Origin


class RoundRobin(Balancing):
    """The first attempt of each request goes to the next origin."""

    __slots__ = ("_turn",)

    def __init__(self) -> None:
        self._turn = 0

    def choose(self, candidates: Sequence[Origin], request: BalancedRequest, tried: Sequence[Origin] = ()) -> Origin:
        """The origin whose turn it is; after a failure the one behind it. A second attempt takes nobody's turn: if it
        did, then of two origins the dead one would be first in line for every request."""
        turn = self._turn if self._turn < len(candidates) else 0  # there may be fewer than last time
        if not tried:
            self._turn = turn + 1
            return candidates[turn]
        behind = candidates.index(tried[-1]) + 1 if tried[-1] in candidates else turn
        failed = set(tried)
        return next(origin for origin in (*candidates[behind:], *candidates[:behind]) if origin not in failed)
