"""The table."""

import math
import time
from collections.abc import Mapping, Sequence
from typing import Final

from benchmarks.load.machine import describe_machine
from benchmarks.stress.fleet import version
from benchmarks.stress.row import Figure, Row, no_worse

#: Why a row in which a peer is better is as it is, by the beginning of its name.
REASONS: Final[dict[str, str]] = {
    "worker killed": "what the killed worker had under way",
    "worker dies at each start": "what each killed worker had under way: another accepts meanwhile, so some do get in",
    "worker hangs": "others accept after 2.5 beats (a quarter of `worker_stall_s` each): who came first waits so long, "
    "and whom the hung worker had accepted already is lost with it",
    "1,000 slow readers": "a small client shares its loop with them",
    "CPU: 10,000": "a chunk costs a length and a piece each, in Python; nginx and HAProxy read them in C. The work of one "
    "turn of the loop is bounded (2,048 chunks), so nobody else waits",
    "CPU: 100 interim": "each is a head of its own, read, stripped and written anew; `limits` bound their rate",
    "memory: clients that do not read": "one piece of up to 64 KiB (half of `limits.connection_buffer_bytes`) is queued "
    "for each",
    "memory: a service that does not read": "as above, for each upload; and two coroutines with their objects",
    "memory given back": "Python's allocator keeps arenas of which one object is in use; they are used again",
    "services restarted, POST": "a POST was sent just before its service ended the connection: whether it was acted on, "
    "nobody knows, so it is not sent again",
}


def markdown(results: Mapping[str, Mapping[str, Figure]], rows: Sequence[Row], names: Sequence[str], said: str) -> str:
    """STRESS.md."""
    lines = [
        "# What one failure costs everybody else",
        "",
        f"`{said}`, {time.strftime('%Y-%m-%d')}, on {describe_machine()}. In the same run: "
        + "; ".join(f"{name} {version(name)}" for name in names)
        + ".",
        "",
        "| row | " + " | ".join(names) + " | no worse than the better peer |",
        "| --- | " + " | ".join("---" for _ in names) + " | --- |",
    ]
    for row in rows:
        figures = results.get(row.name, {})
        if not figures:
            continue
        ours = figures.get("onehop")
        verdict = "-"
        if ours is not None and not math.isnan(ours.value):
            good = no_worse(row, ours, [figure for name, figure in figures.items() if name != "onehop"])
            verdict = "yes" if good else "**no**" + _reason(row.name)
        cells = [figures[name].text if name in figures else "not run" for name in names]
        lines.append(f"| {row.name}<br><small>{row.what}</small> | " + " | ".join(cells) + f" | {verdict} |")
    return "\n".join(lines) + "\n"


def _reason(name: str) -> str:
    """Where a row has none, the page says so: a gap that is named can be filled."""
    return ": " + next((why for beginning, why in REASONS.items() if name.startswith(beginning)), "not explained yet")
