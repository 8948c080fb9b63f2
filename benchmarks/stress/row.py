"""What a row of the table is: one failure, and the figure that says what it cost everybody else."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple


class Figure(NamedTuple):
    """What came out for one proxy. `value` is compared, `text` is shown."""

    value: float
    text: str


class NotRun(Exception):
    """A row that this machine cannot run, and why."""


def not_run(why: str) -> Figure:
    """What stands in the place of a figure."""
    return Figure(math.nan, f"not run: {why}")


class Setting(NamedTuple):
    """What a row is given."""

    proxy: str
    folder: Path  # of this row and proxy alone
    upstreams: list[str]  # HOST:PORT of each origin
    quick: bool


class Row(NamedTuple):
    """One row. `fewer`: the smaller figure is the better one. `slack` is what chance makes of equal figures;
    `enough` is a figure that needs no comparison."""

    name: str
    what: str
    measure: Callable[[Setting], Figure]
    fewer: bool = True
    slack: float = 0.0
    enough: float = -math.inf  # where fewer is better


def no_worse(row: Row, ours: Figure, theirs: list[Figure]) -> bool:
    """Whether our figure is at least that of the better peer."""
    theirs = [figure for figure in theirs if not math.isnan(figure.value)]
    if not theirs:
        return True
    if row.fewer:
        return ours.value <= max(row.enough, min(figure.value for figure in theirs) + row.slack)
    return ours.value >= max(figure.value for figure in theirs) - row.slack
