"""Slots: seats are numbers of workers that live at the same time; how a process ended is told in words."""

import errno
import os
import signal

import pytest

from proxy.process.heartbeat import Heartbeat
from proxy.process.listeners import CannotStart
from proxy.process.slot import Seats, cause, slots_for


def test_the_lowest_free_seat_is_taken() -> None:
    seats = Seats()
    assert [seats.take() for _ in range(3)] == [0, 1, 2]
    seats.give_back(1)
    assert [seats.take() for _ in range(2)] == [1, 3]


ENDS = [
    # wait status                             how it is told
    (0,                                       "exit status 0"),
    (3 << 8,                                  "exit status 3"),
    (signal.SIGKILL,                          "killed by SIGKILL"),
    (signal.SIGSEGV | 0x80,                   "killed by SIGSEGV"),  # with a core dump
    (signal.SIGRTMIN + 1,                     "killed by signal 35"),  # has no name: the parent must not end by that
]  # fmt: skip


@pytest.mark.parametrize(("status", "told"), ENDS)
def test_how_a_process_ended_is_told(status: int, told: str) -> None:
    assert cause(status) == told


def test_slots_for_which_there_is_no_memory_leave_nothing_open(monkeypatch: pytest.MonkeyPatch) -> None:
    made = 0

    class Third(Heartbeat):
        def __init__(self) -> None:
            nonlocal made
            made += 1
            if made == 3:
                raise OSError(errno.ENOMEM, "Cannot allocate memory")
            super().__init__()

    monkeypatch.setattr("proxy.process.slot.Heartbeat", Third)
    before = set(os.listdir("/proc/self/fd"))
    with pytest.raises(CannotStart, match="no memory for another process: Cannot allocate memory"):
        slots_for([[], []], [0, 1], [])
    assert set(os.listdir("/proc/self/fd")) == before
