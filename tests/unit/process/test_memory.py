"""A worker's memory: when what was freed is given back, and when the limit is told of."""

import asyncio
import os
import re
import subprocess
import sys

import pytest

from proxy.process import memory
from proxy.process.memory import Memory
from proxy.transport.deadlines import Deadlines
from proxy.transport.stream import Stream

MIB = 1 << 20


class Scene:
    """A worker whose memory and connections are what the test says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, limit_mib: int = 0) -> None:
        self.held_mib = 30
        self.deadlines = Deadlines(asyncio.get_running_loop())
        self.trims: list[float] = []
        self.told: list[tuple[bool, int]] = []
        self.now = 100.0
        monkeypatch.setattr(memory, "resident_bytes", lambda: self.held_mib * MIB)
        monkeypatch.setattr(memory, "_find_trim", lambda: lambda _: self.trims.append(self.now))
        Memory(limit_mib * MIB, self.deadlines, lambda *said: self.told.append(said))

    def at(self, now: float, *, held_mib: int, connections: int = 0) -> None:
        """A second, and what it finds."""
        self.now, self.held_mib = now, held_mib
        self.deadlines.streams.clear()
        self.deadlines.streams.update(Stream(self.deadlines) for _ in range(connections))
        for sweep in self.deadlines.on_sweep:
            sweep(now)


async def test_memory_is_given_back_where_much_has_come_or_many_have_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch)
    scene.at(100.0, held_mib=30)
    assert scene.trims == [100.0]
    scene.at(111.0, held_mib=45, connections=60)
    assert scene.trims == [100.0]
    scene.at(112.0, held_mib=47, connections=60)  # more than 16 MiB more
    assert scene.trims == [100.0, 112.0]
    scene.at(118.0, held_mib=90, connections=200)  # that was a moment ago
    assert scene.trims == [100.0, 112.0]
    scene.at(123.0, held_mib=60, connections=137)
    assert scene.trims == [100.0, 112.0]
    scene.at(124.0, held_mib=60, connections=136)  # 64 have left
    assert scene.trims == [100.0, 112.0, 124.0]


async def test_it_looks_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch, limit_mib=64)
    scene.at(100.0, held_mib=30)
    scene.at(100.9, held_mib=90)
    assert scene.told == []
    scene.at(101.0, held_mib=90)
    assert scene.told == [(True, 90 * MIB)]


async def test_the_limit_is_told_of_once_and_again_when_there_is_room(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch, limit_mib=100)
    for second, held in enumerate([100, 101, 120, 95, 91, 90, 100]):
        scene.at(100.0 + second, held_mib=held)
    assert scene.told == [(True, 101 * MIB), (False, 90 * MIB)]


async def test_without_a_limit_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch)
    scene.at(100.0, held_mib=100_000)
    assert scene.told == []


def test_what_this_process_holds_is_known() -> None:
    assert 8 * MIB < memory.resident_bytes() < 8_000 * MIB


def test_giving_back_does_no_harm_on_this_machine() -> None:
    memory._find_trim()(0)


@pytest.mark.parametrize("reuses", [True, False])
def test_buffers_that_come_and_go_use_the_same_pages(reuses: bool) -> None:
    if not memory.reuse_buffers():
        pytest.skip("not glibc")
    command = [sys.executable, "-c", FAULTS, "x" * reuses]
    # As glibc begins: else a large block that was freed before, as compiling imports does, would have raised this for
    # good, and settings of whoever runs the tests would count.
    inherited = {name: value for name, value in os.environ.items() if not re.match("MALLOC_|GLIBC_TUNABLES", name)}
    environment = {**inherited, "MALLOC_MMAP_THRESHOLD_": str(128 * 1024)}
    faults = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert (int(faults.stdout) < 5_000) is reuses  # they have 120,000 pages


FAULTS = """
import resource, sys
from proxy.process.memory import reuse_buffers

if sys.argv[1]:
    reuse_buffers()
for number in range(300):
    if number == 20:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    buffers = [b"x" * 260_000 for _ in range(8)]
    del buffers
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
