"""The table."""

import math
import time
from collections.abc import Mapping, Sequence
from typing import Final

from benchmarks.load.machine import describe_machine
from benchmarks.stress.fleet import version
from benchmarks.stress.row import Figure, Row, verdict

#: Why a row in which a peer is better is as it is, by the beginning of its name.
REASONS: Final[dict[str, str]] = {
    "worker killed": "what the killed worker had under way",
    "worker dies at each start": "what each killed worker had under way: another accepts meanwhile, so some do get in",
    "worker hangs": "others accept after 2.5 beats (a quarter of `worker_stall_s` each): who came first waits so long, "
    "and whom the hung worker had accepted already is lost with it",
    "1,000 slow readers": "a small client shares its loop with them",
    "CPU: 10,000": "a chunk costs 0.07 to 0.2 µs, mostly that of making byte strings of its size and of its data (the same "
    "bytes in one chunk cost 0.6 ms in all); nginx and HAProxy walk through them. One turn of the loop takes 4,096 chunks at "
    "most, so nobody else waits",
    "CPU: 100 interim": "each is a head of its own, read, stripped and written anew; `limits` bound their rate",
    "memory: clients that do not read": "of a body, 57 KiB are queued for each (it is read in pieces of half of "
    "`limits.connection_buffer_bytes`), and two connections with their objects and coroutines are 19 KiB; clients that came "
    "before there were 256 connections hold a full read of 250 KiB",
    "memory: a service that does not read": "two connections with their objects and coroutines are 13 to 19 KiB, a piece of up "
    "to 64 KiB (half of `limits.connection_buffer_bytes`) is queued, and an upload of which the kernel has taken two mebibytes is "
    "read in full reads until it stands still; nginx and HAProxy keep a buffer of 8 and of 16 KiB. Meant: 128 KiB",
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
        f"`{said}`, {time.strftime('%Y-%m-%d')}, on {describe_machine().rpartition('; ')[0]}; the proxy, the load and the "
        "services share the cores. In the same run: " + "; ".join(f"{name} {version(name)}" for name in names) + ".",
        "",
        "| row | " + " | ".join(names) + " | no worse than the better peer |",
        "| --- | " + " | ".join("---" for _ in names) + " | --- |",
    ]
    for row in rows:
        figures = results.get(row.name, {})
        if not figures:
            continue
        cells = [figures[name].text if name in figures else "not run" for name in names]
        cells.append(_judged(row, figures))
        lines.append(f"| {row.name}<br><small>{row.what}</small> | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def hostile_markdown(results: Mapping[str, Mapping[str, Figure]], rows: Sequence[Row], said: str) -> str:
    """HOSTILE.md: the rows about CPU, beside nginx."""
    lines = [
        "# CPU per hostile request",
        "",
        f"The rows of `{said}` ([STRESS.md](STRESS.md)) about CPU, of the same run: ratios to a normal small GET of the same",
        "proxy count, microseconds move with the machine. Every request is within the limits, or is refused. The target: none",
        "costs more than ten normal requests, or three times what nginx needs for the same bytes.",
        "",
        "| what | onehop | nginx | × nginx | within the target |",
        "| --- | --- | --- | ---: | --- |",
    ]
    missed = []
    for row in rows:
        figures = results.get(row.name, {})
        if not row.name.startswith("CPU: ") or "onehop" not in figures or "nginx" not in figures:
            continue
        ours, nginx = figures["onehop"], figures["nginx"]
        times = ours.cost_us / nginx.cost_us
        good = ours.value <= row.enough or times <= row.times_nginx
        name = row.name.removeprefix("CPU: ")
        shown = f"{times:.1f}" if math.isfinite(times) else "-"
        lines.append(f"| {name} | {ours.text} | {nginx.text} | {shown} | {'yes' if good else '**no**'} |")
        if not good:
            missed.append(f"- **{name}**{_reason(row.name)}.")
    if missed:
        lines += ["", "Beyond the target:", "", *missed]
    return "\n".join(lines) + "\n" + _ABOUT_CPU


_ABOUT_CPU: Final = """
What costs most, and why:

- **10,000 chunks** are 60 to 900 KB, hundreds to thousands of times the bytes of a normal request. Whole chunks are read
  hundreds at once; what is left is one size and one piece of data for each, 0.07 to 0.2 µs in all. With a line end in each, they
  cannot be found by searching for line ends: each is read by its size.
- **100 interim responses** are each a head that is read, stripped and written anew.
- **A request in segments of one byte** is some 240 reads, each a turn of the event loop, a system call, and a search in what
  is new. Its figure in the table of STRESS.md is per segment, and its sender pays a packet for each.

One turn of the loop takes 4,096 chunks at most: what such a body costs, it costs itself, and others have their turn in between.

With `reader = "h11"`, which is no default, h11 reads each chunked body beside our own parser, chunk by chunk: 10,000 of them
cost as much as hundreds of normal requests. That is what a second opinion costs; a turn of the event loop has no more than 128
chunks of it before others have theirs.
"""


def _judged(row: Row, figures: Mapping[str, Figure]) -> str:
    found = verdict(row, figures)
    if found is None:
        return "-"
    return found.text if found.good else found.text + _reason(row.name)


def _reason(name: str) -> str:
    """Where a row has none, the page says so: a gap that is named can be filled."""
    return ": " + next((why for beginning, why in REASONS.items() if name.startswith(beginning)), "not explained yet")
