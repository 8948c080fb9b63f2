"""Figures as a table, a JSON file and a chart: medians with their spread, and ratios to nginx of the same run."""

import json
import os
import platform
import statistics
from pathlib import Path
from typing import Any

from benchmarks.load.measure import Sample

Results = dict[str, dict[str, list[Sample]]]  # workload, proxy, one sample per round


def median_us(samples: list[Sample]) -> float:
    """Median CPU per request, in microseconds."""
    return statistics.median(sample.cpu_us for sample in samples)


def write(results: Results, versions: dict[str, str], missing: list[str], command: str, folder: Path) -> None:
    """Write RESULTS.md, results.json and chart.svg."""
    lines = [
        "# Results", "",
        f"`{command}` on {_machine()}. One worker or thread each, keep-alive on both sides, no two requests alike; status",
        "and length of every answer were checked. CPU is user + system of the proxy's processes per request, the median over",
        "the rounds, with the lowest and highest; the ratio is to nginx in the same run.", "",
        *(f"- {name}: {text}" for name, text in versions.items()),
        *(f"- not measured: {text}" for text in missing), "",
    ]  # fmt: skip
    for workload, proxies in results.items():
        base = median_us(proxies["nginx"]) if proxies.get("nginx") else None
        lines += [f"## {workload}", ""]
        lines += ["| proxy | CPU µs/request | × nginx | requests/s | p50 ms | p99 ms | memory MiB |"]
        lines += ["| --- | ---: | ---: | ---: | ---: | ---: | ---: |"]
        for name, samples in sorted(proxies.items(), key=lambda item: median_us(item[1])):
            cpu = [sample.cpu_us for sample in samples]
            middle = statistics.median(cpu)
            ratio = f"{middle / base:.2f}" if base else "–"
            lines.append(
                f"| {name} | {middle:,.1f} ({min(cpu):,.1f}–{max(cpu):,.1f}) | {ratio} "
                f"| {statistics.median(s.requests_per_s for s in samples):,.0f} "
                f"| {statistics.median(s.p50_s for s in samples) * 1000:.2f} "
                f"| {statistics.median(s.p99_s for s in samples) * 1000:.2f} "
                f"| {max(s.memory_kib for s in samples) / 1024:.0f} |"
            )
        lines.append("")
    (folder / "RESULTS.md").write_text("\n".join(lines))
    document: dict[str, Any] = {
        "command": command,
        "machine": _machine(),
        "versions": versions,
        "workloads": {w: {p: [s._asdict() for s in samples] for p, samples in ps.items()} for w, ps in results.items()},
    }
    (folder / "results.json").write_text(json.dumps(document, indent=1) + "\n")
    first = next(iter(results.values()))
    (folder / "chart.svg").write_text(_chart({name: median_us(samples) for name, samples in first.items()}))


def _machine() -> str:
    model = platform.processor() or "unknown CPU"
    try:
        text = Path("/proc/cpuinfo").read_text()
        model = next(line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return (
        f"{model}, {os.cpu_count()} cores, {platform.system()} {platform.release()}, Python {platform.python_version()}"
    )


def _chart(figures: dict[str, float]) -> str:
    rows = sorted(figures.items(), key=lambda item: item[1])
    longest = rows[-1][1]
    height = 40 + 28 * len(rows)
    bars = []
    for number, (name, value) in enumerate(rows):
        y = 34 + 28 * number
        width = 400 * value / longest
        kind = "own" if name.startswith("onehop") else "peer"
        bars.append(
            f'<text class="name" x="108" y="{y + 14}" text-anchor="end">{name}</text>'
            f'<rect class="{kind}" x="116" y="{y}" width="{width:.1f}" height="20" rx="3"/>'
            f'<text x="{122 + width:.1f}" y="{y + 14}">{value:.0f}</text>'
        )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 580 {height}" width="580" height="{height}" role="img" '
        'aria-labelledby="title"><title id="title">CPU per small GET in microseconds, less is better: '
        + ", ".join(f"{name} {value:.0f}" for name, value in rows)
        + "</title><style>text{font:13px system-ui,sans-serif;fill:#333}.own{fill:#0f766e}.peer{fill:#94a3b8}"
        "@media(prefers-color-scheme:dark){text{fill:#ddd}.own{fill:#2dd4bf}.peer{fill:#64748b}}</style>"
        '<text x="8" y="20">CPU µs per small GET, one worker each (less is better)</text>' + "".join(bars) + "</svg>\n"
    )
