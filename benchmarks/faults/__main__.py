"""`make faults`, or `python -m benchmarks.faults`: see --help."""

import contextlib
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import click

from benchmarks.faults.fleet import PROGRAMS
from benchmarks.faults.measure import Outcome, measure
from benchmarks.faults.trio import FAULTS
from benchmarks.load.machine import describe_machine
from benchmarks.stress.names import NameServer, asking_us
from benchmarks.stress.row import NotRun

_WHOLE: Final = Path(__file__).parents[1] / "FAULTS.md"


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--faults", "words", default="", help="Only those with one of these words in their name; comma-separated."
)
@click.option("--proxies", default=",".join(PROGRAMS), show_default=True)
@click.option("--rounds", default=2, show_default=True, help="Each fault so often; the table has the sums.")
@click.option("--output", type=click.Path(path_type=Path), default=_WHOLE, help="The table's file.")
def main(words: str, proxies: str, rounds: int, output: Path) -> None:
    """Let one of three origins fail behind onehop and its peers, and count the requests that fail."""
    wanted = [word for word in words.split(",") if word]
    chosen = [fault for fault in FAULTS if not wanted or any(word in fault.name for word in wanted)]
    installed = [name for name in PROGRAMS if name in proxies.split(",") and PROGRAMS[name].find() is not None]
    results: dict[str, dict[str, list[Outcome]]] = {}
    with tempfile.TemporaryDirectory() as place, contextlib.ExitStack() as serving:
        names: NameServer | None = None
        with contextlib.suppress(NotRun):
            asking_us(Path(place) / "tried")
            names = serving.enter_context(NameServer({}).serving())
        for number in range(rounds):
            for fault in chosen:
                for name in installed:
                    if fault.needs_names and names is None:
                        continue
                    folder = Path(place) / f"{number}-{FAULTS.index(fault)}-{name}"
                    outcome = measure(name, fault, folder, names, seed=number + 1)
                    results.setdefault(fault.name, {}).setdefault(name, []).append(outcome)
                    click.echo(f"{fault.name:<26} {name:<8} {outcome.text}  {outcome.kinds}")
    output.write_text(markdown(results, installed, rounds, " ".join(["python -m benchmarks.faults", *sys.argv[1:]])))


def markdown(
    results: Mapping[str, Mapping[str, Sequence[Outcome]]], names: Sequence[str], rounds: int, said: str
) -> str:
    """FAULTS.md."""
    versions = "; ".join(f"{name} {PROGRAMS[name].said_version()}" for name in names)
    lines = [
        "# One of three origins fails",
        "",
        f"`{said}`, {time.strftime('%Y-%m-%d')}, on {describe_machine().rpartition('; ')[0]}. {versions}.",
        "",
        "60 GET and 30 POST a second, at random times, go through each proxy to three origins, and go on whether answers "
        "come or not; each answer's status and length are checked, and a client waits two seconds. Then "
        "something happens to one origin, and is undone six seconds later; each fault comes "
        f"{rounds} times. A cell says how many requests failed in "
        "all, POSTs among them, and how long after the fault's beginning the last one was made that failed. All "
        "proxies have the same times, checks and retries (`benchmarks/faults/fleet.py`); a POST may be sent again "
        "only where no connection came about, so some of those that were on their way are lost whoever carries them. "
        "**twice**: POSTs that arrived at origins more than once.",
        "",
        "| | " + " | ".join(names) + " |",
        "| --- |" + " ---: |" * len(names),
    ]
    for fault, outcomes in results.items():
        cells = [_cell(outcomes.get(name, ())) for name in names]
        lines.append(f"| {fault} | " + " | ".join(cells) + " |")
    everything = {name: [one for outcomes in results.values() for one in outcomes.get(name, ())] for name in names}
    lines.append("| **failed in all** | " + " | ".join(f"**{_failed(everything[name])}**" for name in names) + " |")
    asked = [f"{sum(one.asked for one in everything[name]):,}" for name in names]
    lines.append("| of requests | " + " | ".join(asked) + " |")
    twice = [str(sum(one.twice for one in everything[name])) for name in names]
    lines.append("| POSTs that arrived twice | " + " | ".join(twice) + " |")
    return "\n".join(lines) + "\n"


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


if __name__ == "__main__":
    main()
