"""Another checkout of onehop beside this one: what a change costs, in the same run."""

import statistics
import sys
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from benchmarks.load.peers import Place, Proxy
from benchmarks.load.samples import Figure, Results, Sample, figure
from benchmarks.load.workloads import Measure, Workload
from tests.harness.programs import Program

THIS: Final = "onehop"
OTHER: Final = "other"


def checkout(path: Path) -> Proxy:
    """onehop as it stands in another folder, on this interpreter and with these packages: so only its own code differs."""

    def command(python: str, place: Place) -> list[str]:
        return [
            python, "-P", "-m", "proxy", "run", "--workers", "1", "--listen", f"127.0.0.1:{place.port}",
            "--upstream", f"http://127.0.0.1:{place.upstream_port}", "--access-log", "json" if place.log else "off",
        ]  # fmt: skip

    def version(python: str) -> list[str]:
        code = f"import sys; sys.path.insert(0, {str(path)!r}); from proxy import __version__; print(__version__)"
        return [python, "-P", "-c", code]

    # -P and PYTHONPATH: else the folder that we are in would go first.
    program = Program(OTHER, "", lambda: sys.executable, version)
    return Proxy(OTHER, program, command, {"PYTHONPATH": str(path)})


def ratio(these: list[Sample], others: list[Sample], measure: Measure) -> Figure:
    """This checkout's figure over the other's: of each round, so that what disturbs a round disturbs both sides."""
    return figure(
        _figure_of(this, measure) / _figure_of(other, measure) for this, other in zip(these, others, strict=False)
    )


def _figure_of(sample: Sample, measure: Measure) -> float:
    value = {
        Measure.CPU: sample.cpu_us,
        Measure.LATENCY: sample.p99_s,
        Measure.MEMORY: sample.connection_bytes,
    }[measure]
    assert value is not None
    return value


_UNITS: Final = {Measure.CPU: (1, "µs"), Measure.LATENCY: (1e6, "µs"), Measure.MEMORY: (1, "B")}


def print_comparison(workloads: list[Workload], results: Results, console: Console) -> None:
    """One row per workload: this checkout, the other, and the ratio with its quartiles."""
    table = Table(box=None)
    table.add_column("workload")
    for title in ("this", "other", "this / other", "quartiles"):
        table.add_column(title, justify="right")
    for workload in workloads:
        of_both = results.get(workload.name, {})
        if THIS not in of_both or OTHER not in of_both:
            continue
        factor, unit = _UNITS[workload.measure]
        medians = [
            statistics.median(_figure_of(sample, workload.measure) for sample in of_both[name])
            for name in (THIS, OTHER)
        ]
        found = ratio(of_both[THIS], of_both[OTHER], workload.measure)
        table.add_row(
            f"{workload.name}, {workload.measure.value}",
            *(f"{median * factor:.1f} {unit}" for median in medians),
            f"{found.median:.3f}",
            f"{found.low:.3f} to {found.high:.3f}",
        )
    console.print(table)
