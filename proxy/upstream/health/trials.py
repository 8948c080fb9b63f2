"""Which worker may send the request that tries an address whose ejection is over: mostly one at a time, of all workers.

A worker that has no request for it loses its turn after a while. Once all had theirs, requests are rare, and the next
one of any worker is the trial: two may be sent before control has heard of the first.
"""

from collections.abc import Collection
from typing import Final

import msgspec

from proxy.upstream.origin import Origin

_TURN_S: Final = 0.5  # of one worker, without a request


class _Trial(msgspec.Struct):
    offered_at: float
    taken_by: int | None = None  # the seat of the worker whose request is under way


class Trials:
    """The addresses on trial of one upstream. Workers are known by their seats; times are the loop's."""

    def __init__(self) -> None:
        self._of: dict[Origin, _Trial] = {}
        self.turns: dict[Origin, int | None] = {}  # whose turn it is at each; None: that of any worker

    def update(self, origins: Collection[Origin], seats: Collection[int], now: float) -> dict[Origin, int | None]:
        """These are on trial now. Returns `turns`."""
        self._of = {origin: self._of.get(origin) or _Trial(now) for origin in origins}
        self.turns = {origin: _turn(trial, seats, now) for origin, trial in self._of.items()}
        return self.turns

    def told(self, origin: Origin, seat: int, now: float, *, began: bool) -> None:
        """A worker says that a request there began, or that one has ended."""
        if began:
            self.began(origin, seat)
        else:
            self.given_up(origin, seat, now)

    def began(self, origin: Origin, seat: int) -> None:
        """A worker has sent a request there."""
        if origin in self._of:
            self._of[origin].taken_by = seat

    def given_up(self, origin: Origin, seat: int, now: float) -> None:
        """The request has ended, and says nothing of the address."""
        trial = self._of.get(origin)
        if trial is not None and trial.taken_by == seat:
            trial.offered_at, trial.taken_by = now, None

    def left(self, seat: int, now: float) -> None:
        """A worker has ended, and its requests with it."""
        for origin in self._of:
            self.given_up(origin, seat, now)


def _turn(trial: _Trial, seats: Collection[int], now: float) -> int | None:
    if trial.taken_by is not None:
        return trial.taken_by
    turn = int((now - trial.offered_at) / _TURN_S)
    return sorted(seats)[turn] if turn < len(seats) else None
