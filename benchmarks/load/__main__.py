"""`make bench`, or `python -m benchmarks.load`: see --help."""

import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from types import FrameType
from typing import Final

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks.instructions.cases import CASES
from benchmarks.instructions.count import count, ways
from benchmarks.load.against import THIS, checkout, print_comparison
from benchmarks.load.machine import describe_machine
from benchmarks.load.peers import PROXIES, Proxy
from benchmarks.load.report import Context, print_summary, write
from benchmarks.load.run import Plan, run
from benchmarks.load.workloads import WORKLOADS, Workload

_WHOLE: Final = Path(__file__).parents[1]
_PARTIAL: Final = _WHOLE.parent / ".cache" / "benchmarks"
_COUNTED_REQUESTS: Final = 100
_SECONDS_HELP: Final = "Per sample; where wrk is the load, whole ones."
_OUTPUT_HELP: Final = "Where to write.  [default: benchmarks; .cache/benchmarks for less than the whole]"


def _chosen_workloads(asked: str) -> list[Workload]:
    parts = [part.strip() for part in asked.split(",") if part.strip()]
    chosen = [workload for workload in WORKLOADS if not parts or any(part in workload.name for part in parts)]
    if not chosen:
        raise click.BadParameter("there are: " + ", ".join(f'"{workload.name}"' for workload in WORKLOADS))
    return chosen


def _chosen_proxies(asked: str) -> list[Proxy]:
    names = [name.strip() for name in asked.split(",") if name.strip()]
    known = {proxy.name: proxy for proxy in PROXIES}
    if unknown := [name for name in names if name not in known]:
        raise click.BadParameter(f"{', '.join(unknown)}: there are {', '.join(known)}")
    return [proxy for proxy in PROXIES if not names or proxy.name in names]


def _instructions(console: Console) -> dict[str, dict[str, float]]:
    """Of each kind of request, by the way in which it was carried."""
    found: dict[str, dict[str, float]] = {}
    for way in ways():
        if "," not in way.name:
            console.print(f"counting instructions: {way.name}")
            for name, instructions in count(way, CASES, _COUNTED_REQUESTS):
                found.setdefault(name, {})[way.name] = instructions
    return found


def _stop(signal_number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt  # so that SIGTERM, too, ends what we started


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--workloads", default="", help="Only those with one of these words in their name; comma-separated.")
@click.option("--proxies", default="", help="Only these; comma-separated.")
@click.option("--rounds", default=3, show_default=True, type=click.IntRange(1))
@click.option("--seconds", default=1.0, show_default=True, type=click.FloatRange(0.1), help=_SECONDS_HELP)
@click.option("--quick", is_flag=True, help="One round of a second, fewer idle connections: figures are rough.")
@click.option(
    "--against",
    type=click.Path(path_type=Path, file_okay=False, exists=True, resolve_path=True),
    help="Another checkout of onehop: compare this one with it, and with nobody else unless --proxies says so.",
)
@click.option("--output", type=click.Path(path_type=Path, file_okay=False), help=_OUTPUT_HELP)
def main(
    workloads: str, proxies: str, rounds: int, seconds: float, quick: bool, against: Path | None, output: Path | None
) -> None:
    """Put the same load on onehop and on the proxies that are installed, and compare what it cost them."""
    console = Console(width=None if sys.stdout.isatty() else 100)
    for program, package in (("nginx", "nginx-light"), ("wrk", "wrk")):  # the upstream, the load
        if shutil.which(program, path="/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin") is None:
            raise click.ClickException(f"needs {program}: apt-get install {package}")
    asked = _chosen_proxies(proxies or (THIS if against is not None else ""))
    if against is not None:
        asked.append(checkout(against))
    installed = [proxy for proxy in asked if proxy.program.find() is not None]
    missing = [f"{proxy.name}: {proxy.program.install}" for proxy in asked if proxy.program.find() is None]
    for line in missing:
        console.print(f"not installed, left out: {line}")
    plan = Plan(_chosen_workloads(workloads), installed, 1 if quick else rounds, 1 if quick else seconds, quick)
    signal.signal(signal.SIGTERM, _stop)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with (
        tempfile.TemporaryDirectory(prefix="onehop-bench-") as name,
        Progress(*columns, console=console, refresh_per_second=2) as progress,  # drawing takes from the load's core
    ):
        bar = progress.add_task("starting", total=plan.steps())
        begun = False

        def step(description: str) -> None:
            nonlocal begun
            progress.update(bar, description=description, advance=1 if begun else 0)
            begun = True

        try:
            findings = run(plan, Path(name), step)
        except KeyboardInterrupt:
            raise click.Abort from None
        progress.update(bar, description="done", advance=1)
    is_whole = not (workloads or proxies or quick or against)
    words = [f'"{word}"' if " " in word or "," in word else word for word in sys.argv[1:]]
    context = Context(
        command=" ".join(["python -m benchmarks.load", *words]),
        machine=describe_machine(),
        versions={proxy.name: proxy.program.said_version() for proxy in installed},
        missing=missing,
        plan=plan,
        instructions=_instructions(console) if is_whole and shutil.which("valgrind") else {},
    )
    if output is None:
        output = _WHOLE if is_whole else _PARTIAL
    write(findings, context, output)
    if against is not None:
        print_comparison(list(plan.workloads), findings.results, console)
    else:
        print_summary(findings, console)
    console.print(f"written: {os.path.relpath(output / 'RESULTS.md')}")
    own = [void for void in findings.voids if ", onehop" in void]
    if own:
        raise click.ClickException(f"onehop gave wrong answers: {own[0]}")


if __name__ == "__main__":
    main()
