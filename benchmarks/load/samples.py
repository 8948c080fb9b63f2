"""What one load over one proxy gave, and what becomes of several: medians with their spread."""

import statistics
from collections.abc import Callable, Iterable
from typing import NamedTuple


class Load(NamedTuple):
    """What the load generator counted. `bad`: answers with a wrong status, length or content, and broken connections."""

    requests: int
    duration_s: float
    bad: int = 0
    connections: int = 0  # opened for it, where that says something
    p50_s: float | None = None
    p99_s: float | None = None
    offered_per_s: float | None = None  # at a fixed rate: what was asked for


class Sample(NamedTuple):
    """One proxy under one load, once."""

    cpu_us: float  # user and system, per request
    requests_per_s: float
    busy: float  # share of the time that it ran on its core
    waited: float  # share of the time that it was ready to run, and somebody else did
    memory_bytes: int
    p50_s: float | None = None
    p99_s: float | None = None
    held: bool = True  # the fixed rate
    connection_bytes: float | None = None  # resident memory per idle client connection


class Figure(NamedTuple):
    """A median, and the quartiles around it."""

    median: float
    low: float
    high: float


Results = dict[str, dict[str, list[Sample]]]  # by workload, by proxy; one sample per round


def figure(values: Iterable[float]) -> Figure:
    """The median of what the rounds gave, with the interquartile range."""
    known = list(values)
    if len(known) < 2:
        return Figure(known[0], known[0], known[0])
    low, middle, high = statistics.quantiles(known, n=4, method="inclusive")
    return Figure(middle, low, high)


def of(samples: Iterable[Sample], pick: Callable[[Sample], float | None]) -> Figure | None:
    """One measure over the rounds, or None where it was not taken."""
    values = [value for sample in samples if (value := pick(sample)) is not None]
    return figure(values) if values else None
