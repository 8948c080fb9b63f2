"""What was measured on."""

import os
import platform
import sys
import sysconfig
from pathlib import Path

from benchmarks.load.processes import pinning


def describe_machine() -> str:
    """CPU, cores, kernel, Python; who ran where."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = (line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line)
        model = next(names, model)
    memory_gib = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    virtual = ", virtual" if cpuinfo.exists() and " hypervisor" in cpuinfo.read_text() else ""
    cores = (
        "the proxy on core 0, load and upstream on core 1" if pinning() else "no pinning: load shares the proxy's cores"
    )
    return (
        f"{model}, {os.cpu_count()} cores{virtual}, {memory_gib:.0f} GiB, {platform.system()} {platform.release()}, "
        f"Python {' '.join(sys.version.split())}, {_how_built()}; {cores}"
    )


def _how_built() -> str:
    """How this interpreter was built: with profile-guided optimization it needs about a sixth less."""
    options = sysconfig.get_config_var("CONFIG_ARGS") or ""
    if "--enable-optimizations" in options:
        return "built with profile-guided optimization" + (" and LTO" if "--with-lto" in options else "")
    if sys.base_prefix == "/usr":
        return "built by the distribution"  # Debian's and Fedora's are profile-guided, by rules of their own
    return "built without profile-guided optimization"
