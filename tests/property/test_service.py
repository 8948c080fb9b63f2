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
from proxy.policy.retry import CONNECT_FAILURE, RetrySettings
from proxy.upstream.balancing.base import BalancedRequest, Balancing
from proxy.upstream.balancing.round_robin import RoundRobin
from proxy.upstream.health.base import EVERY_STATUS
from proxy.upstream.origin import Candidate, Origin
from proxy.upstream.service import Service
from tests.unit.upstream.requests import REQUEST

ORIGINS = [Origin("a", port) for port in range(1, 6)]
SOME = st.lists(  # one may be listed twice
    st.builds(Candidate, st.sampled_from(ORIGINS), st.sampled_from([1.0, 2.0, 5.0]), st.sampled_from([False] * 3 + [True])),
    min_size=1, max_size=6,
)  # fmt: skip

Attempt = tuple[Origin, tuple[Origin, ...]]  # under way at an origin, after failures at others


class Counting(Balancing):
    """Round robin that counts what is under way."""

    follows_attempts = True

    def __init__(self) -> None:
        self._round_robin = RoundRobin()
        self.under_way: Counter[Origin] = Counter()

    def choose(self, candidates: Sequence[Candidate], request: BalancedRequest, *, again: bool = False) -> Origin:
        return self._round_robin.choose(candidates, request, again=again)

    def started(self, origin: Origin) -> None:
        self.under_way[origin] += 1

    def ended(self, origin: Origin) -> None:
        self.under_way[origin] -= 1


class Told:
    """Stands where health checks stand."""

    def __init__(self) -> None:
        self.ends: list[tuple[Origin, int, ProxyError | None]] = []

    def trial_began(self, _: Origin) -> None: ...

    def knows(self, _: Origin) -> bool:
        return True

    def attempt_ended(self, origin: Origin, status: int, error: ProxyError | None) -> None:
        self.ends.append((origin, status, error))


class Services(RuleBasedStateMachine):
    """`model` is what is under way; `first_choices` those since the list of origins changed last."""

    attempts: Bundle[Attempt] = Bundle("attempts")

    @initialize(origins=SOME)
    def begin(self, origins: list[Candidate]) -> None:
        self.policy = Counting()
        self.service = Service("s", origins, self.policy, RetrySettings(attempts=99, budget_percent=100.0))
        self.service.budget.requests = 1_000_000
        self.health = self.service.health = Told()
        self.service.reported_statuses = EVERY_STATUS
        self._offered(origins)
        self.model: Counter[Origin] = Counter()
        self.ends: list[tuple[Origin, int, ProxyError | None]] = []

    @rule(origins=SOME)
    def use(self, origins: list[Candidate]) -> None:
        self.service.use(origins)
        self._offered(origins)

    def _offered(self, origins: list[Candidate]) -> None:
        self.backups = {each.origin for each in origins} - {each.origin for each in origins if not each.backup}
        self.candidates = {each.origin for each in origins}
        in_use = self.candidates - self.backups or self.backups
        self.weights: Counter[Origin] = Counter()
        for each in origins:
            if each.origin in in_use:
                self.weights[each.origin] += int(each.weight)
        self.first_choices: list[Origin] = []

    @rule(target=attempts)
    def request(self) -> Attempt:
        origin = self.service.choose(REQUEST)
        assert origin is not None
        assert origin in self.weights
        self.first_choices.append(origin)
        self.model[origin] += 1
        return origin, ()

    @rule(target=attempts, attempt=consumes(attempts))
    def fail_and_try_another(self, attempt: Attempt) -> Attempt | MultipleResults[Attempt]:
        origin, tried = attempt
        error = ConnectFailed()
        self._end(origin, 0, error)
        tried = (*tried, origin)
        another = self.service.retry(REQUEST, tried, CONNECT_FAILURE, 0.0, replayable=False)
        left = self.candidates - set(tried)
        assert (another is None) == (not left)
        if another is None:
            return multiple()
        assert another in left
        assert another not in self.backups or left <= self.backups
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
        counts, total = Counter(self.first_choices), self.weights.total()
        for origin, weight in self.weights.items():
            assert abs(counts[origin] - len(self.first_choices) * weight / total) < len(ORIGINS)


TestServices = Services.TestCase
