"""The parent's counters, and the shared memory for those of all processes."""

from collections.abc import Iterable
from time import monotonic
from typing import Final

from proxy.config.build import counted_names
from proxy.config.model import Config
from proxy.process.listeners import CannotStart
from proxy.telemetry import series
from proxy.telemetry.counters import Counter, Ledger, Seat
from proxy.telemetry.series import Kind

#: The parent's own seat. Workers have the numbers from 0 on.
PARENT: Final = -1


class Tally:
    """The counters of an instance, in its parent."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self._began = monotonic()

    def prepare(self, config: Config, seats: Iterable[int]) -> None:
        """Before the processes of a configuration are forked: make their shared memory. Raises CannotStart."""
        self.ledger.extend(counted_names(config))
        try:
            for number in (PARENT, *seats):
                self.ledger.seat(number)
        except OSError as exc:
            raise CannotStart(f"no memory for counters: {exc.strerror}") from exc
        self._gauge(PARENT, series.SINCE, self._began)

    def seat(self, number: int) -> Seat:
        """The counters of the worker in a seat."""
        return self.ledger.seats[number]

    def begins(self, number: int, generation: int) -> None:
        """A worker of this generation is about to be forked for a seat."""
        self._gauge(number, series.GENERATION, float(generation))
        self._gauge(number, series.SINCE, monotonic())

    def ended(self, number: int, *, unasked: bool) -> None:
        """The worker in a seat has ended."""
        self.seat(number).vacate()
        if unasked:
            self._add(series.WORKER_RESTARTS)

    def reloaded(self, result: str) -> None:
        """A configuration was read again: `accepted` or `refused`."""
        self._add(series.reload_place(result))

    def serves(self, generation: int) -> None:
        """From now on, this generation serves."""
        self._gauge(PARENT, series.GENERATION, float(generation))

    def _gauge(self, number: int, place: int, value: float) -> None:
        gauges = self.seat(number).gauges()
        assert gauges is not None
        gauges[place] = value

    def _add(self, place: int) -> None:
        block = self.seat(PARENT).counters(Kind.INSTANCE)
        assert block is not None
        Counter(block[place : place + 1]).add(1)
