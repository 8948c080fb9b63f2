"""Counters in shared memory: made by the parent before it forks, each written by one process, and read by another.

A seat is the part of the memory that one process at a time writes; a cell is one number in it, a block the cells of one
route, origin or the like, and a place says where a block lies. The counters of a seat only grow: the next process in it
continues them, so a crash or a reload loses nothing. Its gauges are cleared when its process has ended.
"""

import mmap
from collections.abc import Iterable, Iterator
from operator import add
from typing import Final, Generic, Literal, TypeVar

from proxy.telemetry.series import (
    BUCKETS_START,
    COUNTERS,
    GAUGES,
    LOST,
    STARTED,
    STATUSES,
    SUMS,
    BlockPlace,
    Kind,
    Name,
    Names,
    Places,
)

_CELL_BYTES: Final = 8
Number = TypeVar("Number", int, float)


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


class _Cells(Generic[Number]):
    """The memory of one seat for all blocks of some places: one piece for those that were named together."""

    def __init__(self, places: Places, form: Literal["Q", "d"]) -> None:
        """Whole numbers are of the form "Q", others "d"."""
        self._places = places
        self._form = form
        self.pieces: list[memoryview[Number]] = []

    def make(self) -> None:
        """Make what is missing. Raises OSError."""
        for size in self._places.sizes[len(self.pieces) :]:
            memory = memoryview(mmap.mmap(-1, max(size, 1) * _CELL_BYTES))
            self.pieces.append(memory.cast(self._form))  # type: ignore[arg-type]  # of the type that the form has

    def block(self, kind: Kind, name: Name) -> "memoryview[Number] | None":
        """The cells of a block; None where it has no place here."""
        place = self._places.by_key.get((kind, name))
        if place is None or place.memory >= len(self.pieces):
            return None
        return self.pieces[place.memory][place.cell : place.cell + self._places.cells[kind]]


class Seat:
    """The counters and gauges of one process."""

    def __init__(self, counters: Places, sums: Places, gauges: Places) -> None:
        self._counter_places = counters
        self._counters: _Cells[int] = _Cells(counters, "Q")
        self._sums: _Cells[float] = _Cells(sums, "d")
        self._gauges: _Cells[float] = _Cells(gauges, "d")

    def make(self) -> None:
        """In the parent: make the memory for all names. Raises OSError."""
        for cells in (self._counters, self._sums, self._gauges):
            cells.make()

    @property
    def pieces(self) -> int:
        """How many pieces of memory its counters are in."""
        return len(self._counters.pieces)

    def vacate(self) -> None:
        """In the parent: its process has ended. Exchanges that it had begun, and had not ended, are lost."""
        for memory in self._gauges.pieces:
            for cell in range(len(memory)):
                memory[cell] = 0.0
        instance = self.counters(Kind.INSTANCE)
        assert instance is not None  # always has a place
        instance[LOST] = (
            instance[STARTED] - self.ended()
        )  # one store: none of them is missing, or there twice, meanwhile

    def started(self) -> "memoryview[int]":
        """How many exchanges have begun in this seat: one cell."""
        instance = self.counters(Kind.INSTANCE)
        assert instance is not None  # always has a place
        return instance[STARTED : STARTED + 1]

    def ended(self) -> int:
        """How many exchanges have ended in this seat."""
        return Counted(self._counter_places, [self]).exchanges()

    def in_flight(self) -> int:
        """How many exchanges are under way. Read from another process, it may be one too many, never too few."""
        instance = self.counters(Kind.INSTANCE)
        assert instance is not None  # always has a place
        over = self.ended() + instance[LOST]
        return instance[STARTED] - over

    def counters(self, kind: Kind, name: Name = ()) -> "memoryview[int] | None":
        """The counters of a block; None where it has no place here."""
        return self._counters.block(kind, name)

    def seconds(self, route: str) -> "memoryview[float] | None":
        """The sum of a route's durations: one cell."""
        return self._sums.block(Kind.ROUTE, (route,))

    def gauges(self, kind: Kind = Kind.INSTANCE, name: Name = ()) -> "memoryview[float] | None":
        """The gauges of a block; None where it has no place here."""
        return self._gauges.block(kind, name)

    def copies(self) -> list[bytes]:
        """What was counted until now, by memory."""
        return [memory.tobytes() for memory in self._counters.pieces]


