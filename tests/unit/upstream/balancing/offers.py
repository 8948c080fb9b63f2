"""Origins as policies are offered them."""

from collections import Counter

from proxy.upstream.balancing.base import Balancing
from proxy.upstream.origin import Candidate, Origin
from tests.unit.upstream.requests import REQUEST

A, B, C = Origin("a", 80), Origin("b", 81), Origin("c", 82)


def offer(*origins: Origin) -> tuple[Candidate, ...]:
    """Candidates of equal weight."""
    return tuple(map(Candidate, origins))


def weighted(**weights: float) -> tuple[Candidate, ...]:
    """Candidates by the names of their hosts."""
    return tuple(Candidate(Origin(host, 80), weight) for host, weight in weights.items())


def shares(balancing: Balancing, candidates: tuple[Candidate, ...], times: int = 10_000) -> dict[str, int]:
    """How often each is chosen, by host; the chosen ones end before the next is chosen."""
    counts: Counter[str] = Counter()
    for _ in range(times):
        origin = balancing.choose(candidates, REQUEST)
        balancing.started(origin)
        balancing.ended(origin)
        counts[origin.host] += 1
    return dict(counts)
