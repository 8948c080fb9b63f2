"""Seats: numbers of workers that live at the same time."""

from proxy.process.slot import Seats


def test_the_lowest_free_seat_is_taken() -> None:
    seats = Seats()
    assert [seats.take() for _ in range(3)] == [0, 1, 2]
    seats.give_back(1)
    assert [seats.take() for _ in range(2)] == [1, 3]
