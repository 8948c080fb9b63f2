"""What becomes of an address whose requests, checks and connections fail, and which addresses are used then."""

import pytest

from proxy.upstream.health.endpoint import Change, State, Use
from proxy.upstream.health.settings import EjectionSettings, HealthCheckSettings
from proxy.upstream.health.state import Endpoints
from proxy.upstream.origin import Candidate, Origin

A, B, C, D = (Origin("10.0.0.1", port) for port in range(1, 5))
UP, TRIAL, EJECTED, DOWN, UNRESOLVED = State


def endpoints(
    *origins: Origin, check: HealthCheckSettings | None = None, slow_start_s: float = 0.0, **ejection: object
) -> Endpoints:
    settings = EjectionSettings(**ejection)  # type: ignore[arg-type]  # the test's own values
    return Endpoints([Candidate(origin) for origin in origins], settings, check, slow_start_s)


def fail(known: Endpoints, origin: Origin, times: int, now: float = 0.0, *, unreachable: bool = False) -> list[Change]:
    changes: list[Change] = []
    for _ in range(times):
        changes += known.request_failed(origin, "refused", now, unreachable=unreachable)
    return changes


def used(known: Endpoints, now: float = 0.0) -> list[Origin]:
    return [candidate.origin for candidate in known.usable(now).candidates]


def test_failures_in_a_row_eject() -> None:
    known = endpoints(A, B)
    assert fail(known, A, 2) == []
    assert fail(known, A, 1) == [Change(A, EJECTED, "3 failures in a row, the last: refused")]
    assert used(known) == [B]


def test_a_success_in_between_begins_the_row_anew() -> None:
    known = endpoints(A, B)
    fail(known, A, 2)
    known.request_passed(A, 0.0)
    assert fail(known, A, 2) == []
    assert fail(known, A, 1) != []


def test_no_failures_eject_where_that_is_off() -> None:
    known = endpoints(A, B, failures=0)
    assert fail(known, A, 50) == []
    assert known.usable(0.0).use is Use.NORMAL


def test_only_a_streak_a_trial_or_an_ejection_makes_successes_worth_hearing() -> None:
    known = endpoints(A, B)
    assert not known.wants_successes()
    fail(known, A, 1)
    assert known.wants_successes()
    known.request_passed(A, 0.0)
    assert not known.wants_successes()


def test_an_ejected_address_returns_by_way_of_a_connection_and_a_request() -> None:
    known = endpoints(A, B)
    fail(known, A, 3, now=100.0)
    assert known.to_connect(109.9) == []
    assert known.to_connect(110.0) == [A]
    assert known.tried(A, None, 110.0) == [Change(A, TRIAL, "its time is over, and it accepts connections")]
    usable = known.usable(110.0)
    assert ([one.origin for one in usable.candidates], usable.trials) == ([A, B], frozenset({A}))
    assert known.request_passed(A, 111.0) == [Change(A, UP, "a request was served")]
    assert known.usable(111.0).trials == frozenset()


def test_the_time_doubles_each_time_up_to_its_bound_and_a_trial_has_one_chance() -> None:
    known = endpoints(A, B, eject_s=10.0)
    fail(known, A, 3, now=0.0)
    now, times = 0.0, []
    for _ in range(7):
        times.append(known[A].until - now)
        now = known[A].until
        known.tried(A, None, now)
        assert len(fail(known, A, 1, now)) == 1
    assert times == [10.0, 20.0, 40.0, 80.0, 160.0, 300.0, 300.0]


def test_the_time_doubles_where_it_accepts_no_connection_and_nothing_is_said_again() -> None:
    known = endpoints(A, B)
    fail(known, A, 3, now=0.0, unreachable=True)
    assert known.tried(A, "refused", 10.0) == []
    assert known[A].until == 30.0
    assert known[A].since == 0.0
    assert known[A].state is EJECTED


def test_after_long_good_service_an_ejection_is_short_again() -> None:
    known = endpoints(A, B)
    fail(known, A, 3, now=0.0)
    known.tried(A, None, 10.0)
    known.request_passed(A, 10.0)
    fail(known, A, 3, now=20.0)
    assert known[A].until == 40.0
    known.tried(A, None, 40.0)
    known.request_passed(A, 40.0)
    fail(known, A, 3, now=110.0)
    assert known[A].until == 120.0


CAPS = [
    # addresses      percent  unreachable  ejected (of all, which fail in turn)
    ([A],            100,     True,        []),
    ([A, B],         50,      False,       [A]),
    ([A, B],         50,      True,        [A]),
    ([A, B],         100,     False,       [A]),
    ([A, B],         0,       False,       []),
    ([A, B, C],      50,      False,       [A]),
    ([A, B, C],      10,      False,       [A]),
    ([A, B, C, D],   50,      False,       [A, B]),
    ([A, B, C, D],   100,     False,       [A, B, C]),
    ([A, B, C, D],   50,      True,        [A, B, C]),
]  # fmt: skip


