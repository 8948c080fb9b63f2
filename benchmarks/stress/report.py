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
    "CPU: 10,000": "a chunk costs 0.09 to 0.2 µs, mostly that of making byte strings of its size and of its data (the same "
    "bytes in one chunk cost 0.6 ms in all); nginx and HAProxy walk through them. One turn of the loop takes 4,096 chunks at "
    "most, so nobody else waits",
    "CPU: 100 interim": "each is a head of its own, read, stripped and written anew; `limits` bound their rate",
    "memory: clients that do not read": "of a body, 57 KiB are queued for each (it is read in pieces of half of "
    "`limits.connection_buffer_bytes`), and two connections with their objects and coroutines are 19 KiB; clients that came "
    "before there were 256 connections hold a full read of 250 KiB",
    "memory: a service that does not read": "two connections with their objects and coroutines are 19 KiB, up to 61 KiB are "
    "queued, and up to 40 KiB were freed and are not given back yet: that takes milliseconds, so it is done every 10 s at most",
    "memory given back": "Python's allocator keeps arenas of which one object is in use; they are used again",
    "services restarted, POST": "a POST reached its service as that ended, which closed the connection without an answer: "
    "whether it was acted on, nobody knows, so it is not sent again. In eight more runs of this row on a quiet machine none of "
    "12,059 was lost, and none of HAProxy's 11,963",
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
