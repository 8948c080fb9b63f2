"""What the processes of a server cost, and which core they have."""

import contextlib
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from tests.harness.programs.process import family

_TICK_US: Final = 1_000_000 / os.sysconf("SC_CLK_TCK")
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")

# The proxy has one core for itself; what loads it and what it asks share the other. So CPU per request is not blurred
# by whoever else wants the core, and a proxy that needs little is not paid for it with a busier cache.
PROXY_CORE: Final = 0
LOAD_CORE: Final = 1


def pinning() -> bool:
    """Whether processes can be given cores of their own here."""
    return shutil.which("taskset") is not None and {PROXY_CORE, LOAD_CORE} <= os.sched_getaffinity(0)


def pinned(command: Sequence[str], core: int) -> list[str]:
    """The command, kept on one core where that is possible."""
    return ["taskset", "-c", str(core), *command] if pinning() else list(command)


class Clock(NamedTuple):
    """What a process and its descendants had so far, in microseconds."""

    cpu_us: float  # user and system
    waited_us: float  # ready to run, with the core taken: by its own threads, or by somebody else

    def since(self, earlier: "Clock") -> "Clock":
        """What it had meanwhile."""
        return Clock(self.cpu_us - earlier.cpu_us, self.waited_us - earlier.waited_us)


def clock(pid: int) -> Clock:
    """Read the clock of a process and all its descendants."""
    readings = [_clock_of_one(member) for member in family(pid)]
    return Clock(sum(reading.cpu_us for reading in readings), sum(reading.waited_us for reading in readings))


def _clock_of_one(pid: int) -> Clock:
    # The scheduler's own count in nanoseconds: `stat` shows the same sum, in steps of 10 ms. A thread that ended takes
    # its count along, so `stat` has the last word where it knows of more.
    ran = waited = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):
            words = (task / "schedstat").read_text().split()
            ran += int(words[0])
            waited += int(words[1])
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return Clock(max(ran / 1000, (int(fields[11]) + int(fields[12])) * _TICK_US), waited / 1000)


def memory_bytes(pid: int) -> int:
    """Resident memory of a process and its descendants; what they share counts for each."""
    return sum(int(Path(f"/proc/{member}/statm").read_text().split()[1]) * _PAGE for member in family(pid))
