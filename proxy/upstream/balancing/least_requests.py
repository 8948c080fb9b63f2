"""Where the fewest requests are under way, by weights: of those that have equally few, in turn.

Each worker knows its own requests only: with several, an origin may have a few more than the fewest of all.
"""

from collections.abc import Sequence

from proxy.upstream.balancing.base import BalancedRequest, Balancing
from proxy.upstream.origin import Candidate, Origin


class LeastRequests(Balancing):
    """Chooses the origin with the fewest requests under way for its weight."""

    __slots__ = ("_due", "under_way")

    def __init__(self) -> None:
        self.under_way: dict[Origin, int] = {}
        self._due: dict[Origin, float] = {}  # turns that each is still owed, among equally loaded ones; absent: none

    @property
    def follows_attempts(self) -> bool:
        """It counts them."""
        return True

    def choose(self, candidates: Sequence[Candidate], request: BalancedRequest, *, again: bool = False) -> Origin:
        """The least loaded. At rest, all are equally loaded, and each gets its weight's share."""
        under_way = self.under_way
        least = float("inf")
        equal: list[Candidate] = []
        for candidate in candidates:
            load = under_way.get(candidate.origin, 0) / candidate.weight
            if load < least:
                least, equal = load, [candidate]
            elif load == least:
                equal.append(candidate)
        return equal[0].origin if len(equal) == 1 else self._in_turn(equal)

    def _in_turn(self, equal: list[Candidate]) -> Origin:
        due = self._due
        total = sum(candidate.weight for candidate in equal)
        for candidate in equal:
            due[candidate.origin] = due.get(candidate.origin, 0.0) + candidate.weight / total
        chosen = max(equal, key=lambda candidate: due[candidate.origin]).origin
        due[chosen] -= 1.0
        if len(due) > 4 * len(equal) + 64:
            self._due = {}  # addresses that come and go must not pile up
        return chosen

    def started(self, origin: Origin) -> None:
        """One more is under way."""
        self.under_way[origin] = self.under_way.get(origin, 0) + 1

    def ended(self, origin: Origin) -> None:
        """One fewer is."""
        left = self.under_way[origin] - 1
        if left:
            self.under_way[origin] = left
        else:
            del self.under_way[origin]
