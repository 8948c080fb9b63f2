"""`make simulate`: many seeds, one replayed with its trace, or old faults put back to see that they are found."""

import argparse
import sys
import time

from tests.simulation.laws import broken_laws
from tests.simulation.reintroduced import FAULTS
from tests.simulation.world import World


def main() -> int:
    options = argparse.ArgumentParser(prog="make simulate ARGS=...", description=__doc__)
    options.add_argument("--seed", type=int, help="replay one, with its trace")
    options.add_argument("--first", type=int, default=1, help="the first of many")
    options.add_argument("--seconds", type=float, default=60.0, help="for how long")
    options.add_argument("--finds", type=int, default=5, help="stop after so many")
    options.add_argument("--reintroduce", action="store_true", help="put old faults back, one at a time")
    options.add_argument("--states", action="store_true", help="print what was met in which state")
    given = options.parse_args()
    if given.seed is not None:
        return replay(given.seed)
    if given.reintroduce:
        return reintroduce(given.seconds)
    return search(given.first, given.seconds, given.finds, states=given.states)


def judged(seed: int) -> tuple[World, list[str]]:
    """A world that has run, and the laws that it broke."""
    world = World(seed)
    try:
        world.run()
    except Exception as exc:  # a find, too: the simulation goes on with the next seed
        return world, [f"the world ended: {exc!r}"]
    return world, list(broken_laws(world))


def search(first: int, seconds: float, most_finds: int, *, states: bool) -> int:
    began, exchanges, finds, seed = time.monotonic(), 0, 0, first
    met: set[tuple[str, str, str]] = set()
    while time.monotonic() - began < seconds and finds < most_finds:
        world, laws = judged(seed)
        exchanges += len(world.records)
        met |= world.met
        if laws:
            finds += 1
            print(f"seed {seed}: {laws[0]}" + (f" (and {len(laws) - 1} more)" if laws[1:] else ""), flush=True)
        seed += 1
    took_s = time.monotonic() - began
    print(
        f"seeds {first} to {seed - 1}: {exchanges} exchanges in {took_s:.0f} s ({exchanges / took_s:.0f}/s), "
        f"{len(met)} pairs of state and event; {finds} with a broken law"
    )
    if states:
        for phase, attempt, event in sorted(met):
            print(f"  {phase:12} {attempt:15} {event}")
    return 1 if finds else 0


def reintroduce(seconds: float) -> int:
    missed = 0
    for name, put_back in FAULTS.items():
        with put_back():
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


def replay(seed: int) -> int:
    world = World(seed, print)
    try:
        world.run()
    finally:
        for client in world.clients:
            print(f"{client.endpoint.name} {client.leaves or 'reads to the end'}: {client.end or 'no end'}")
        for record in world.records:
            print(record)
    laws = list(broken_laws(world))
    for law in laws:
        print("BROKEN:", law)
    return 1 if laws else 0


if __name__ == "__main__":
    sys.exit(main())
