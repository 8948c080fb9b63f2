"""A service against a model: requests come and fail, origins come and go, and everybody is told exactly once."""

from collections import Counter
from collections.abc import Sequence

from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
)

from proxy.errors import ClientGone, ConnectFailed, ProxyError
from proxy.upstream.balancing.base import BalancedRequest, Balancing
from proxy.upstream.balancing.round_robin import RoundRobin
from proxy.upstream.origin import Origin
from proxy.upstream.service import Service
from tests.unit.upstream.requests import REQUEST

ORIGINS = [Origin("a", port) for port in range(1, 6)]
SOME = st.lists(st.sampled_from(ORIGINS), min_size=1, max_size=6)  # one may be listed twice

Attempt = tuple[Origin, tuple[Origin, ...]]  # under way at an origin, after failures at others


class Counting(Balancing):
    """Round robin that counts what is under way."""

    follows_attempts = True

    def __init__(self) -> None:
        self._round_robin = RoundRobin()
        self.under_way: Counter[Origin] = Counter()

    def choose(self, candidates: Sequence[Origin], request: BalancedRequest, tried: Sequence[Origin] = ()) -> Origin:
        return self._round_robin.choose(candidates, request, tried)

    def started(self, origin: Origin) -> None:
        self.under_way[origin] += 1

    def ended(self, origin: Origin) -> None:
        self.under_way[origin] -= 1


class Told:
    """Stands where health checks stand."""

    def __init__(self) -> None:
        self.ends: list[tuple[Origin, int, ProxyError | None]] = []

    def attempt_ended(self, origin: Origin, status: int, error: ProxyError | None) -> None:
        self.ends.append((origin, status, error))


class Services(RuleBasedStateMachine):
    """`model` is what is under way; `first_choices` those since the list of origins changed last."""

    attempts: Bundle[Attempt] = Bundle("attempts")

    @initialize(origins=SOME)
    def begin(self, origins: list[Origin]) -> None:
        self.policy = Counting()
        self.service = Service("s", origins, self.policy)
        self.health = self.service.health = Told()
        self.candidates = origins
        self.model: Counter[Origin] = Counter()
        self.ends: list[tuple[Origin, int, ProxyError | None]] = []
        self.first_choices: list[Origin] = []

    @rule(origins=SOME)
    def use(self, origins: list[Origin]) -> None:
        self.service.use(origins)
        self.candidates = origins
        self.first_choices = []

    @rule(target=attempts)
    def request(self) -> Attempt:
        origin = self.service.choose(REQUEST)
        assert origin is not None
        assert origin in self.candidates
        self.first_choices.append(origin)
        self.model[origin] += 1
        return origin, ()

    @rule(target=attempts, attempt=consumes(attempts))
    def fail_and_try_another(self, attempt: Attempt) -> Attempt | MultipleResults[Attempt]:
        origin, tried = attempt
        error = ConnectFailed()
        self._end(origin, 0, error)
        tried = (*tried, origin)
        another = self.service.choose(REQUEST, tried)
        assert (another is None) == (not set(self.candidates) - set(tried))
        if another is None:
            return multiple()
        assert another in self.candidates
        assert another not in tried
        self.model[another] += 1
        return another, tried

    @rule(attempt=consumes(attempts), error=st.sampled_from([None, ClientGone()]))
    def finish(self, attempt: Attempt, error: ProxyError | None) -> None:
        self._end(attempt[0], 200, error)

    def _end(self, origin: Origin, status: int, error: ProxyError | None) -> None:
        self.service.finished(origin, status, error)
        self.model[origin] -= 1
        self.ends.append((origin, status, error))

    @invariant()
    def what_is_under_way_is_known(self) -> None:
        assert +self.policy.under_way == +self.model
        assert min(self.policy.under_way.values(), default=0) >= 0

    @invariant()
    def every_end_is_told_once(self) -> None:
        assert self.health.ends == self.ends

    @invariant()
    def turns_are_fair_whatever_fails(self) -> None:
        shares = Counter(self.first_choices)
        listed = Counter(self.candidates)
        rounds = [shares[origin] / times for origin, times in listed.items()]
        assert max(rounds) - min(rounds) <= 1


TestServices = Services.TestCase
