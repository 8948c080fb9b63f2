"""`make bench`: every workload over every installed proxy, in alternation, several rounds."""

import shutil
import sys
import tempfile
from pathlib import Path

import click
from rich.progress import Progress

from benchmarks.load.measure import cpu_us, sample
from benchmarks.load.proxies import PROXIES, is_installed, running, version
from benchmarks.load.report import Results, median_us, write
from benchmarks.load.service import serving
from benchmarks.load.workloads import WORKLOADS, generate

_PROXY_CPU, _LOAD_CPU = 0, 1


@click.command()
@click.option("--workloads", default="", help="Only those whose name has this in it; comma-separated.")
@click.option("--proxies", default="", help="Only these; comma-separated.")
@click.option("--rounds", default=5, show_default=True)
@click.option("--seconds", default=4, show_default=True, help="Of load, per proxy, workload and round.")
@click.option("--quick", is_flag=True, help="One short round.")
@click.option("--output", type=click.Path(path_type=Path), default=Path(__file__).parents[1])
def main(workloads: str, proxies: str, rounds: int, seconds: int, quick: bool, output: Path) -> None:
    """Measure CPU per request, requests per second, latency and memory of onehop and its peers."""
    for program in ("nginx", "wrk"):
        if shutil.which(program) is None:
            raise click.ClickException(f"needs {program}: apt-get install {program}")
    rounds, seconds = (1, 1) if quick else (rounds, seconds)
    chosen = [w for w in WORKLOADS if not workloads or any(part in w.name for part in workloads.split(","))]
    asked = [p for p in PROXIES if not proxies or p.name in proxies.split(",")]
    installed = [p for p in asked if is_installed(p)]
    missing = [f"{p.name} ({p.install})" for p in asked if not is_installed(p)]
    results: Results = {workload.name: {} for workload in chosen}
    with (
        tempfile.TemporaryDirectory() as name,
        serving(Path(name) / "service", _LOAD_CPU) as upstream,
        Progress() as progress,
    ):
        bar = progress.add_task("", total=rounds * len(chosen) * len(installed))
        for round_number in range(rounds):
            for workload in chosen:
                for proxy in installed:
                    progress.update(bar, description=f"{workload.name}: {proxy.name}")
                    folder = Path(name) / f"{proxy.name}-{workload.name}-{round_number}".replace(" ", "_")
                    with running(proxy, folder, upstream, log=workload.log, cpu=_PROXY_CPU) as (pid, port):
                        generate(workload, port, folder, 1, _LOAD_CPU)  # warms up connections and caches
                        before = cpu_us(pid)
                        load = generate(workload, port, folder, seconds, _LOAD_CPU)
                        measured = sample(load, cpu_us(pid) - before, pid)
                    if measured.bad:
                        progress.console.print(f"void: {proxy.name} gave {measured.bad} wrong answers: {workload.name}")
                    else:
                        results[workload.name].setdefault(proxy.name, []).append(measured)
                    progress.advance(bar)
    results = {workload: ps for workload, ps in results.items() if ps}
    command = "python -m benchmarks.load" + "".join(f" {word}" for word in sys.argv[1:])
    write(results, {p.name: version(p) for p in installed}, missing, command, output)
    for workload_name, measured_proxies in results.items():
        figures = ", ".join(f"{name} {median_us(samples):,.0f}" for name, samples in measured_proxies.items())
        click.echo(f"{workload_name}: CPU µs per request: {figures}")


if __name__ == "__main__":
    main()
