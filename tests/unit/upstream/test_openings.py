"""Which attempts to connect wait in vain."""

import asyncio
from typing import Any, cast

from proxy.upstream.openings import Attempt, Openings
from proxy.upstream.origin import Origin

A, B = Origin("10.0.0.1", 80), Origin("10.0.0.2", 80)


class _Attempt:
    def __init__(self) -> None:
        self.is_cancelled = False

    def cancel(self) -> None:
        self.is_cancelled = True


def attempts(count: int) -> list[Attempt]:
    return [cast("asyncio.Task[Any]", _Attempt()) for _ in range(count)]


def test_those_that_are_late_are_found_oldest_first() -> None:
    openings = Openings()
    assert not openings
    one, two, three = attempts(3)
    openings.begin(A, one, 0.0, 5.0)
    openings.begin(A, two, 0.5, 5.0)
    openings.begin(B, three, 1.0, 5.0)
    assert openings
    assert openings.stuck(0.9) == {}
    assert openings.stuck(1.0) == {A: [one]}
    assert openings.stuck(2.0) == {A: [one, two], B: [three]}
    openings.end(A, one, 2.0, opened=False)
    assert openings.stuck(2.0) == {A: [two], B: [three]}
    openings.end(A, two, 2.0, opened=False)
    openings.end(B, three, 2.0, opened=False)
    assert not openings


def test_where_one_was_opened_those_before_it_are_slow_and_not_in_vain() -> None:
    openings = Openings()
    one, two, three = attempts(3)
    openings.begin(A, one, 0.0, 5.0)
    openings.begin(A, two, 0.1, 5.0)
    openings.end(A, two, 0.2, opened=True)
    openings.begin(A, three, 0.3, 5.0)
    assert openings.stuck(3.0) == {A: [three]}


def test_an_attempt_that_is_given_up_is_cancelled_and_known_until_it_ends() -> None:
    openings = Openings()
    [one] = attempts(1)
    openings.begin(A, one, 0.0, 5.0)
    assert not openings.is_given_up(one)
    openings.give_up(one)
    assert cast("_Attempt", one).is_cancelled
    assert openings.is_given_up(one)
    openings.end(A, one, 1.0, opened=False)
    assert not openings.is_given_up(one)
