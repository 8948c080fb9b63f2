"""What a row of the table is: one failure, and the figure that says what it cost everybody else."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple


class Figure(NamedTuple):
    """What came out for one proxy. `value` is compared, `text` is shown; `cost_us` is the CPU time behind it, where a row
    counts that."""

    value: float
    text: str
    cost_us: float = math.nan


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
    `enough` is a figure that needs no comparison, and `times_nginx` a multiple of nginx's `cost_us` that needs none."""

    name: str
    what: str
    measure: Callable[[Setting], Figure]
    fewer: bool = True
    slack: float = 0.0
    enough: float = -math.inf  # where fewer is better
    times_nginx: float = 0.0


class Verdict(NamedTuple):
    """Whether our figure is good, and why."""

    good: bool
    text: str


def verdict(row: Row, figures: Mapping[str, Figure]) -> Verdict | None:
    """Whether our figure is at least that of the better peer, or good enough; None where there is none of ours."""
    ours = figures.get("onehop")
    if ours is None or math.isnan(ours.value):
        return None
    theirs = [each.value for name, each in figures.items() if name != "onehop" and not math.isnan(each.value)]
    if not row.fewer:
        good = not theirs or ours.value >= max(theirs) - row.slack
    else:
        good = not theirs or ours.value <= min(theirs) + row.slack
    if good:
        return Verdict(good=True, text="yes")
    if row.fewer and ours.value <= row.enough:
        return Verdict(good=True, text=f"enough: no more than {row.enough:g}")
    times = ours.cost_us / figures["nginx"].cost_us if "nginx" in figures else math.nan
    if times <= row.times_nginx:
        return Verdict(good=True, text=f"enough: {times:.1f} × nginx for the same bytes")
    return Verdict(good=False, text="**no**")