class Counted:
    """What some seats have counted, together, at one moment.

    Of thousands of cells few are not zero, and adding those that are would be most of a scrape: see `rows`.
    """

    def __init__(self, places: Places, seats: Iterable[Seat]) -> None:
        self._places = places
        copies = [seat.copies() for seat in seats]
        self._by_memory = [
            [copy[number] for copy in copies if number < len(copy)] for number in range(len(places.sizes))
        ]

    def rows(self, place: BlockPlace, cells: int, begin: int, end: int) -> Iterator[tuple[int, list[int]]]:
        """The cells of a block from `begin` to `end`, in rows of so many: the number of each, and what it has, but only
        where that is not all zero."""
        width = cells * _CELL_BYTES
        zeros, first = bytes(width), place.cell * _CELL_BYTES
        copies = self._by_memory[place.memory]
        for number, start in enumerate(range(first + begin * _CELL_BYTES, first + end * _CELL_BYTES, width)):
            row: list[int] | None = None
            for copy in copies:
                part = copy[start : start + width]
                if part != zeros:
                    values = memoryview(part).cast("Q").tolist()
                    row = values if row is None else list(map(add, row, values))
            if row is not None:
                yield number, row

    def row(self, place: BlockPlace, begin: int, end: int) -> list[int]:
        """The cells of a block from `begin` to `end`, of which there are few, or most are not zero."""
        for _, row in self.rows(place, end - begin, begin, end):
            return row
        return [0] * (end - begin)

    def of(self, kind: Kind, name: Name = ()) -> list[int]:
        """All counters of a block."""
        return self.row(self._places.by_key[kind, name], 0, COUNTERS[kind])

    def places(self, kind: Kind) -> Iterator[tuple[Name, BlockPlace]]:
        """All blocks of a kind, in the order in which they were first named."""
        return ((name, place) for (of, name), place in self._places.by_key.items() if of is kind)

    def exchanges(self) -> int:
        """How many exchanges have ended."""
        width, places = len(STATUSES), self.places(Kind.ROUTE)
        return sum(sum(row) for _, place in places for _, row in self.rows(place, width, 0, BUCKETS_START))


class Ledger:
    """All counters of an instance. Made by the parent, inherited by its children."""

    def __init__(self) -> None:
        self._counters, self._sums, self._gauges = Places(COUNTERS), Places(SUMS), Places(GAUGES)
        self.seats: dict[int, Seat] = {}

    def extend(self, names: Names) -> None:
        """Give places to the names of a configuration, before any of its processes is forked."""
        keys = names.keys()
        for places in (self._counters, self._sums, self._gauges):
            places.extend(keys)

    def seat(self, number: int) -> Seat:
        """In the parent: the seat of a process that is about to be forked. Raises OSError where there is no memory."""
        seat = self.seats.setdefault(number, Seat(self._counters, self._sums, self._gauges))
        seat.make()
        return seat

    def names(self, kind: Kind) -> Iterator[Name]:
        """The names of all blocks of a kind, in the order in which they were first named."""
        return (name for of, name in self._counters.by_key if of is kind)

    def counted(self) -> Counted:
        """What all seats have counted until now."""
        return Counted(self._counters, self.seats.values())

    def seconds(self, route: str) -> float:
        """The sum of a route's durations over all seats."""
        return sum(cell[0] for seat in self.seats.values() if (cell := seat.seconds(route)) is not None)

    def gauges(self, kind: Kind, name: Name) -> list[float]:
        """The gauges of a block, added over all seats."""
        blocks = [cells.tolist() for seat in self.seats.values() if (cells := seat.gauges(kind, name)) is not None]
        return list(map(sum, zip(*blocks, strict=True))) or [0.0] * GAUGES[kind]
