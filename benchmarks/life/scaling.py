"""`python -m benchmarks.life.scaling`: what a small GET costs with one worker and with two, and what workers hold in memory.

What loads them and what they ask have one of two cores, so one worker has the other for itself, and of two workers one shares.
The cost of a request is CPU time by the scheduler's clock, of all processes of the instance. docs/scaling.md has the figures.
"""

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

from benchmarks.load.processes import clock
from benchmarks.load.upstreams import SMALL, upstreams
from benchmarks.load.wrk import Wrk, generate
from tests.harness.programs.process import Server, family, free_port, serving, wait_until_listening

_ROUNDS: Final = 5
_SECONDS: Final = 5
_WARM_S: Final = 1
_SETTLE_S: Final = 3  # for all processes to have started
_IDLE_WORKERS: Final = (1, 2, 4, 8)
_CONFIG: Final = """
listen = "127.0.0.1:{port}"
workers = {workers}
access_log = "off"
admin.listen = "127.0.0.1:{admin}"
upstreams.a.urls = ["http://127.0.0.1:{upstream}"]
"""


class Round(NamedTuple):
    """What one round has shown."""

    requests_per_s: float
    cores: float
    cpu_us: float  # per request
    failed: int


@contextmanager
def instance(folder: Path, workers: int, upstream: int) -> Iterator[Server]:
    """onehop with so many workers; it listens."""
    port, file = free_port(), folder / f"onehop-{workers}.toml"
    file.write_text(_CONFIG.format(port=port, workers=workers, admin=free_port(), upstream=upstream))
    with serving([sys.executable, "-m", "proxy", "run", "--config", str(file)], port) as server:
        wait_until_listening(server)
        yield server


def measure(server: Server, folder: Path, first: int) -> Round:
    """Load it for some seconds."""
    before = clock(server.pid)
    load = generate(Wrk("/small", SMALL), server.port, folder, _SECONDS, first)
    cpu_us = clock(server.pid).since(before).cpu_us
    return Round(load.requests / load.duration_s, cpu_us / 1e6 / load.duration_s, cpu_us / load.requests, load.bad)


def held_mib(pid: int) -> float:
    """What all its processes hold, each page that several share once."""
    rows = (row for one in family(pid) for row in Path(f"/proc/{one}/smaps_rollup").read_text().splitlines())
    return sum(int(row.split()[1]) for row in rows if row.startswith("Pss:")) / 1024


def main() -> None:
    """Print both tables."""
    with tempfile.TemporaryDirectory() as name, upstreams(Path(name)) as services:
        folder, rounds = Path(name), {workers: list[Round]() for workers in (1, 2)}
        with instance(folder, 1, services.plain) as one, instance(folder, 2, services.plain) as two:
            for server in (one, two):
                generate(Wrk("/small", SMALL), server.port, folder, _WARM_S, 0)
            for number in range(_ROUNDS):
                for workers, server in ((1, one), (2, two)):
                    rounds[workers].append(measure(server, folder, number << 32))
        print("| workers | requests/s | cores used | CPU per request | failed |\n| ---: | ---: | ---: | ---: | ---: |")
        for workers, found in rounds.items():
            rate, cores, cpu_us = (median(numbers) for numbers in list(zip(*found, strict=True))[:3])
            failed = sum(each.failed for each in found)
            print(f"| {workers} | {rate:,.0f} | {cores:.2f} | {cpu_us:.1f} µs | {failed} |")
        print("\n| workers | memory without clients |\n| ---: | ---: |")
        for workers in _IDLE_WORKERS:
            with instance(folder, workers, services.plain) as server:
                time.sleep(_SETTLE_S)
                print(f"| {workers} | {held_mib(server.pid):.0f} MiB |")


if __name__ == "__main__":
    main()
