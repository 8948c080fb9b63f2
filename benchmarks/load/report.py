"""Findings as a page, a JSON file, a chart, and a few lines for the terminal."""

import json
import statistics
from pathlib import Path
from typing import Final, NamedTuple

from rich.console import Console
from rich.table import Table

from benchmarks.load.chart import chart
from benchmarks.load.run import Findings, Plan
from benchmarks.load.samples import Figure, Results, Sample, of
from benchmarks.load.workloads import PEERS, SMALL_GET, TARGETS, WORKLOADS, Measure, Target, Workload

_SATURATED: Final = 0.85  # of its core: below, requests per second say what the load could do, not the proxy
_QUIET: Final = 0.05  # of the time, processes with one thread wait for their core: more, and others were at work here
_ONE_THREAD: Final = ("nginx", "onehop", "onehop-compiled", "onehop-h11", "onehop-h11-compiled", "aiohttp")
_BASES: Final = ("nginx", "envoy")


class Context(NamedTuple):
    """Under which circumstances it was measured."""

    command: str
    machine: str
    versions: dict[str, str]
    missing: list[str]
    plan: Plan
    instructions: dict[str, dict[str, float]] = {}  # per request, by kind of request, by way to run


def write(findings: Findings, context: Context, folder: Path) -> None:
    """Write RESULTS.md, results.json and chart.svg."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "RESULTS.md").write_text("\n".join(_page(findings, context)) + "\n")
    (folder / "results.json").write_text(_document(findings, context))
    small = findings.results.get(SMALL_GET.name, {})
    if small:
        figures = {proxy: _main(Measure.CPU, samples).median for proxy, samples in small.items()}
        (folder / "chart.svg").write_text(chart(figures))


def _document(findings: Findings, context: Context) -> str:
    """Every sample, one proxy's under one workload on a line."""
    head = {
        "command": context.command,
        "machine": context.machine,
        "versions": context.versions,
        "not_installed": context.missing,
        "fixed_rate_per_s": findings.rate,
        "void": findings.voids,
        "instructions": context.instructions,
        "columns": ["workload", "proxy", "samples"],
        "sample_columns": Sample._fields,
    }
    rows = [
        json.dumps([workload, proxy, [[_short(value) for value in sample] for sample in samples]])
        for workload, proxies in findings.results.items()
        for proxy, samples in proxies.items()
    ]
    return json.dumps(head, indent=1).removesuffix("\n}") + ',\n "rows": [\n  ' + ",\n  ".join(rows) + "\n ]\n}\n"


def _short(value: float | None) -> float | None:
    return float(f"{value:.6g}") if isinstance(value, float) else value


def _page(findings: Findings, context: Context) -> list[str]:
    plan, results = context.plan, findings.results
    spread = f"median of {plan.rounds} rounds [quartiles]" if plan.rounds > 1 else "one round: no spread"
    lines = [
        "# Results", "",
        f"`{context.command}`", "",
        f"{context.machine}.", "",
        *(f"- {name}: {version}" for name, version in context.versions.items()),
        *(f"- not installed: {text}" for text in context.missing), "",
        "One worker or thread each; keep-alive on both sides, `X-Forwarded-For`, no access log unless said. No two "
        "requests are alike; the status and length of every answer were checked, and one wrong answer voids its sample. "
        f"Proxies took turns, {plan.seconds:g} s at a time. CPU is user + system of all the proxy's processes; {spread}. "
        "Ratios are to medians of the same run.", "",
    ]  # fmt: skip
    waited = _waited(results)
    if waited > _QUIET:
        lines += [f"**The machine was not quiet**: proxies waited {waited:.0%} of the time for their core.", ""]
    if SMALL_GET.name in results:
        lines += ["![CPU per small GET, relative to nginx](chart.svg)", ""]
    lines += _targets(results)
    for base in _BASES:
        lines += _matrix(results, plan, base)
    lines += _beside_the_best(results, plan)
    lines += _instructions(context.instructions)
    for workload in plan.workloads:
        if results.get(workload.name):
            lines += _workload(workload, results[workload.name], findings)
    if findings.voids:
        lines += ["## Void", "", *(f"- {void}" for void in findings.voids)]
    return lines


def _waited(results: Results) -> float:
    shares = [sample.waited for proxies in results.values() for name in _ONE_THREAD for sample in proxies.get(name, [])]
    return statistics.median(shares) if shares else 0.0


def _main(measure: Measure, samples: list[Sample]) -> Figure:
    picks = {
        Measure.CPU: lambda sample: sample.cpu_us,
        Measure.LATENCY: lambda sample: sample.p99_s,
        Measure.MEMORY: lambda sample: sample.connection_bytes,
    }
    figure = of(samples, picks[measure])
    assert figure is not None
    return figure