@pytest.mark.parametrize(("origins", "percent", "unreachable", "ejected"), CAPS)
def test_never_all_are_ejected_and_of_those_that_accept_connections_no_more_than_allowed(
    origins: list[Origin], percent: int, unreachable: bool, ejected: list[Origin]
) -> None:
    known = endpoints(*origins, max_ejected_percent=percent)
    for origin in origins:
        fail(known, origin, 5, unreachable=unreachable)
    assert [origin for origin, endpoint in known.items() if endpoint.state is EJECTED] == ejected
    assert used(known) == origins
    assert known.usable(0.0).use is Use.ALL_OUT


def test_where_more_fail_than_may_be_ejected_those_that_accept_connections_are_used() -> None:
    known = endpoints(A, B, C, D)
    fail(known, A, 3, unreachable=True)
    fail(known, B, 3)
    assert used(known) == [C, D]
    fail(known, C, 3)
    assert known.usable(0.0).use is Use.MOST_FAIL
    assert used(known) == [B, C, D]
    assert known.request_passed(B, 1.0) == [Change(B, UP, "a request was served"), Change(C, EJECTED, "refused")]
    assert known.usable(1.0).use is Use.NORMAL
    assert used(known) == [B, D]


def test_while_all_are_out_the_first_that_serves_is_up_at_once() -> None:
    known = endpoints(A, B)
    fail(known, A, 3)
    fail(known, B, 3)
    assert used(known) == [A, B]
    assert known.request_passed(A, 1.0) == [Change(A, UP, "a request was served"), Change(B, EJECTED, "refused")]
    assert used(known) == [A]


def test_a_late_success_ends_no_ejection() -> None:
    known = endpoints(A, B)
    fail(known, A, 3)
    assert known.request_passed(A, 1.0) == []
    assert used(known) == [B]


def test_an_address_on_trial_gets_all_requests_where_there_is_no_other() -> None:
    known = endpoints(A, B)
    fail(known, A, 3, now=0.0)
    known.tried(A, None, 10.0)
    fail(known, B, 3, now=10.0)
    assert used(known) == [A]
    assert known.usable(10.0).trials == frozenset()
    fail(known, A, 1, now=10.0)
    assert known.usable(10.0).use is Use.ALL_OUT


CHECK = HealthCheckSettings(rise=2, fall=3)


def test_checks_decide_by_rise_and_fall() -> None:
    known = endpoints(A, B, check=CHECK)
    for _ in range(2):
        assert known.checked(A, "status 503", 0.0) == []
    assert known.checked(A, None, 0.0) == []
    for _ in range(2):
        assert known.checked(A, "status 503", 1.0) == []
    assert known.checked(A, "status 503", 1.0) == [Change(A, DOWN, "3 health checks failed, the last: status 503")]
    assert known.checked(A, "status 503", 1.0) == []
    assert used(known) == [B]
    assert known.checked(A, None, 2.0) == []
    assert known.checked(A, "status 503", 2.0) == []
    assert known.checked(A, None, 3.0) == []
    assert known.checked(A, None, 3.0) == [Change(A, UP, "health checks passed: 2")]
    assert used(known) == [A, B]


def test_those_that_are_down_are_used_only_where_all_are_out() -> None:
    known = endpoints(A, B, C, check=HealthCheckSettings(fall=1))
    known.checked(A, "x", 0.0)
    known.checked(B, "x", 0.0)
    assert used(known) == [C]
    fail(known, C, 3)
    assert known.usable(0.0).use is Use.ALL_OUT
    assert known.request_passed(A, 0.0) == [], "its checks say that it is not well"
    known.request_passed(C, 0.0)
    assert used(known) == [C]


def test_an_ejected_address_that_is_checked_waits_for_its_time_and_for_rise() -> None:
    known = endpoints(A, B, check=CHECK)
    known.checked(A, None, 0.0)
    fail(known, A, 3, now=0.0)
    assert known.to_connect(20.0) == []
    for _ in range(3):
        assert known.checked(A, None, 9.0) == []
    assert known.checked(A, None, 10.0) == [Change(A, TRIAL, "its time is over, and health checks pass")]
    fail(known, A, 1, now=10.0)
    assert known.checked(A, None, 30.0) == [], "passes of before the ejection do not count"
    assert known.checked(A, None, 30.0) != []


def test_slow_start_gives_a_share_that_grows() -> None:
    known = endpoints(A, B, check=HealthCheckSettings(rise=1, fall=1), slow_start_s=10.0)
    assert known.next_share_s(0.0) is None
    known.checked(A, "x", 0.0)
    known.checked(A, None, 100.0)
    shares = [known.usable(now).candidates[0].weight for now in (100.0, 103.0, 105.0, 110.0, 200.0)]
    assert shares == [0.1, 0.3, 0.5, 1.0, 1.0]
    assert known.next_share_s(105.0) == 0.5
    assert known.next_share_s(110.0) is None
