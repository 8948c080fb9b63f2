"""How many CPUs this process may use."""

import contextlib
import os

from proxy.config.model import Config


def granted_cpus() -> int:
    """How many CPUs this process may use: its affinity, and the cgroup's quota (v2, then v1) rounded up."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cpus, _cgroup_quota() or cpus))


def worker_count(config: Config) -> int:
    """How many workers an instance has: as configured, or one per CPU, but no more than there may be connections to an
    origin, because each worker opens its own."""
    limits = [upstream.max_connections for upstream in config.upstreams.values() if upstream.max_connections]
    return config.workers or min([granted_cpus(), *limits])


def _cgroup_quota() -> int | None:
    with contextlib.suppress(OSError, ValueError):
        quota, period = _words("/sys/fs/cgroup/cpu.max")[:2]
        return None if quota == "max" else -(-int(quota) // int(period))
    with contextlib.suppress(OSError, ValueError, IndexError):
        quota_us = int(_words("/sys/fs/cgroup/cpu/cpu.cfs_quota_us")[0])
        period_us = int(_words("/sys/fs/cgroup/cpu/cpu.cfs_period_us")[0])
        return None if quota_us <= 0 else -(-quota_us // period_us)
    return None


def _words(path: str) -> list[str]:
    with open(path, encoding="ascii") as file:
        return file.read().split()