def _ratio(measure: Measure, proxies: dict[str, list[Sample]], name: str, base: str = "nginx") -> float | None:
    if not proxies.get(name) or not proxies.get(base):
        return None
    of_base = _main(measure, proxies[base]).median
    return _main(measure, proxies[name]).median / of_base if of_base > 0 else None


def _matrix(results: Results, plan: Plan, base: str) -> list[str]:
    names = [proxy.name for proxy in plan.proxies]
    if base not in names:
        return []
    lines = [f"## As ratios to {base}", "", "| | " + " | ".join(names) + " |", "| --- |" + " ---: |" * len(names)]
    for workload in plan.workloads:
        proxies = results.get(workload.name, {})
        ratios = (_ratio(workload.measure, proxies, name, base) for name in names)
        what = "" if workload.measure is Measure.CPU else f" ({workload.measure.value})"
        cells = ("–" if ratio is None else f"{ratio:.2f}" for ratio in ratios)
        lines.append(f"| {workload.name}{what} | " + " | ".join(cells) + " |")
    return [*lines, ""]


def _beside_the_best(results: Results, plan: Plan) -> list[str]:
    """onehop's ratios to whichever peer does best at each workload."""
    names = [proxy.name for proxy in plan.proxies if proxy.name not in PEERS]
    rows = []
    for workload in plan.workloads:
        proxies = results.get(workload.name, {})
        if peers := {peer: _main(workload.measure, proxies[peer]).median for peer in PEERS if proxies.get(peer)}:
            best = min(peers, key=lambda peer: peers[peer])
            ratios = (_ratio(workload.measure, proxies, name, best) for name in names)
            rows.append(f"| {workload.name} | {best} | " + " | ".join(map(_times, ratios)) + " |")
    if not rows or not names:
        return []
    head = ["| | best peer | " + " | ".join(names) + " |", "| --- | --- |" + " ---: |" * len(names)]
    return ["## As ratios to the best peer", "", *head, *rows, ""]


def _targets(results: Results) -> list[str]:
    """One row per target. Where compiled modules were measured, they are what has to keep to it."""
    rows = []
    for target in TARGETS:
        suffixes = ("", "-compiled") if target.compiled else ("",)
        found = [_against(target, f"onehop{'-h11' * target.h11}{suffix}", results) for suffix in suffixes]
        judged = next((one for one in reversed(found) if one is not None), None)
        if judged is None:
            continue
        value, peer = judged
        best = "the best peer, " if len(target.of) > 1 else ""
        most = f"{target.at_most:g} × {best}{peer}" if target.of else f"{target.at_most / 1024:g} KiB"
        cells = [_measured(target, one) for one in (*found, None)[:2]]
        name = target.workload + (', `reader = "h11"`' if target.h11 else "")
        verdict = "met" if value <= target.at_most else "**missed**"
        rows.append(
            f"| {name}{'' if target.compiled else ', interpreted'} | {most} | {' | '.join(cells)} | {verdict} |"
        )
    if not rows:
        return []
    head = ["| workload | at most | interpreted | compiled | |", "| --- | --- | ---: | ---: | --- |"]
    return ["## What onehop is to cost at most", "", *head, *rows, ""]


def _measured(target: Target, found: tuple[float, str] | None) -> str:
    if found is None:
        return "–"
    return f"{found[0]:.2f} ×" if target.of else f"{found[0] / 1024:.1f} KiB"


def _against(target: Target, proxy: str, results: Results) -> tuple[float, str] | None:
    workload = next(w for w in WORKLOADS if w.name == target.workload)
    proxies = results.get(target.workload, {})
    if not proxies.get(proxy):
        return None
    own = _main(workload.measure, proxies[proxy]).median
    if not target.of:
        return own, ""
    peers = {name: _main(workload.measure, proxies[name]).median for name in target.of if proxies.get(name)}
    if not peers:
        return None
    best = min(peers, key=lambda name: peers[name])
    return own / peers[best], best


def _instructions(counted: dict[str, dict[str, float]]) -> list[str]:
    if not counted:
        return []
    ways = list(dict.fromkeys(way for by_way in counted.values() for way in by_way))
    lines = [
        "## Instructions per request", "",
        "In thousands, outside the kernel, by callgrind: they move with neither the machine nor its load. In brackets: × nginx.",
        "", "| | " + " | ".join(ways) + " |", "| --- |" + " ---: |" * len(ways),
    ]  # fmt: skip
    for name, by_way in counted.items():
        base = by_way.get("nginx")
        times = {way: f" ({by_way[way] / base:.1f})" if base and way != "nginx" else "" for way in by_way}
        cells = (f"{by_way[way] / 1000:.0f}{times[way]}" if way in by_way else "–" for way in ways)
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return [*lines, ""]


