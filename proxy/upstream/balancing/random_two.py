"""The less loaded of two that are drawn by weight ("power of two choices").

As good as the least loaded of all wherever many proxies choose by themselves: none of them sends everything to the one
origin that seemed idle to all. A choice costs the same however many origins there are.
"""

import random
from bisect import bisect
from collections.abc import Callable, Sequence
from itertools import accumulate

from proxy.upstream.balancing.base import BalancedRequest
from proxy.upstream.balancing.least_requests import LeastRequests
from proxy.upstream.origin import Candidate, Origin


class RandomTwo(LeastRequests):
    """Draws two, and takes the one with fewer requests under way for its weight."""

    __slots__ = ("_candidates", "_draw", "_up_to")

    def __init__(self, draw: Callable[[], float] = random.random) -> None:
        """`draw` gives a number from 0 to 1, 1 excluded."""
        super().__init__()
        self._draw = draw
        self._candidates: Sequence[Candidate] = ()
        self._up_to: list[float] = []  # beside each candidate: the sum of the weights up to it

    def choose(self, candidates: Sequence[Candidate], request: BalancedRequest, *, again: bool = False) -> Origin:
        """The less loaded of two; the first that was drawn where both are equal, so that weights count at rest."""
        if len(candidates) == 1:
            return candidates[0].origin
        if candidates is not self._candidates:
            self._candidates = candidates
            self._up_to = list(accumulate(candidate.weight for candidate in candidates))
        up_to, last = self._up_to, len(candidates) - 1
        at = min(bisect(up_to, self._draw() * up_to[last]), last)  # products may round up
        first = candidates[at]
        # Among the others: the first one's stretch is cut out.
        point = self._draw() * (up_to[last] - first.weight)
        if point >= up_to[at] - first.weight:
            point += first.weight
        other_at = min(bisect(up_to, point), last)
        if other_at == at:
            other_at = at - 1 if at else 1
        second = candidates[other_at]
        load = self.under_way.get(first.origin, 0) / first.weight
        other_load = self.under_way.get(second.origin, 0) / second.weight
        return second.origin if other_load < load else first.origin
