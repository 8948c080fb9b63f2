"""A steady checked load through everything that happens in an instance's life: not a request is lost. Real processes."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path

from benchmarks.life.peers import BALANCER
from proxy.cli.command_client import ask, instances
from tests.conftest import require_programs
from tests.harness.processes import OnehopProcess, onehop, ports_in_the_hands_of
from tests.harness.programs.process import free_port, launched
from tests.harness.scripted import PATIENCE_S
from tests.harness.steady_load import CheckedService, Failure, SteadyLoad
from tests.harness.waiting import until

_CONFIG = """
listen = "127.0.0.1:0"
workers = 2
access_log = "off"
admin.listen = "{admin}"
{head}
[upstreams.a]
urls = ["http://127.0.0.1:{port}"]
health_check = {{ interval_s = 1 }}
[timeouts]
drain_s = 5
"""


@asynccontextmanager
async def loaded(tmp_path: Path, head: str = "") -> AsyncIterator[tuple[OnehopProcess, SteadyLoad]]:
    file = tmp_path / "onehop.toml"
    service = CheckedService()
    async with service.serving():
        file.write_text(_CONFIG.format(head=head, port=service.port, admin=""))
        async with onehop("run", "--config", str(file)) as proxy:
            load = SteadyLoad(service, [proxy.port])
            async with load.running():
                await until(lambda: load.done["slow"] > 0)
                yield proxy, load
                load.stop()


async def test_ten_reloads_lose_nothing(tmp_path: Path) -> None:
    async with loaded(tmp_path) as (proxy, load):
        for number in range(2, 12):
            proxy.process.send_signal(signal.SIGHUP)
            await proxy.said(f"reload: generation {number} serves")
            before = load.done["keep-alive"]
            await until(lambda: load.done["keep-alive"] > before + 20)  # noqa: B023
    load.check()


async def test_killed_workers_lose_only_what_was_in_their_hands(tmp_path: Path) -> None:
    theirs: set[int] = set()
    async with loaded(tmp_path) as (proxy, load):
        for _ in range(2):
            victim = proxy.worker_pids()[0]
            os.kill(victim, signal.SIGSTOP)  # so that it accepts nobody more while we look
            await until(lambda: "T (stopped)" in Path(f"/proc/{victim}/status").read_text())  # noqa: B023
            theirs |= ports_in_the_hands_of(victim)
            os.kill(victim, signal.SIGKILL)
            await until(lambda: victim not in proxy.worker_pids() and len(proxy.worker_pids()) == 2)  # noqa: B023
            before = load.done["slow"]
            await until(lambda: load.done["slow"] > before + 3)  # noqa: B023

    def was_in_their_hands(failure: Failure) -> bool:
        return failure.local_port in theirs

    load.check(may_have_failed=was_in_their_hands)


async def test_a_killed_control_process_loses_nothing(tmp_path: Path) -> None:
    async with loaded(tmp_path) as (proxy, load):
        [victim] = proxy.control_pids()
        os.kill(victim, signal.SIGKILL)
        await until(lambda: proxy.control_pids() not in ([], [victim]))
        before = load.done["slow"]
        await until(lambda: load.done["slow"] > before + 3)
    load.check()


async def test_a_shutdown_with_a_delay_loses_nothing(tmp_path: Path) -> None:
    async with loaded(tmp_path, "shutdown_delay_s = 2") as (proxy, load):
        stopped = asyncio.create_task(proxy.stop())
        await proxy.said("stopping in 2 s")
        before = load.done["new"]
        await until(lambda: load.done["new"] > before + 20)
        load.stop()  # what stands in front has seen that the instance is not ready
        assert await stopped == 0
    load.check()


async def test_reloads_while_workers_are_killed(tmp_path: Path) -> None:
    theirs: set[int] = set()
    async with loaded(tmp_path) as (proxy, load):
        for number in range(2, 5):
            victim = proxy.worker_pids()[-1]
            os.kill(victim, signal.SIGSTOP)
            theirs |= ports_in_the_hands_of(victim)
            os.kill(victim, signal.SIGKILL)
            proxy.process.send_signal(signal.SIGHUP)
            await proxy.said(f"reload: generation {number} serves")
            begin = time.monotonic()
            await until(lambda: time.monotonic() > begin + 0.5)  # noqa: B023
    load.check(may_have_failed=lambda failure: failure.local_port in theirs)


async def test_a_rolling_restart_of_two_instances_behind_haproxy_loses_nothing(tmp_path: Path) -> None:
    require_programs("haproxy")
    service, ports, front = CheckedService(), [free_port(), free_port()], free_port()
    (tmp_path / "haproxy.cfg").write_text(BALANCER.format(front=front, ports=ports))

    def replica(port: int) -> AbstractAsyncContextManager[OnehopProcess]:
        where = ("--listen", f"127.0.0.1:{port}", "--upstream", f"http://127.0.0.1:{service.port}")
        return onehop("run", *where, "--workers", "1", "--access-log", "off")

    async with service.serving(), AsyncExitStack() as replicas:
        running = await asyncio.gather(*(replicas.enter_async_context(replica(port)) for port in ports))
        async with launched(["haproxy", "-f", str(tmp_path / "haproxy.cfg")], front):
            load = SteadyLoad(service, [front])
            async with load.running():
                await until(lambda: load.done["slow"] > 2)
                for old, port in zip(running, ports, strict=True):
                    assert await old.stop() == 0
                    await replicas.enter_async_context(replica(port))
                    before = load.done["slow"]
                    await until(lambda: load.done["slow"] > before + 3)  # noqa: B023
    load.check()


def reload(pid: int) -> int:
    """What `onehop reload --pid` does, without the time that a Python needs to start."""
    status = -1
    for connected, instance in instances():
        with connected:
            if instance.pid == pid:
                status = ask(connected, PATIENCE_S).status
    return status


def descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def private_kib(pid: int) -> int:
    """Memory that is this process's own."""
    rows = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(row.split()[1]) for row in rows if row.startswith(("Private_Clean", "Private_Dirty")))


async def test_many_reloads_leave_no_memory_descriptor_or_process_behind(tmp_path: Path) -> None:
    file, service = tmp_path / "onehop.toml", CheckedService()
    async with service.serving():
        file.write_text(_CONFIG.format(head="", port=service.port, admin=f"127.0.0.1:{free_port()}"))
        async with onehop("run", "--config", str(file)) as proxy:
            pid, seen = proxy.process.pid, []
            for number in range(1, 21):
                assert await asyncio.to_thread(reload, pid) == 0
                if number % 10 == 0:
                    await until(lambda: len(proxy.worker_pids()) == 2 and len(proxy.control_pids()) == 1)
                    seen.append((descriptors(pid), private_kib(pid), private_kib(proxy.worker_pids()[0])))
            first, last = seen
            assert last[0] == first[0], "descriptors"
            assert last[1] < first[1] + 512, "memory of the parent"  # less than 52 KiB a reload
            assert last[2] < first[2] + 512, "memory of a worker"