def _workload(workload: Workload, proxies: dict[str, list[Sample]], findings: Findings) -> list[str]:
    rows = sorted(proxies.items(), key=lambda item: _main(workload.measure, item[1]).median)
    lines = [f"## {workload.name[0].upper()}{workload.name[1:]}", ""]
    if workload.measure is Measure.LATENCY:
        lines += [
            f"{findings.rate:,.0f} requests per second are due at even intervals; that loads nginx's worker to about "
            "20 %. Latency counts from when a request was due.", "",
            "| proxy | p50 ms | p99 ms | × nginx p99 | CPU µs | rate held |",
            "| --- | ---: | ---: | ---: | ---: | --- |",
        ]  # fmt: skip
    elif workload.measure is Measure.MEMORY:
        lines += ["| proxy | KiB per connection | × nginx | memory MiB |", "| --- | ---: | ---: | ---: |"]
    else:
        late = " p50 ms late | p99 ms late |" if workload.streams else ""
        lines += [
            f"| proxy | CPU per {workload.counted}, µs | × nginx | {workload.counted.split()[0]}s/s | core busy | memory MiB |{late}",
            "| --- | ---: | ---: | ---: | ---: | ---: |" + " ---: |" * late.count("|"),
        ]  # fmt: skip
    limited = False
    for name, samples in rows:
        ratio = _ratio(workload.measure, proxies, name)
        cells = [name]
        memory = f"{max(sample.memory_bytes for sample in samples) / 2**20:.0f}"
        if workload.measure is Measure.LATENCY:
            p50 = of(samples, lambda sample: sample.p50_s)
            assert p50 is not None
            held = sum(sample.held for sample in samples)
            cells += [_milliseconds(p50), _milliseconds(_main(Measure.LATENCY, samples)), _times(ratio)]
            cells += [
                _spread(_main(Measure.CPU, samples)),
                "yes" if held == len(samples) else f"{held} of {len(samples)}",
            ]
        elif workload.measure is Measure.MEMORY:
            cells += [f"{_main(Measure.MEMORY, samples).median / 1024:.1f}", _times(ratio), memory]
        else:
            rate, busy = of(samples, lambda sample: sample.requests_per_s), of(samples, lambda sample: sample.busy)
            assert rate is not None
            assert busy is not None
            mark = "" if busy.median >= _SATURATED else "†"
            limited = limited or bool(mark)
            cells += [_spread(_main(Measure.CPU, samples)), _times(ratio), f"{rate.median:,.0f}{mark}"]
            cells += [f"{busy.median:.0%}", memory]
            if workload.streams:
                lateness = (of(samples, lambda sample: sample.p50_s), of(samples, lambda sample: sample.p99_s))
                cells += ["–" if one is None else _milliseconds(one) for one in lateness]
        lines.append("| " + " | ".join(cells) + " |")
    if limited:
        lines += ["", "† the load, not the proxy, set the rate: it did not fill its core."]
    return [*lines, ""]


def _times(ratio: float | None) -> str:
    return "–" if ratio is None else f"{ratio:.2f}"


def _spread(figure: Figure) -> str:
    digits = 1 if figure.median < 1000 else 0
    if figure.low == figure.high:
        return f"{figure.median:,.{digits}f}"
    return f"{figure.median:,.{digits}f} [{figure.low:,.{digits}f}–{figure.high:,.{digits}f}]"


def _milliseconds(figure: Figure) -> str:
    spread = "" if figure.low == figure.high else f" [{figure.low * 1000:.2f}–{figure.high * 1000:.2f}]"
    return f"{figure.median * 1000:.2f}{spread}"


def print_summary(findings: Findings, console: Console) -> None:
    """The figures that stand for each workload."""
    names = list(dict.fromkeys(name for proxies in findings.results.values() for name in proxies))
    table = Table(title="CPU µs per request; or p99 in ms, or KiB per idle connection", box=None, padding=(0, 1))
    table.add_column("workload", no_wrap=True)
    for name in names:
        table.add_column(name, no_wrap=True, justify="right")
    for workload in WORKLOADS:
        proxies = findings.results.get(workload.name)
        if proxies:
            scale = {Measure.CPU: 1.0, Measure.LATENCY: 1000.0, Measure.MEMORY: 1 / 1024}[workload.measure]
            figures = (_main(workload.measure, proxies[n]).median * scale if n in proxies else None for n in names)
            table.add_row(workload.name, *("–" if f is None else f"{f:,.{1 if f < 1000 else 0}f}" for f in figures))
    console.print(table)
    if (waited := _waited(findings.results)) > _QUIET:
        console.print(f"the machine was not quiet: proxies waited {waited:.0%} of the time for their core")
    for void in findings.voids:
        console.print(f"void: {void}")
