"""Curves of a running onehop: CPU of its processes under load, where no pure function shows the cost."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from benchmarks.growth.fit import Curve
from benchmarks.load.clients.idle import affordable
from benchmarks.load.measure import holding, measure
from benchmarks.load.processes import PROXY_CORE, clock, pinned
from benchmarks.load.upstreams import Upstreams
from benchmarks.load.workloads import SMALL_GET, Own, Workload
from tests.harness.programs.process import Server, free_port, serving, wait_until_listening

_SECONDS: Final = 1.0
_IDLE_SECONDS: Final = 2.0


@contextmanager
def _onehop(folder: Path, upstream_port: int, routes: int = 0, workers: int = 1) -> Iterator[Server]:
    port = free_port()
    words = [
        sys.executable,
        "-m",
        "proxy",
        "run",
        "--workers",
        str(workers),
        "--access-log",
        "off",
        "--listen",
        f"127.0.0.1:{port}",
    ]
    folder.mkdir(parents=True)
    if routes:
        path = folder / "onehop.toml"
        path.write_text(_routes(upstream_port, routes))
        words += ["--config", str(path)]
    else:
        words += ["--upstream", f"http://127.0.0.1:{upstream_port}"]
    with serving(pinned(words, PROXY_CORE), port, errors=folder / "errors") as server:
        wait_until_listening(server)
        yield server


def _routes(upstream_port: int, routes: int) -> str:
    lines = ["[upstreams.app]", f'urls = ["http://127.0.0.1:{upstream_port}"]']
    for number in range(routes - 1):
        lines += [f"[routes.r{number}]", 'upstream = "app"', f'path = "/service-{number}"']
    return "\n".join([*lines, "[routes.rest]", 'upstream = "app"', 'path = "/small"', ""])


def curves(ports: Upstreams, folder: Path) -> Iterator[Curve]:
    """All of them."""
    points = []
    for count in (1, 10, 100, 1000):
        place = folder / f"routes-{count}"
        with _onehop(place, ports.plain, routes=count) as server:
            points.append((count, _cpu_us(SMALL_GET, server, place)))
    yield Curve("small GET, end to end", "routes", points)

    points = []
    for count in (1, 2, 4):
        place = folder / f"workers-{count}"
        with _onehop(place, ports.plain, workers=count) as server:
            points.append((count, _cpu_us(SMALL_GET, server, place)))
    yield Curve("small GET, end to end", "workers, all on one core", points)

    busy, quiet = [], []
    for count in sorted({affordable(count) for count in (1, 100, 1000, 4000, 10_000)}):
        place = folder / f"idle-{count}"
        with _onehop(place, ports.plain) as server, holding(Own("idle", (str(count),)), server.port, 0.2):
            quiet.append((count, _idle_cpu_us_per_s(server)))
            busy.append((count, _cpu_us(SMALL_GET, server, place)))
    yield Curve("small GET, end to end", "idle client connections", busy)
    yield Curve("one second without requests", "idle client connections", quiet)

    for task, kind, path in (("an answer", "download", "/bytes/{}"), ("an upload", "upload", "/upload")):
        points = []
        for size in (65_536, 262_144, 1 << 20, 1 << 22, 1 << 24):
            place = folder / f"{kind}-{size}"
            workload = Workload(task, Own(kind, (path.format(size), str(size))), service=True)
            with _onehop(place, ports.service) as server:
                points.append((size, _cpu_us(workload, server, place)))
        yield Curve(f"{task}, end to end", "bytes of its body", points)


def _cpu_us(workload: Workload, server: Server, folder: Path) -> float:
    """The cheaper of two: noise only adds."""
    return min(measure(workload, server, folder, _SECONDS, number * 10_000_000).cpu_us for number in range(2))


def _idle_cpu_us_per_s(server: Server) -> float:
    before = clock(server.pid)
    time.sleep(_IDLE_SECONDS)
    return clock(server.pid).since(before).cpu_us / _IDLE_SECONDS
