"""What becomes of a name's addresses as they come and go, and of what another process knows."""

from proxy.upstream.health.endpoint import Change, Endpoint
from proxy.upstream.health.settings import EjectionSettings
from proxy.upstream.health.state import Endpoints
from proxy.upstream.origin import Candidate, Origin
from tests.unit.upstream.health.test_state import DOWN, EJECTED, UNRESOLVED, UP, A, B, C, endpoints, fail, used

NAME = Origin("app", 80)


def pinned(address: str) -> Origin:
    return NAME._replace(address=address)


def test_all_addresses_of_a_name_share_its_weight() -> None:
    known = Endpoints([Candidate(A, 3.0), Candidate(NAME, 2.0, backup=True)], EjectionSettings())
    known.resolved(1, ["10.1.0.1", "10.1.0.2"], 0.0)
    assert known.usable(0.0).candidates == [
        Candidate(A, 3.0),
        Candidate(pinned("10.1.0.1"), 1.0, backup=True),
        Candidate(pinned("10.1.0.2"), 1.0, backup=True),
    ]


def test_addresses_that_stay_keep_their_state_and_their_place() -> None:
    known = endpoints(NAME, A)
    known.resolved(0, ["10.1.0.1", "10.1.0.2"], 0.0)
    fail(known, pinned("10.1.0.2"), 3)
    known.resolved(0, ["10.1.0.3", "10.1.0.2"], 5.0)
    assert [(origin, endpoint.state) for origin, endpoint in known.items()] == [
        (pinned("10.1.0.2"), EJECTED),
        (pinned("10.1.0.3"), UP),
        (A, UP),
    ]


def test_what_was_learned_of_a_name_is_true_of_its_only_address() -> None:
    known = endpoints(NAME, A)
    fail(known, NAME, 3)
    known.resolved(0, ["10.1.0.1"], 0.0)
    assert known[pinned("10.1.0.1")].state is EJECTED


def test_a_new_address_starts_slowly_and_those_found_first_do_not() -> None:
    known = endpoints(NAME, slow_start_s=10.0)
    known.resolved(0, ["10.1.0.1"], 0.0)
    assert known.next_share_s(0.0) is None
    known.resolved(0, ["10.1.0.1", "10.1.0.2"], 50.0)
    assert [one.weight for one in known.usable(50.0).candidates] == [0.5, 0.05]


def test_a_name_without_address_is_used_only_where_all_are_out() -> None:
    known = endpoints(NAME, A)
    assert known.resolved(0, [], 0.0) == [Change(NAME, UNRESOLVED, "the name has no address")]
    assert known.resolved(0, [], 1.0) == []
    assert used(known) == [A]
    fail(known, A, 3)
    assert used(known) == [NAME, A]
    known.resolved(0, ["10.1.0.1"], 2.0)
    assert used(known) == [pinned("10.1.0.1"), A]


def test_what_another_process_knows_is_taken_over_but_a_streak_of_our_own_stays() -> None:
    known = endpoints(A, B, C)
    fail(known, A, 2)
    fail(known, B, 2)
    known.adopt(
        [
            Endpoint(place=0),
            Endpoint(place=1, state=DOWN, cause="x", since=3.0),
            Endpoint(place=2, state=EJECTED, until=9.0),
        ]
    )
    assert used(known) == [A]
    assert len(fail(known, A, 1)) == 0, "never all"
    assert known[A].failures == 3
