"""What a load cost a proxy: CPU of its processes, and their memory."""

import os
from pathlib import Path
from typing import NamedTuple

from benchmarks.load.workloads import Load

_TICK_US = 1_000_000 / os.sysconf("SC_CLK_TCK")


class Sample(NamedTuple):
    """One proxy under one load, once."""

    cpu_us: float  # user and system, per request
    requests_per_s: float
    p50_s: float
    p99_s: float
    memory_kib: int
    bad: int


def family(pid: int) -> list[int]:
    """A process and all its descendants."""
    found = [pid]
    for parent in found:
        for task in Path(f"/proc/{parent}/task").glob("*/children"):
            found += [int(word) for word in task.read_text().split()]
    return found


def cpu_us(pid: int) -> float:
    """CPU time of a process and its descendants so far, in microseconds."""
    total = 0.0
    for member in family(pid):
        fields = Path(f"/proc/{member}/stat").read_text().rpartition(")")[2].split()
        total += (int(fields[11]) + int(fields[12])) * _TICK_US
    return total


def memory_kib(pid: int) -> int:
    """Resident memory of a process and its descendants; shared pages count for each."""
    pages = sum(int(Path(f"/proc/{member}/statm").read_text().split()[1]) for member in family(pid))
    return pages * os.sysconf("SC_PAGE_SIZE") // 1024


def sample(load: Load, spent_us: float, pid: int) -> Sample:
    """Put together what was counted."""
    return Sample(
        cpu_us=spent_us / max(load.requests, 1),
        requests_per_s=load.requests / load.duration_s,
        p50_s=load.p50_s,
        p99_s=load.p99_s,
        memory_kib=memory_kib(pid),
        bad=load.bad,
    )
