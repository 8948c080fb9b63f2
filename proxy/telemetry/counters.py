"""Counters in shared memory: made by the parent before it forks, each written by one process, and read by another.

A seat is the part of the memory that one process at a time writes; a cell is one number in it, a block the cells of one
route, origin or the like, and a place says where a block lies. The counters of a seat only grow: the next process in it
continues them, so a crash or a reload loses nothing. Its gauges are cleared when its process has ended.
"""

import mmap
import sys
from collections.abc import Iterator
from typing import Final

from proxy.telemetry.series import BUCKETS_START, COUNTERS, GAUGES, SECONDS, STARTED, Kind, Name, Names, Places

_CELL_BYTES: Final = 8
_ZEROS: Final = bytes(max(COUNTERS.values()) * _CELL_BYTES)


class Counter:
    """A count that only this process writes. `value` mirrors the cell: storing takes a quarter of the time of reading
    and storing.

    The hot path does what `add` does without calling it.
    """

    __slots__ = ("cell", "value")

    def __init__(self, cell: "memoryview[int]") -> None:
        self.cell = cell
        self.value = cell[0]

    def add(self, number: int) -> None:
        """Add to the count."""
        self.value = self.cell[0] = self.value + number


class Seconds:
    """A sum of seconds that only this process writes."""

    __slots__ = ("cell", "value")

    def __init__(self, cell: "memoryview[float]") -> None:
        self.cell = cell
        self.value = cell[0]


class _Cells:
    """The memory of one seat for all blocks of some places: one piece for those that were named together."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self.whole: list[memoryview[int]] = []
        self.real: list[memoryview[float]] = []  # the same cells, for sums and gauges

    def make(self) -> None:
        """Make what is missing. Raises OSError."""
        for size in self._places.sizes[len(self.whole) :]:
            memory = memoryview(mmap.mmap(-1, max(size, 1) * _CELL_BYTES))
            self.whole.append(memory.cast("Q"))
            self.real.append(memory.cast("d"))


class Seat:
    """The counters and gauges of one process."""

    def __init__(self, counters: Places, gauges: Places) -> None:
        self._counter_places, self._gauge_places = counters, gauges
        self._counters, self._gauges = _Cells(counters), _Cells(gauges)

    def make(self) -> None:
        """In the parent: make the memory for all names. Raises OSError."""
        self._counters.make()
        self._gauges.make()

    @property
    def pieces(self) -> int:
        """How many pieces of memory its counters are in."""
        return len(self._counters.whole)

    def vacate(self) -> None:
        """In the parent: its process has ended, and will not end the exchanges that it began."""
        for memory in self._gauges.whole:
            for cell in range(len(memory)):
                memory[cell] = 0
        self.started()[0] = self.ended()

    def started(self) -> "memoryview[int]":
        """How many exchanges have begun in this seat: one cell."""
        instance = self.counters(Kind.INSTANCE)
        assert instance is not None  # always has a place
        return instance[STARTED : STARTED + 1]

    def ended(self) -> int:
        """How many exchanges have ended in this seat."""
        routes = [name for kind, name in self._counter_places.by_key if kind is Kind.ROUTE]
        blocks = [block[:BUCKETS_START] for name in routes if (block := self.counters(Kind.ROUTE, name)) is not None]
        return sum(sum(block.tolist()) for block in blocks if _has_counted(block))

    def in_flight(self) -> int:
        """How many exchanges are under way. Read from another process, it may be one too many, never too few."""
        ended = self.ended()
        return self.started()[0] - ended

    def counters(self, kind: Kind, name: Name = ()) -> "memoryview[int] | None":
        """The counters of a block; None where it has no place here."""
        place = self._counter_places.by_key.get((kind, name))
        if place is None or place.memory >= len(self._counters.whole):
            return None
        return self._counters.whole[place.memory][place.cell : place.cell + COUNTERS[kind]]

    def seconds(self, route: str) -> "memoryview[float] | None":
        """The sum of a route's durations: one cell."""
        place = self._counter_places.by_key.get((Kind.ROUTE, (route,)))
        if place is None or place.memory >= len(self._counters.real):
            return None
        return self._counters.real[place.memory][place.cell + SECONDS : place.cell + SECONDS + 1]

    def gauges(self, kind: Kind = Kind.INSTANCE, name: Name = ()) -> "memoryview[float] | None":
        """The gauges of a block; None where it has no place here."""
        place = self._gauge_places.by_key.get((kind, name))
        if place is None or place.memory >= len(self._gauges.real):
            return None
        return self._gauges.real[place.memory][place.cell : place.cell + GAUGES[kind]]


class Ledger:
    """All counters of an instance. Made by the parent, inherited by its children."""

    def __init__(self) -> None:
        self._counters, self._gauges = Places(COUNTERS), Places(GAUGES)
        self.seats: dict[int, Seat] = {}

    def extend(self, names: Names) -> None:
        """Give places to the names of a configuration, before any of its processes is forked."""
        keys = names.keys()
        self._counters.extend(keys)
        self._gauges.extend(keys)

    def seat(self, number: int) -> Seat:
        """In the parent: the seat of a process that is about to be forked. Raises OSError where there is no memory."""
        seat = self.seats.setdefault(number, Seat(self._counters, self._gauges))
        seat.make()
        return seat

    def names(self, kind: Kind) -> Iterator[Name]:
        """The names of all blocks of a kind, in the order in which they were first named."""
        return (name for of, name in self._counters.by_key if of is kind)

    def totals(self, kind: Kind, name: Name = ()) -> list[int]:
        """The counters of a block over all seats; of a route's, without the sum of its durations: see `seconds`."""
        cells = SECONDS if kind is Kind.ROUTE else COUNTERS[kind]
        # Each block is added as one long integer, of which a cell is a digit: 50 times as fast as adding lists. Counts
        # stay far below 2**64, so no digit overflows into the next.
        total = 0
        for seat in self.seats.values():
            block = seat.counters(kind, name)
            if block is not None and _has_counted(block):
                total += int.from_bytes(block[:cells].tobytes(), sys.byteorder)
        return memoryview(total.to_bytes(cells * _CELL_BYTES, sys.byteorder)).cast("Q").tolist()

    def seconds(self, route: str) -> float:
        """The sum of a route's durations over all seats."""
        return sum(cell[0] for seat in self.seats.values() if (cell := seat.seconds(route)) is not None)


def _has_counted(block: "memoryview[int]") -> bool:
    """Whether any cell is not zero. Most blocks are zero, and adding those would dominate a scrape."""
    return block.tobytes() != _ZEROS[: block.nbytes]
