"""FAULTS.md: a table for each kind of settings, and a sentence for each row in which another proxy lost fewer."""

import time
from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

from benchmarks.faults.fleet import PROGRAMS
from benchmarks.faults.measure import Outcome
from benchmarks.load.machine import describe_machine

#: By kind of settings, fault and proxy: what each round cost.
Results: TypeAlias = Mapping[str, Mapping[str, Mapping[str, Sequence[Outcome]]]]

_KINDS: Final = {
    "usual": (
        "Each proxy's own settings",
        "Each proxy has its defaults, with checks and retries as its users set them; onehop's are those of config/examples/health.toml "
        "([usual.py](faults/usual.py)).",
    ),
    "same": (
        "The same settings for all",
        "All have the same times, checks and retries, and leave an origin out after one failure "
        "([same.py](faults/same.py)).",
    ),
}


def markdown(results: Results, names: Sequence[str], rounds: int, said: str) -> str:
    """The page."""
    versions = "; ".join(f"{name} {PROGRAMS[name].said_version()}" for name in names)
    lines = [
        "# One of three origins fails",
        "",
        f"`{said}`, {time.strftime('%Y-%m-%d')}, on {describe_machine().rpartition('; ')[0]}. {versions}.",
        "",
        "60 GET and 30 POST a second, at random times, go through each proxy to three origins of its own, and go on "
        "whether answers come or not; each answer's status and length are checked, and a client waits two seconds. "
        "Then something happens to one origin, and is undone six seconds later; each fault comes "
        f"{_times(rounds)}, to all proxies at the same time. A cell says how many requests failed in "
        "all, POSTs among them, and how long after the fault's beginning the last one was made that failed. A POST may "
        "be sent again only where no connection could be opened, so some of those on their way are lost whoever "
        "carries them.",
    ]
    for kind, rows in results.items():
        title, text = _KINDS[kind]
        lines += ["", f"## {title}", "", text, "", *_table(rows, names)]
        lines += ["", *(_sentences(rows) if "onehop" in names else [])]
    return "\n".join(lines).rstrip() + "\n"


def _times(rounds: int) -> str:
    return "once" if rounds == 1 else f"{rounds} times"


def _table(rows: Mapping[str, Mapping[str, Sequence[Outcome]]], names: Sequence[str]) -> list[str]:
    lines = ["| | " + " | ".join(names) + " |", "| --- |" + " ---: |" * len(names)]
    for fault, outcomes in rows.items():
        cells = [_cell(outcomes.get(name, ())) for name in names]
        lines.append(f"| {fault} | " + " | ".join(cells) + " |")
    everything = {name: [one for outcomes in rows.values() for one in outcomes.get(name, ())] for name in names}
    lines.append("| **failed in all** | " + " | ".join(f"**{_failed(everything[name])}**" for name in names) + " |")
    asked = [f"{sum(one.asked for one in everything[name]):,}" for name in names]
    lines.append("| of requests | " + " | ".join(asked) + " |")
    twice = [str(sum(one.twice for one in everything[name])) for name in names]
    lines.append("| POSTs that arrived twice | " + " | ".join(twice) + " |")
    return lines


def _sentences(rows: Mapping[str, Mapping[str, Sequence[Outcome]]]) -> list[str]:
    """What the table says of onehop, row by row where it is not the best."""
    worse = []
    for fault, outcomes in rows.items():
        ours = _failed(outcomes.get("onehop", ()))
        others = {name: _failed(each) for name, each in outcomes.items() if name != "onehop" and each}
        fewer = {name: count for name, count in others.items() if count < ours}
        if fewer:
            said = ", ".join(f"{name} {count}" for name, count in sorted(fewer.items(), key=lambda each: each[1]))
            worse.append(f"- **{fault}**: onehop lost {ours}, {said}.")
    if not worse:
        return ["In no row did another proxy lose fewer requests than onehop."]
    return ["Another proxy lost fewer requests than onehop:", "", *worse]


def _failed(outcomes: Sequence[Outcome]) -> int:
    return sum(outcome.failed for outcome in outcomes)


def _cell(outcomes: Sequence[Outcome]) -> str:
    if not outcomes:
        return "not run"
    whole = Outcome(
        sum(one.asked for one in outcomes),
        sum(one.failed_gets for one in outcomes),
        sum(one.failed_posts for one in outcomes),
        max(one.recovered_s for one in outcomes),
        sum(one.twice for one in outcomes),
    )
    return whole.text
