"""Which worker's request tries an address that returns."""

from proxy.upstream.health.trials import Trials
from tests.unit.upstream.balancing.offers import A, B

SEATS = [7, 3, 5]


def test_each_worker_has_its_turn_and_then_any() -> None:
    trials = Trials()
    turns = [trials.update([A], SEATS, now)[A] for now in (10.0, 10.4, 10.6, 11.1, 11.6, 99.0)]
    assert turns == [3, 3, 5, 7, None, None]


def test_who_has_sent_a_request_keeps_the_turn_until_that_is_given_up() -> None:
    trials = Trials()
    trials.update([A, B], SEATS, 0.0)
    trials.began(A, 3)
    assert trials.update([A, B], SEATS, 60.0) == {A: 3, B: None}
    trials.given_up(A, 5, 60.0)
    assert trials.update([A, B], SEATS, 60.0)[A] == 3, "that was another request"
    trials.given_up(A, 3, 61.0)
    assert [trials.update([A], SEATS, now)[A] for now in (61.0, 61.6)] == [3, 5]


def test_a_worker_that_ends_has_no_turn() -> None:
    trials = Trials()
    trials.update([A], SEATS, 0.0)
    trials.began(A, 3)
    trials.left(3, 5.0)
    assert trials.update([A], [5, 7], 5.0) == {A: 5}


def test_a_trial_that_is_over_is_forgotten() -> None:
    trials = Trials()
    trials.update([A], SEATS, 0.0)
    trials.began(A, 5)
    assert trials.update([], SEATS, 1.0) == {}
    trials.began(A, 5)
    assert trials.update([A], SEATS, 2.0) == {A: 3}
