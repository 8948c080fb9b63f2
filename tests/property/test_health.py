"""The addresses of an upstream under any order of events: which are used, and how long each is left out."""

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from proxy.upstream.health.endpoint import State, Use
from proxy.upstream.health.messages import Known, decode, encode
from proxy.upstream.health.settings import EjectionSettings, HealthCheckSettings
from proxy.upstream.health.state import LONGEST_EJECTION_S, Endpoints
from proxy.upstream.origin import Candidate, Origin

ADDRESSES = [f"10.0.0.{number}" for number in range(1, 5)]
NAME, FIXED, BACKUP = Origin("app", 80), Origin("10.9.9.1", 80), Origin("10.9.9.2", 80)
EVERY = [FIXED, BACKUP, NAME, *(NAME._replace(address=address) for address in ADDRESSES)]
OUT = {State.EJECTED, State.DOWN, State.UNRESOLVED}


class Health(RuleBasedStateMachine):
    """`now` only goes on; `last` is each address's state before the last step."""

    @initialize(
        failures=st.integers(0, 3), percent=st.sampled_from([0, 30, 50, 100]), checked=st.booleans(),
        slow_start_s=st.sampled_from([0.0, 20.0]),
    )  # fmt: skip
    def begin(self, failures: int, percent: int, checked: bool, slow_start_s: float) -> None:
        self.ejection = EjectionSettings(failures=failures, max_ejected_percent=percent)
        self.check = HealthCheckSettings(rise=2, fall=2) if checked else None
        configured = [Candidate(NAME, 4.0), Candidate(FIXED), Candidate(BACKUP, backup=True)]
        self.known = Endpoints(configured, self.ejection, self.check, slow_start_s)
        self.now = 0.0

    @rule(seconds=st.sampled_from([0.1, 1.0, 9.0, 70.0, 400.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(origin=st.sampled_from(EVERY), unreachable=st.booleans())
    def a_request_fails(self, origin: Origin, unreachable: bool) -> None:
        before = self.known[origin].state if origin in self.known else None
        for change in self.known.request_failed(origin, "x", self.now, unreachable=unreachable):
            assert (change.origin, change.state) == (origin, State.EJECTED)
            assert before in (State.UP, State.TRIAL)
            assert self.now < self.known[origin].until <= self.now + LONGEST_EJECTION_S
            self.no_more_are_ejected_than_may_be(unreachable)

    def no_more_are_ejected_than_may_be(self, unreachable: bool) -> None:
        states = [known.state for _, known in self.known.items()]
        assert not all(state in OUT for state in states)
        if not unreachable:
            assert self.ejection.max_ejected_percent > 0
            allowed = max(1, len(states) * self.ejection.max_ejected_percent // 100)
            assert states.count(State.EJECTED) <= allowed

    @rule(origin=st.sampled_from(EVERY))
    def a_request_is_served(self, origin: Origin) -> None:
        self.known.request_passed(origin, self.now)
        if origin in self.known:
            assert self.known[origin].failures == 0
            assert self.known[origin].state is not State.TRIAL

    @rule(origin=st.sampled_from(EVERY), passes=st.booleans())
    def a_check_ends(self, origin: Origin, passes: bool) -> None:
        self.known.checked(origin, None if passes else "x", self.now)

    @rule(accepts=st.booleans())
    def those_that_were_ejected_are_connected_to(self, accepts: bool) -> None:
        for origin in self.known.to_connect(self.now):
            assert self.known[origin].until <= self.now
            self.known.tried(origin, None if accepts else "x", self.now)
            assert self.known[origin].state is (State.TRIAL if accepts else State.EJECTED)

    @rule(addresses=st.lists(st.sampled_from(ADDRESSES), max_size=4))
    def the_name_is_resolved(self, addresses: list[str]) -> None:
        before = dict(self.known.items())
        self.known.resolved(0, addresses, self.now)
        assert {known.address for _, known in self.known.items() if known.place == 0} == set(addresses or [""])
        for origin, known in self.known.items():
            if origin in before:
                assert known is before[origin]

    @rule()
    def another_process_takes_over(self) -> None:
        usable = self.known.usable(self.now)
        sent = encode(Known("app", [known for _, known in self.known.items()]))
        message = decode(sent)
        assert isinstance(message, Known)
        self.known.adopt(message.endpoints)
        assert self.known.usable(self.now) == usable

    @precondition(lambda self: self.check is None)
    @rule()
    def everything_recovers_in_the_end(self) -> None:
        for _ in range(3):
            self.now += LONGEST_EJECTION_S
            for origin in self.known.to_connect(self.now):
                self.known.tried(origin, None, self.now)
            for origin, _known in self.known.items():
                self.known.request_passed(origin, self.now)
        states = {known.state for _, known in self.known.items()}
        assert states <= {State.UP, State.UNRESOLVED}

    @invariant()
    def something_is_always_used_and_nothing_that_is_out_without_need(self) -> None:
        usable = self.known.usable(self.now)
        assert usable.candidates
        assert all(0 < candidate.weight <= 4 for candidate in usable.candidates)
        assert any(candidate.origin not in usable.trials for candidate in usable.candidates)
        states = [self.known[candidate.origin].state for candidate in usable.candidates]
        match usable.use:
            case Use.NORMAL:
                assert not OUT & set(states)
            case Use.MOST_FAIL:
                assert State.DOWN not in states
            case Use.ALL_OUT:
                assert len(states) == len(self.known.items())

    @invariant()
    def without_checks_nobody_is_down_and_without_failures_nobody_is_ejected(self) -> None:
        states = {known.state for _, known in self.known.items()}
        assert self.check is not None or State.DOWN not in states
        assert self.ejection.failures or State.EJECTED not in states

    @invariant()
    def a_served_request_is_heard_of_where_it_matters(self) -> None:
        if not self.known.wants_successes():
            for _, known in self.known.items():
                assert known.failures == 0
                assert known.state not in (State.TRIAL, State.EJECTED)


TestHealth = Health.TestCase
