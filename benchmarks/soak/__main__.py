"""`make soak`: mixed traffic for half an hour, or ARGS="--minutes N", and whether anything grew; writes benchmarks/SOAK.md.

In the first half, workers are killed and the configuration is reloaded; in the second, workers live on, so that what they
might leak adds up. Origins are killed and clients leave half-way all the time. At the end, everything rests, and what is
held then is compared with what was held before the first request.
"""

import asyncio
import itertools
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

import click
import trustme

from benchmarks.soak.trouble import Events, MortalService, abort, ask_over_tls, kill_origins, trouble_workers
from tests.harness.processes import OnehopProcess, onehop
from tests.harness.programs.process import family, free_port
from tests.harness.steady_load import SteadyLoad

_CONFIG: Final = """
listen = ["127.0.0.1:{port}"]
workers = 2
access_log = "off"
admin = {{ listen = "127.0.0.1:{admin}" }}
timeouts = {{ upstream_idle_s = 5.0, tunnel_shutdown_s = 5.0 }}
routes.all.upstream = "a"
[listeners.tls]
address = "127.0.0.1:{tls}"
tls.certificates = [{{ certificate = "{certificate}" }}]
[upstreams.a]
urls = [{urls}]
ejection.eject_s = 1.0
retry = {{ attempts = 3, on = ["connect_failure", "reset"] }}
"""
_SAMPLE_S: Final = 5.0
_REST_S: Final = 20.0  # longer than any connection is kept
_EXPLAINED_S: Final = 12.0  # after an event: what it cut off, and old workers within drain_s
_MOST_GROWN: Final = 0.10  # of memory, from the first to the last quarter of the half in which workers live on
_REPORT: Final = Path(__file__).parents[1] / "SOAK.md"


class Sample(NamedTuple):
    """What an instance holds."""

    at: float
    processes: int
    memory_mib: float  # resident, of workers and control; what they share counts each time
    descriptors: int
    threads: int


def sample(proxy: OnehopProcess) -> Sample:
    """Look at all processes of the instance."""
    memory = descriptors = threads = processes = 0
    for pid in family(proxy.process.pid):
        with suppress(OSError):
            fields = Path(f"/proc/{pid}/statm").read_text().split()
            descriptors += len(list(Path(f"/proc/{pid}/fd").iterdir()))
            threads += len(list(Path(f"/proc/{pid}/task").iterdir()))
            memory += int(fields[1]) * 4096
            processes += 1
    return Sample(time.monotonic(), processes, memory / 2**20, descriptors, threads)


def mean(samples: list[Sample], name: str) -> float:
    """Of one figure."""
    return float(sum(getattr(each, name) for each in samples)) / max(len(samples), 1)


async def watch(proxy: OnehopProcess, samples: list[Sample]) -> None:
    """Take a sample every few seconds."""
    while True:
        samples.append(sample(proxy))
        await asyncio.sleep(_SAMPLE_S)


