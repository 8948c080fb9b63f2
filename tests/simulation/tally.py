"""What long runs write down as they go: a line of JSON for each hundred worlds, so that one that is ended loses nothing."""

import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TextIO

from tests.simulation.search import Found


class Tally:
    """One run's file."""

    def __init__(self, file: TextIO, what_runs: str) -> None:
        """`what_runs` names the version."""
        self._file = file
        self._what_runs = what_runs
        self._cpu_s = time.process_time()

    def note(self, found: Found) -> None:
        """Add what some worlds have shown."""
        before, self._cpu_s = self._cpu_s, time.process_time()
        line = {
            "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "runs": self._what_runs,
            "seeds": [found.seeds.start, found.seeds.stop],
            "worlds": found.worlds,
            "exchanges": found.exchanges,
            "events": found.events,
            "cpu_s": round(self._cpu_s - before, 3),
            "broken": found.broken,
        }
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()


def totals(paths: Iterable[Path]) -> str:
    """What these files say together, a line for each version and one for all."""
    sums: dict[str, list[float]] = {}
    broken: list[str] = []
    for path in paths:
        for text in path.read_text().splitlines():
            line = json.loads(text)
            for name in (line["runs"], "all"):
                into = sums.setdefault(name, [0, 0, 0, 0.0, float("inf"), 0])
                for at, key in enumerate(("worlds", "exchanges", "events", "cpu_s")):
                    into[at] += line[key]
                into[4], into[5] = min(into[4], line["seeds"][0]), max(into[5], line["seeds"][1] - 1)
            broken += [f"{line['runs']}: seed {seed}: {laws[0]}" for seed, laws in line["broken"].items()]
    if "all" in sums:
        sums["all"] = sums.pop("all")  # last
    lines = [
        f"{name}: {worlds:,.0f} worlds, seeds from {first:.0f} to {last:.0f}; {exchanges:,.0f} exchanges, {events:,.0f} "
        f"events on the network, {cpu_s:,.0f} s of CPU ({exchanges / max(cpu_s, 0.001):,.0f} exchanges/s of CPU)"
        for name, (worlds, exchanges, events, cpu_s, first, last) in sums.items()
    ]
    return "\n".join([*lines, f"{len(broken)} worlds broke a law", *broken])
