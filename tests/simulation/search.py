"""Many worlds, one after the other and side by side."""

import gc
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import Final

from tests.simulation.beneath import simulated_kernel
from tests.simulation.laws import broken_laws
from tests.simulation.scenario import Reduction
from tests.simulation.world import World

_AT_ONCE: Final = 100  # worlds between two looks at the clock


@dataclass
class Found:
    """What some worlds have shown."""

    seeds: range = range(0)
    worlds: int = 0
    exchanges: int = 0
    events: int = 0  # on the network: an arrival, an end, a reset, what a peer does next
    broken: dict[int, list[str]] = field(default_factory=dict)  # laws by seed
    met: set[tuple[str, str, str]] = field(default_factory=set)

    def add(self, other: "Found") -> None:
        """And those of other worlds."""
        self.worlds += other.worlds
        self.exchanges += other.exchanges
        self.events += other.events
        self.broken |= other.broken
        self.met |= other.met


def judged(seed: int, reduction: Reduction | None = None, *, notes_states: bool = False) -> tuple[World, list[str]]:
    """A world that has run, and the laws that it broke."""
    world = World(seed, reduction=reduction, notes_states=notes_states)
    try:
        world.run()
    except Exception as exc:  # a find, too: the simulation goes on with the next seed
        return world, [f"the world ended: {exc!r}"]
    return world, list(broken_laws(world))


def look_at(seeds: range, notes_states: bool) -> Found:
    """Run these worlds."""
    found, late = Found(seeds), {}
    collects = gc.isenabled()
    gc.disable()  # as often as it would run by itself, it would take a tenth of the time
    gc.freeze()  # what was there before is no garbage: each collection would look at it again
    try:
        with simulated_kernel():
            for seed in seeds:
                world, laws = judged(seed, notes_states=notes_states)
                found.worlds += 1
                found.exchanges += len(world.records)
                found.events += world.network.events
                found.met |= world.met
                if laws:
                    found.broken[seed] = laws
                else:
                    late[seed] = world.defects
                del world
                gc.collect()  # at once: the processor's caches still hold it
    finally:
        gc.unfreeze()
        if collects:
            gc.enable()
    for seed, defects in late.items():  # of tasks and coroutines whose end nobody had looked at: known by collection
        if defects:
            found.broken[seed] = [f"defect: {defect}" for defect in defects]
    return found


def search(first: int, seconds: float, jobs: int, *, notes_states: bool = False) -> Iterator[Found]:
    """Run worlds from seed `first` on, as many as there is time for, in so many processes."""
    until, seed = time.monotonic() + seconds, first
    if jobs == 1:
        while time.monotonic() < until:
            yield look_at(range(seed, seed + _AT_ONCE), notes_states)
            seed += _AT_ONCE
        return
    with ProcessPoolExecutor(jobs, get_context("fork")) as pool:
        under_way: set[Future[Found]] = set()
        while under_way or time.monotonic() < until:
            while len(under_way) < 2 * jobs and time.monotonic() < until:
                under_way.add(pool.submit(look_at, range(seed, seed + _AT_ONCE), notes_states))
                seed += _AT_ONCE
            done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()