async def soak(minutes: float, folder: Path) -> tuple[str, bool]:
    """Run, and return the report, and whether nothing grew."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    authority.issue_cert("soak.example").private_key_and_cert_chain_pem.write_to_path(str(folder / "soak.pem"))
    services = [MortalService(), MortalService()]
    for service in services:
        await service.live()
    ports = {"port": free_port(), "admin": free_port(), "tls": free_port()}
    urls = ", ".join(f'"http://127.0.0.1:{service.port}"' for service in services)
    config = folder / "onehop.toml"
    config.write_text(_CONFIG.format(**ports, certificate=folder / "soak.pem", urls=urls))
    async with onehop("run", "--config", str(config)) as proxy:
        await asyncio.sleep(3.0)
        before = sample(proxy)
        load, events, others = SteadyLoad(services[0], [ports["port"]]), Events(), Counter[str]()
        first: list[Sample] = []
        second: list[Sample] = []
        half_s = minutes * 30.0
        always = [
            asyncio.create_task(kill_origins(services, 20.0, events)),
            *[asyncio.create_task(abort(ports["port"], others)) for _ in range(2)],
            *[asyncio.create_task(ask_over_tls(ports["tls"], str(folder / "ca.pem"), others)) for _ in range(4)],
        ]
        async with load.running():
            for samples, trouble in ((first, True), (second, False)):
                tasks = [asyncio.create_task(watch(proxy, samples))]
                if trouble:
                    tasks.append(asyncio.create_task(trouble_workers(proxy, 15.0, events)))
                await asyncio.sleep(half_s)
                await ended(tasks)
            await ended(always)
        for service in services:
            await service.die()
        await asyncio.sleep(_REST_S)
        after = sample(proxy)
        errors = [line for line in proxy.banner if "error" in line.lower() or "Traceback" in line]
    return report(minutes, before, first, second, after, load, events, others, errors)


async def ended(tasks: list[asyncio.Task[None]]) -> None:
    """Stop these."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def report(
    minutes: float,
    before: Sample,
    first: list[Sample],
    second: list[Sample],
    after: Sample,
    load: SteadyLoad,
    events: Events,
    others: Counter[str],
    errors: list[str],
) -> tuple[str, bool]:
    """The page, and whether nothing grew."""
    quarter = max(1, len(second) // 4)
    early, late = second[:quarter], second[-quarter:]
    unexplained = [failure for failure in load.failures if not events.explains(failure.at, _EXPLAINED_S)]
    grown = mean(late, "memory_mib") / mean(early, "memory_mib") - 1
    checks = {
        f"memory while workers live on: {mean(early, 'memory_mib'):.0f} MiB, then {mean(late, 'memory_mib'):.0f} MiB": (
            grown <= _MOST_GROWN
        ),
        f"descriptors at rest: {before.descriptors} before, {after.descriptors} after": (
            # A worker opens /dev/null once, with its first connection; a leak would be one for each trouble.
            after.descriptors <= before.descriptors + before.processes
        ),
        f"threads at rest: {before.threads} before, {after.threads} after": after.threads <= before.threads,
        f"processes: {before.processes} before, {after.processes} after": after.processes == before.processes,
        f"failed without a kill or reload in the {_EXPLAINED_S:g} s before: {len(unexplained)}": not unexplained,
        f"lines in the error log that tell of an error: {len(errors)}": not errors,
    }
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in sorted((load.done + others).items()))
    happened = ", ".join(f"{count} × {what}" for what, count in sorted(events.done.items()))
    lines = [
        "# Half an hour of everything" if minutes >= 30 else f"# {minutes:g} minutes of everything",
        "",
        f'`make soak ARGS="--minutes {minutes:g}"`, two workers and a control process. What was done: {kinds}.',
        f"What happened meanwhile: {happened}. {len(load.failures)} requests of {load.done.total():,} of the checked load "
        "were lost to that.",
        "",
        "| minute | processes | memory, MiB | descriptors | threads |",
        "| ---: | ---: | ---: | ---: | ---: |",
        *rows(before, first + second, after),
        "",
        *[f"- {'' if held else '**NOT**: '}{text}" for text, held in checks.items()],
        *[f"- {failure}" for failure in unexplained[:5]],
        *[f"- {line[:200]}" for line in errors[:5]],
    ]
    return "\n".join(lines) + "\n", all(checks.values())


def rows(before: Sample, samples: list[Sample], after: Sample) -> Iterator[str]:
    """A line for a tenth of the time."""
    step = max(1, len(samples) // 10)
    for each in itertools.chain([before], samples[::step], [after]):
        minute = (each.at - before.at) / 60
        yield f"| {minute:.1f} | {each.processes} | {each.memory_mib:.0f} | {each.descriptors} | {each.threads} |"


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--minutes", default=30.0, show_default=True)
@click.option("--output", type=click.Path(path_type=Path), default=_REPORT, show_default=True)
def main(minutes: float, output: Path) -> None:
    """Mixed traffic, with everything that goes wrong in an instance's life: does anything grow?"""
    with tempfile.TemporaryDirectory() as folder:
        text, is_flat = asyncio.run(soak(minutes, Path(folder)))
    output.write_text(text)
    click.echo(text)
    sys.exit(not is_flat)


if __name__ == "__main__":
    main()
