"""In turn, by weights: of A with weight 3 and B with 1, the turns are A A B A, as nginx takes them.

Where all weights are equal, which is the usual case, a turn costs the same however many origins there are.
"""

from collections.abc import Sequence

from proxy.upstream.balancing.base import BalancedRequest, Balancing
from proxy.upstream.origin import Candidate, Origin


class RoundRobin(Balancing):
    """The first attempt of each request goes to the next origin."""

    __slots__ = ("_again", "_first")

    def __init__(self) -> None:
        self._first = _Turns()
        self._again = _Turns()

    def choose(self, candidates: Sequence[Candidate], request: BalancedRequest, *, again: bool = False) -> Origin:
        """The origin whose turn it is. Second attempts have turns of their own: if they took those of first ones, then
        of two origins the dead one would be first in line for every request."""
        return (self._again if again else self._first).take(candidates)


class _Turns:
    """Whose turn is next. Origins that stay while others come and go keep their place and what is due to them."""

    __slots__ = ("_candidates", "_due", "_equal", "_next", "_shares")

    def __init__(self) -> None:
        self._candidates: Sequence[Candidate] = ()
        self._equal = True
        self._next = 0  # of equal ones
        self._shares: list[float] = []  # beside each candidate: its part of all requests
        self._due: list[float] = []  # and how many requests it has still to get; those before its time are negative

    def take(self, candidates: Sequence[Candidate]) -> Origin:
        if candidates is not self._candidates:
            self._offer(candidates)
        if self._equal:
            turn = self._next
            self._next = turn + 1 if turn + 1 < len(candidates) else 0
            return candidates[turn].origin
        due = self._due
        first, most = 0, float("-inf")
        for place, share in enumerate(self._shares):
            due[place] += share
            if due[place] > most:
                first, most = place, due[place]
        due[first] -= 1.0
        return candidates[first].origin

    def _offer(self, candidates: Sequence[Candidate]) -> None:
        old = self._candidates
        places = {candidate.origin: place for place, candidate in enumerate(candidates)}
        due = dict(zip((candidate.origin for candidate in old), self._due, strict=True))
        behind = (candidate.origin for candidate in (*old[self._next :], *old[: self._next]))
        self._next = next((places[origin] for origin in behind if origin in places), 0)
        self._candidates = candidates
        self._due = [due.get(origin, 0.0) for origin in places]
        self._equal = len({candidate.weight for candidate in candidates}) == 1
        total = sum(candidate.weight for candidate in candidates)
        self._shares = [candidate.weight / total for candidate in candidates]
