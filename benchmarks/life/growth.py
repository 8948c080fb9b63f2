"""What 100 reloads leave behind: memory, descriptors, sockets and processes, by /proc, under the steady load."""

import asyncio
import sys
import tempfile
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.life.peers import children
from proxy.cli.command_client import ask, instances
from tests.harness.processes import descriptors_of
from tests.harness.programs.process import family, free_port, has_ended, launched
from tests.harness.steady_load import CheckedService, SteadyLoad
from tests.harness.waiting import until

RELOADS: Final = 100
_LOOKS: Final = (1, 10, 25, 50, 75, RELOADS)
_PATIENCE_S: Final = 60.0
_PROCESSES: Final = 4  # the parent, two workers, control
_CONFIG: Final = """
listen = "127.0.0.1:{port}"
workers = 2
access_log = "off"
admin.listen = "127.0.0.1:{admin}"
timeouts.drain_s = 6
upstreams.a.urls = ["http://127.0.0.1:{upstream}"]
upstreams.a.health_check.interval_s = 1
"""
_HEAD: Final = (
    "| reloads | processes | descriptors of the parent | of a worker | of control | memory of the parent | of a worker | of control |\n"
    "| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n"
)


class Process(NamedTuple):
    """What a process holds: descriptors, sockets among them, and KiB of memory that are its own."""

    descriptors: int
    sockets: int
    private_kib: int


class Held(NamedTuple):
    """What an instance holds after so many reloads, while it serves nobody."""

    reloads: int
    processes: int
    parent: Process
    worker: Process  # of each number the larger one
    control: Process


class Growth(NamedTuple):
    """What was seen, and what became of the loads."""

    looks: list[Held]
    answers: int
    lost: int
    left: int  # processes that outlived the instance


def held(pid: int) -> Process:
    """What a process holds."""
    rows = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    private = sum(int(row.split()[1]) for row in rows if row.startswith(("Private_Clean", "Private_Dirty")))
    links = descriptors_of(pid).values()
    return Process(len(links), sum(link.startswith("socket:") for link in links), private)


def _look(pid: int, reloads: int) -> Held:
    workers = [held(worker) for worker in children(pid, "onehop-worker")]
    [control] = children(pid, "onehop-control")
    worker = Process(*(max(numbers) for numbers in zip(*workers, strict=True)))
    return Held(reloads, len(family(pid)), held(pid), worker, held(control))


def _reload(pid: int) -> None:
    """As `onehop reload` does."""
    for connected, instance in instances():
        with connected:
            if instance.pid == pid and (result := ask(connected, _PATIENCE_S)).status:
                raise RuntimeError(f"a reload was refused: {result.lines}")


async def measure() -> Growth:
    """Reload an instance 100 times under load; look at it a few times, while it serves nobody."""
    service, port, looks, reloads, answers, lost = CheckedService(), free_port(), list[Held](), 0, 0, 0
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "onehop.toml"
        async with service.serving():
            file.write_text(_CONFIG.format(port=port, admin=free_port(), upstream=service.port))
            command = [sys.executable, "-m", "proxy", "run", "--config", str(file)]
            async with launched(command, port) as server:
                for number in _LOOKS:
                    load = SteadyLoad(service, [port])
                    async with load.running():
                        while reloads < number:
                            await asyncio.to_thread(_reload, server.pid)
                            reloads += 1
                    answers, lost = answers + load.done.total(), lost + len(load.failures)
                    await until(lambda: len(family(server.pid)) <= _PROCESSES)
                    looks.append(_look(server.pid, reloads))
                living = family(server.pid)
    return Growth(looks, answers, lost, sum(not has_ended(pid) for pid in living))


def section(found: Growth) -> str:
    """As Markdown."""
    text = (
        f"\n## {RELOADS} reloads, and what they leave behind\n\n"
        f"Under the same load, each reload as soon as the one before is done: {found.answers:,} answers, {found.lost} lost. Then the "
        "load ends, and\n/proc says what processes hold; memory is what is a process's own. Each reload replaces all of them but "
        f"the parent. After the end,\n{found.left} processes are left.\n\n{_HEAD}"
    )
    for look in found.looks:
        three = look.parent, look.worker, look.control
        holds = [f"{each.descriptors} ({each.sockets} sockets)" for each in three]
        memory = [f"{each.private_kib / 1024:.1f} MiB" for each in three]
        text += f"| {' | '.join((str(look.reloads), str(look.processes), *holds, *memory))} |\n"
    return text


if __name__ == "__main__":
    print(section(asyncio.run(measure())), end="")
