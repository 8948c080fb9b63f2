"""Workers that die, hang, or cannot start: nobody else loses by it. Real processes."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.harness.processes import OnehopProcess, output_of, running_command
from tests.harness.scripted import OK, PATIENCE_S, Peer, ScriptedUpstream, client

GET = b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
#: Serves with something of the test's own beside each worker; `folder` is where the test leaves marks for it.
SCRIPT = """
import asyncio, os, sys, time
from contextlib import asynccontextmanager
from pathlib import Path
from proxy.config.sources import load
from proxy.process.supervisor import serve

folder, upstream, workers, stall_s = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]

def turn_for_ever():
    while True:
        pass

@asynccontextmanager
async def beside(config):
    if (folder / "cannot-start").exists():
        raise OSError("no room here")
    if (folder / "hang").exists():
        (folder / "hang").unlink()
        asyncio.get_running_loop().call_later(0.2, turn_for_ever)
    yield config, None

flags = {"listen": ["127.0.0.1:0"], "upstreams.default.urls": [upstream], "workers": workers}
sys.exit(serve(lambda: load(None, {}, flags, ["timeouts.worker_stall_s=" + stall_s, "admin.listen="]), companion=beside))
"""


async def always_ok(peer: Peer) -> None:
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionResetError):  # a killed worker's connection
        while await peer.head():
            await peer.send(OK)


@asynccontextmanager
async def serving(folder: Path, workers: int, stall_s: str = "10") -> AsyncIterator[OnehopProcess]:
    upstream = ScriptedUpstream(always_ok)
    async with upstream.serving(), running_command(
        sys.executable, "-c", SCRIPT, str(folder), f"http://127.0.0.1:{upstream.port}", str(workers), stall_s,
    ) as proxy:  # fmt: skip
        yield proxy


def lines_with(proxy: OnehopProcess, text: str) -> list[str]:
    return [line for line in proxy.banner if text in line]


async def answered(proxy: OnehopProcess) -> None:
    async with client(proxy.port) as peer:
        await peer.send(GET)
        assert (await peer.response())[1] == b"ok"


async def test_others_accept_in_the_place_of_a_worker_that_cannot_start_again(tmp_path: Path) -> None:
    async with serving(tmp_path, 2) as proxy:
        victim = proxy.worker_pids()[0]
        (tmp_path / "cannot-start").touch()
        os.kill(victim, signal.SIGKILL)
        await proxy.said(f"worker {victim} ended (killed by SIGKILL); starting another")
        async with asyncio.timeout(PATIENCE_S):
            for _ in range(40):  # the kernel gives half of them to the dead worker's sockets
                await answered(proxy)
        await proxy.said("worker cannot start")
        await asyncio.sleep(1)  # for two more attempts
        failures = lines_with(proxy, "worker cannot start")
        assert failures == ["onehop: error: worker cannot start: OSError: no room here"], "said once"
        (tmp_path / "cannot-start").unlink()
        await proxy.said("a worker started again")
        for _ in range(40):
            await answered(proxy)
        assert len(proxy.worker_pids()) == 2


async def test_what_waits_in_the_queue_of_a_worker_that_dies_is_served(tmp_path: Path) -> None:
    async with serving(tmp_path, 2) as proxy:
        victim = proxy.worker_pids()[0]
        os.kill(victim, signal.SIGSTOP)
        waiting = [asyncio.create_task(answered(proxy)) for _ in range(40)]
        await asyncio.sleep(0.3)  # by now, whoever goes to the other worker has been answered
        assert not all(task.done() for task in waiting)
        (tmp_path / "cannot-start").touch()
        os.kill(victim, signal.SIGKILL)
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.gather(*waiting)


async def test_a_worker_that_hangs_is_reported_with_its_stack_and_replaced(tmp_path: Path) -> None:
    (tmp_path / "hang").touch()
    async with serving(tmp_path, 1, "0.5") as proxy:
        await proxy.said("did not respond for 0.5 s and was killed; starting another in 0.1 s; it hung in:")
        await proxy.said("in turn_for_ever")
        await answered(proxy)


async def test_a_worker_that_is_stopped_is_replaced_too(tmp_path: Path) -> None:
    async with serving(tmp_path, 2, "0.5") as proxy:
        victim = proxy.worker_pids()[0]
        os.kill(victim, signal.SIGSTOP)
        await proxy.said(f"worker {victim} did not respond")
        for _ in range(10):
            await answered(proxy)


async def test_others_accept_in_the_place_of_a_worker_long_before_it_counts_as_hanging(tmp_path: Path) -> None:
    async with serving(tmp_path, 2, "10") as proxy:  # it beats each second
        workers = proxy.worker_pids()
        os.kill(workers[0], signal.SIGSTOP)
        await asyncio.gather(*(answered(proxy) for _ in range(40)))
        assert not lines_with(proxy, "did not respond")
        os.kill(workers[0], signal.SIGCONT)
        await asyncio.gather(*(answered(proxy) for _ in range(40)))
        assert proxy.worker_pids() == workers


async def test_a_group_that_was_stopped_and_goes_on_loses_no_worker(tmp_path: Path) -> None:
    async with serving(tmp_path, 2, "1") as proxy:
        workers = proxy.worker_pids()
        for number in (signal.SIGSTOP, signal.SIGCONT):  # Ctrl-Z, and fg
            for pid in (*workers, proxy.process.pid):
                os.kill(pid, number)
            await asyncio.sleep(2.5)  # longer than a worker may be silent
        assert proxy.worker_pids() == workers
        assert not lines_with(proxy, "did not respond")
        await answered(proxy)


async def test_a_worker_without_a_watch_may_be_silent(tmp_path: Path) -> None:
    async with serving(tmp_path, 1, "0") as proxy:
        [pid] = proxy.worker_pids()
        os.kill(pid, signal.SIGSTOP)
        await asyncio.sleep(1.5)  # longer than any beat
        os.kill(pid, signal.SIGCONT)
        await answered(proxy)
        assert proxy.worker_pids() == [pid]


async def test_where_no_worker_can_start_it_is_said_once_and_the_exit_status_is_1(tmp_path: Path) -> None:
    (tmp_path / "cannot-start").touch()
    status, written = await output_of(sys.executable, "-c", SCRIPT, str(tmp_path), "http://127.0.0.1:1", "3", "10")
    assert status == 1
    messages = [
        line for line in written.splitlines() if not line.startswith("onehop:   ") and not line.startswith("  ")
    ]
    assert messages == [
        "onehop: error: worker cannot start: OSError: no room here",
        "onehop: error: no worker could start; giving up",
    ]
    assert "listens on" not in written


@pytest.mark.parametrize("call", ["os.fork = lambda: (_ for _ in ()).throw(BlockingIOError(11, 'too many processes'))"])
async def test_where_no_process_can_be_had_it_is_said_once(tmp_path: Path, call: str) -> None:
    script = SCRIPT.replace("flags = ", f"{call}\nflags = ")
    status, written = await output_of(sys.executable, "-c", script, str(tmp_path), "http://127.0.0.1:1", "2", "10")
    assert (status, written.splitlines()) == (
        1,
        [
            "onehop: error: worker cannot start: fork failed: too many processes",
            "onehop: error: no worker could start; giving up",
        ],
    )
