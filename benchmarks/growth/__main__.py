"""`python -m benchmarks.growth`: measure every curve, print it, and write GROWTH.md."""

import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from benchmarks.growth import live, pure
from benchmarks.growth.fit import Curve
from benchmarks.load.machine import describe_machine
from benchmarks.load.upstreams import upstreams

_OUTPUT_HELP = "Where to write GROWTH.md.  [default: benchmarks; nowhere with --pure-only]"


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--pure-only", is_flag=True, help="Only functions: no sockets, no load.")
@click.option("--output", type=click.Path(path_type=Path, file_okay=False), help=_OUTPUT_HELP)
def main(pure_only: bool, output: Path | None) -> None:
    """Show how CPU grows with the size of the task."""
    console = Console()
    curves = _shown(pure.curves(), console)
    if not pure_only:
        for program, package in (("nginx", "nginx-light"), ("wrk", "wrk")):
            if shutil.which(program, path="/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin") is None:
                raise click.ClickException(f"needs {program}: apt-get install {package}; or --pure-only")
        with tempfile.TemporaryDirectory(prefix="onehop-growth-") as name, upstreams(Path(name) / "upstreams") as ports:
            curves += _shown(live.curves(ports, Path(name)), console)
    if output is None and not pure_only:
        output = Path(__file__).parents[1]
    if output is not None:
        output.mkdir(parents=True, exist_ok=True)
        (output / "GROWTH.md").write_text("\n".join(_page(curves, pure_only)) + "\n")
    table = Table("task", "grows by", "exponent", "verdict", box=None)
    for curve in curves:
        style = "bold red" if curve.is_defect else None
        table.add_row(curve.task, curve.grows_by, f"{curve.exponent:.2f}", curve.verdict, style=style)
    console.print(table)


def _shown(curves: Iterable[Curve], console: Console) -> list[Curve]:
    """Gather them, with the task at hand on the terminal."""
    gathered = []
    with console.status("measuring") as status:
        for curve in curves:
            gathered.append(curve)
            status.update(f"measured: {curve.task}, by {curve.grows_by}")
    return gathered


def _page(curves: list[Curve], pure_only: bool) -> list[str]:
    lines = [
        "# How cost grows", "",
        f"`python -m benchmarks.growth{' --pure-only' if pure_only else ''}` on {describe_machine()}.", "",
        "Each row is one task at growing sizes. Costs are CPU in microseconds: of one call, the cheapest of several; end to "
        "end, of all the proxy's processes per request. The exponent is the slope of the larger sizes with both axes "
        "logarithmic: 0 is flat, 1 linear, 2 quadratic. Curves go beyond what the limits let in, to show their form; "
        "the bound is what stops it.", "",
        "| task | grows by | cost in µs by size | exponent | verdict | bound |",
        "| --- | --- | --- | ---: | --- | --- |",
    ]  # fmt: skip
    for curve in curves:
        costs = " · ".join(f"{size:,}: {_digits(cost)}" for size, cost in curve.points)
        verdict = f"**{curve.verdict}**" if curve.is_defect else curve.verdict
        lines.append(
            f"| {curve.task} | {curve.grows_by} | {costs} | {curve.exponent:.2f} | {verdict} | {curve.bound} |"
        )
    return lines


def _digits(cost: float) -> str:
    return f"{cost:,.0f}" if cost >= 100 else f"{cost:.3g}"


if __name__ == "__main__":
    main()
