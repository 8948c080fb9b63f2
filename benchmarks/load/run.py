"""The order in which everything is measured.

Workload after workload: all proxies are started, then take turns, round after round, each round beginning with another.
So whatever else the machine does meanwhile hits all of them. Those that wait are idle.
"""

import contextlib
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.load.clients.idle import affordable
from benchmarks.load.measure import Void, logged_lines, measure
from benchmarks.load.peers import Proxy
from benchmarks.load.samples import Results, Sample
from benchmarks.load.upstreams import Upstreams, upstreams
from benchmarks.load.workloads import STEADY, Measure, Own, Workload
from benchmarks.load.wrk import Wrk
from tests.harness.programs.process import Server, wait_until_listening

_NGINX_LOAD: Final = 0.2  # of its worker, at the fixed rate
_RATE_TRIED_FIRST: Final = 5_000.0  # and taken where there is no nginx
_TRIALS: Final = 4
_TRIAL_S: Final = 1.0
_LOG_SETTLES_S: Final = 0.3
_LOGGED: Final = 0.95  # of the requests at least have their line by then: Envoy holds 64 KiB of them back
_SETTLES_S: Final = 0.5  # after 10,000 connections, before the proxy is weighed
_WARM_UP: Final = 1.0
_APART: Final = 10_000_000  # between the numbers of two runs' requests


class Plan(NamedTuple):
    """What is measured, and how long."""

    workloads: Sequence[Workload]
    proxies: Sequence[Proxy]
    rounds: int
    seconds: float
    quick: bool

    def rounds_of(self, workload: Workload) -> int:
        """Memory is weighed on fresh processes, and varies little: once is enough."""
        return 1 if workload.measure is Measure.MEMORY else self.rounds

    def proxies_of(self, workload: Workload) -> list[Proxy]:
        """Those that have a say in a workload."""
        return [
            proxy for proxy in self.proxies
            if (workload.h11 or "h11" not in proxy.name)
            and (workload.pipe or proxy.name != "byte-pipe")
            and (proxy.logs or not workload.log)
        ]  # fmt: skip

    def steps(self) -> int:
        """How many samples there will be."""
        return sum(self.rounds_of(workload) * len(self.proxies_of(workload)) for workload in self.workloads)


class Findings(NamedTuple):
    """What came out."""

    results: Results
    voids: list[str]
    rate: float | None  # the fixed one


def run(plan: Plan, folder: Path, progress: Callable[[str], None]) -> Findings:
    """Measure everything. `progress` is told of each step when it begins."""
    findings = Findings({}, [], None)
    with upstreams(folder / "upstreams") as ports:
        for workload in plan.workloads:
            if workload.measure is Measure.LATENCY:
                rate = _rate(plan, folder, ports)
                findings = findings._replace(rate=rate)
                workload = workload._replace(load=Own("steady", (str(rate),)))
            elif workload.measure is Measure.MEMORY:
                connections = affordable(1_000 if plan.quick else 10_000)
                workload = workload._replace(load=Own("idle", (str(connections),)))
            _run_one(plan, workload, folder, ports, findings, progress)
    return findings


def _run_one(
    plan: Plan, workload: Workload, folder: Path, ports: Upstreams, findings: Findings, progress: Callable[[str], None]
) -> None:
    results = findings.results.setdefault(workload.name, {})
    upstream_port = ports.service if workload.service else ports.plain
    with contextlib.ExitStack() as running:
        servers: dict[str, tuple[Server, Path]] = {}
        for proxy in plan.proxies_of(workload):
            place = folder / re.sub(r"\W+", "-", f"{proxy.name} {workload.name}")  # nginx would split it at a space
            server = running.enter_context(
                proxy.start(place, upstream_port, log=workload.log, streams=workload.streams)
            )
            servers[proxy.name] = (server, place)
        for name, (server, _) in list(servers.items()):
            try:
                wait_until_listening(server)
            except RuntimeError as exc:
                findings.voids.append(f"{workload.name}, {name}: {exc}")
                del servers[name]
        order = list(servers)
        for number in range(plan.rounds_of(workload)):
            for name in order[number % len(order) :] + order[: number % len(order)]:
                progress(f"{workload.name}: {name}")
                server, place = servers[name]
                try:
                    sample = _sample(plan, workload, server, place, number)
                except (Void, RuntimeError) as exc:
                    findings.voids.append(f"{workload.name}, {name}, round {number + 1}: {exc}")
                else:
                    results.setdefault(name, []).append(sample)


def _sample(plan: Plan, workload: Workload, server: Server, place: Path, number: int) -> Sample:
    seconds = _SETTLES_S if workload.measure is Measure.MEMORY else plan.seconds
    if isinstance(workload.load, Wrk):
        if number == 0 and not plan.quick:
            measure(workload, server, place, _WARM_UP, 0)
        seconds = max(1.0, seconds)  # wrk counts in whole ones
    elif plan.quick:
        seconds /= 2
    logged_lines(server)
    sample = measure(workload, server, place, seconds, (number + 1) * _APART)
    if workload.log:
        time.sleep(_LOG_SETTLES_S)
        lines, requests = logged_lines(server), int(sample.requests_per_s * seconds)
        if lines < requests * _LOGGED:
            raise Void(f"{requests:,} requests, but {lines:,} lines in the access log")
    return sample


def _rate(plan: Plan, folder: Path, ports: Upstreams) -> float:
    """Requests per second that load nginx's worker by a fifth.

    Found by trying: a worker that has time is woken for each request, and needs more than twice the CPU of a full one.
    """
    rate = _RATE_TRIED_FIRST
    nginx = next((proxy for proxy in plan.proxies if proxy.name == "nginx"), None)
    if nginx is not None:
        place = folder / "nginx-for-its-rate"
        with nginx.start(place, ports.plain, log=False) as server:
            wait_until_listening(server)
            for _ in range(_TRIALS):
                trial = STEADY._replace(load=Own("steady", (str(rate),)))
                rate = round(rate * _NGINX_LOAD / measure(trial, server, place, _TRIAL_S, 0).busy, -2)
    return rate
