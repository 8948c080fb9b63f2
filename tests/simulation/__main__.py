"""`make simulate`: many seeds, one replayed with its trace, or old faults put back to see that they are found."""

import argparse
import contextlib
import os
import sys
import time
from pathlib import Path

from tests.simulation.beneath import simulated_kernel
from tests.simulation.laws import broken_laws
from tests.simulation.reintroduced import FAULTS
from tests.simulation.search import Found, judged, search
from tests.simulation.shrink import shrunk
from tests.simulation.tally import Tally, totals
from tests.simulation.trace import Trace
from tests.simulation.world import World


def main() -> int:
    options = argparse.ArgumentParser(prog="make simulate ARGS=...", description=__doc__)
    options.add_argument("--seed", type=int, help="replay one, with its trace")
    options.add_argument("--shrink", action="store_true", help="with --seed: as small as the broken law allows")
    options.add_argument("--first", type=int, default=1, help="the first of many")
    options.add_argument("--seconds", type=float, default=60.0, help="for how long")
    options.add_argument("--jobs", type=int, default=1, help="in so many processes")
    options.add_argument("--finds", type=int, default=5, help="stop after so many")
    options.add_argument("--reintroduce", action="store_true", help="put old faults back, one at a time")
    options.add_argument("--log", type=Path, help="add a line to this file for each hundred worlds")
    options.add_argument("--version", default="this tree", help="what the lines in that file say ran")
    options.add_argument("--totals", type=Path, nargs="+", help="add up such files")
    options.add_argument("--states", action="store_true", help="print what was met in which state")
    given = options.parse_args()
    if given.totals:
        print(totals(given.totals))
        return 0
    if given.seed is not None:
        return replay(given.seed, shrinks=given.shrink)
    if given.reintroduce:
        return reintroduce(given.seconds)
    with contextlib.ExitStack() as files:
        tally = Tally(files.enter_context(given.log.open("a")), given.version) if given.log else None
        return look_for_finds(given.first, given.seconds, given.jobs, given.finds, states=given.states, tally=tally)


def look_for_finds(first: int, seconds: float, jobs: int, most_finds: int, *, states: bool, tally: Tally | None) -> int:
    began, found = time.monotonic(), Found()
    for more in search(first, seconds, jobs, notes_states=states):
        found.add(more)
        if tally is not None:
            tally.note(more)
        for seed, laws in more.broken.items():
            print(f"seed {seed}: {laws[0]}" + (f" (and {len(laws) - 1} more)" if laws[1:] else ""), flush=True)
        if len(found.broken) >= most_finds:
            break
    took_s = time.monotonic() - began
    times = os.times()
    cpu_s = sum(times[:4])
    print(
        f"{found.worlds} worlds from seed {first} on: {found.exchanges} exchanges, {found.events} events in {took_s:.0f} s "
        f"({found.exchanges / took_s:.0f}/s, {found.exchanges / cpu_s:.0f}/s of CPU); {len(found.broken)} with a broken law"
    )
    if states:
        print(f"{len(found.met)} pairs of state and event")
        for phase, attempt, event in sorted(found.met):
            print(f"  {phase:12} {attempt:15} {event}")
        those, events = {pair[:2] for pair in found.met}, {pair[2] for pair in found.met}
        never = sorted((*state, event) for state in those for event in events if (*state, event) not in found.met)
        print(f"{len(never)} pairs of these states and these events were never met")
        for phase, attempt, event in never:
            print(f"  {phase:12} {attempt:15} {event}")
    return 1 if found.broken else 0


def reintroduce(seconds: float) -> int:
    missed = 0
    for name, put_back in FAULTS.items():
        with put_back(), simulated_kernel():
            began, seed = time.monotonic(), 0
            laws: list[str] = []
            while not laws and time.monotonic() - began < seconds:
                seed += 1
                laws = judged(seed)[1]
        missed += not laws
        print(
            f"{name}: {f'seed {seed}, {time.monotonic() - began:.1f} s: {laws[0]}' if laws else 'NOT FOUND'}",
            flush=True,
        )
    return 1 if missed else 0


def replay(seed: int, *, shrinks: bool) -> int:
    reduction = None
    if shrinks:
        try:
            reduction, _ = shrunk(seed, lambda text: print(text, file=sys.stderr, flush=True))
        except ValueError as exc:
            print(exc)
            return 0
    trace = Trace()
    world = World(seed, trace, reduction)
    print(world.scenario)
    try:
        world.run()
    finally:
        trace.flush()
        for client in world.clients:
            print(f"{client.name} {client.leaves or 'reads to the end'}: {client.end or 'no end'}")
        for record in world.records:
            print(
                f"logged: {record.method.decode()} {record.target.decode()} {record.status} {record.error} "
                f"{record.detail} {record.tunnel_end} {record.request_bytes} bytes up, {record.response_bytes} down, "
                f"{record.attempts} attempts, the last one at {record.origin}"
            )
    laws = list(broken_laws(world))
    for law in laws:
        print("BROKEN:", law)
    return 1 if laws else 0


if __name__ == "__main__":
    sys.exit(main())
