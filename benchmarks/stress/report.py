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
    "memory: clients that do not read": "one piece of up to 64 KiB (half of limits.connection_buffer_bytes) is queued for "
    "each",
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
    return next((f": {reason}" for beginning, reason in REASONS.items() if name.startswith(beginning)), "")
