"""The control process: watched and replaced as workers are, joined with all of them, and nobody's serving needs it."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.harness.processes import OnehopProcess, output_of, running_command
from tests.harness.scripted import OK, ScriptedUpstream, answering, client
from tests.harness.waiting import until

GET = b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
#: Serves with a control process that greets each worker, and workers that answer. All of them write into `folder`.
SCRIPT = """
import os, sys, time
from pathlib import Path
from proxy.config.sources import load
from proxy.process import control, control_process, worker_process
from proxy.process.supervisor import serve

folder, upstream, workers, stall_s = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]

def note(text):
    with open(folder / "notes", "a") as notes:
        notes.write(text + "\\n")

def sleep_for_long():
    time.sleep(60)

class Control(control.Control):
    async def start(self):
        if (folder / "control-cannot-start").exists():
            raise OSError("no room for control")
        if (folder / "hang").exists():
            (folder / "hang").unlink()
            control.asyncio.get_running_loop().call_later(0.2, sleep_for_long)
        self._hub.on_joined = lambda seat: self._hub.send(seat, f"control {os.getpid()}".encode())
        self._hub.on_message = lambda seat, message: note(f"{message.decode()} in seat {seat}")
        self._hub.on_left = lambda seat: note(f"{seat} left")
        note("control serves")

    async def run_until_ended(self):
        await super().run_until_ended()
        note(f"control ends, ready: {self.is_ready}")

class Worker(worker_process.Worker):
    async def start(self):
        self._link.on_message = lambda message: self._link.send(message + f" joined worker {os.getpid()}".encode())
        await super().start()

control.is_needed = lambda config: True
control_process.Control = Control
worker_process.Worker = Worker
flags = {"listen": ["127.0.0.1:0"], "upstreams.default.urls": [upstream], "workers": workers}
sys.exit(serve(lambda: load(None, {}, flags, ["timeouts.worker_stall_s=" + stall_s])))
"""


@asynccontextmanager
async def serving(folder: Path, workers: int = 2, stall_s: str = "10") -> AsyncIterator[OnehopProcess]:
    upstream = ScriptedUpstream(answering(*[OK] * 10))
    async with upstream.serving(), running_command(
        sys.executable, "-c", SCRIPT, str(folder), f"http://127.0.0.1:{upstream.port}", str(workers), stall_s,
    ) as proxy:  # fmt: skip
        yield proxy


async def noted(folder: Path, *wanted: str) -> list[str]:
    """Wait until all of these lines were written."""

    def notes() -> list[str]:
        return (folder / "notes").read_text().splitlines() if (folder / "notes").exists() else []

    await until(lambda: all(any(text in line for line in notes()) for text in wanted))
    return notes()


async def answered(proxy: OnehopProcess) -> None:
    async with client(proxy.port) as peer:
        await peer.send(GET)
        assert (await peer.response())[1] == b"ok"


async def test_workers_serve_on_without_control_and_the_next_one_is_joined_with_all(tmp_path: Path) -> None:
    async with serving(tmp_path) as proxy:
        [first] = proxy.control_pids()
        workers = proxy.worker_pids()
        await noted(tmp_path, *(f"control {first} joined worker {pid} in seat" for pid in workers))
        async with client(proxy.port) as peer:
            await peer.send(GET.replace(b"Connection: close\r\n", b""))
            assert (await peer.response())[1] == b"ok"
            os.kill(first, signal.SIGKILL)
            await proxy.said(f"control process {first} ended (killed by SIGKILL); starting another in 0.1 s")
            await peer.send(GET)
            assert (await peer.response())[1] == b"ok", "its connection lives"
        await until(lambda: proxy.control_pids() not in ([], [first]))
        [second] = proxy.control_pids()
        await noted(tmp_path, *(f"control {second} joined worker {pid} in seat" for pid in workers))
        assert proxy.worker_pids() == workers


async def test_control_sees_a_worker_end_and_the_next_one_join(tmp_path: Path) -> None:
    async with serving(tmp_path) as proxy:
        [control] = proxy.control_pids()
        victim, other = proxy.worker_pids()
        notes = await noted(tmp_path, *(f"joined worker {pid} in seat" for pid in (victim, other)))
        seat = next(line for line in notes if f"worker {victim} in" in line).rpartition(" ")[2]
        os.kill(victim, signal.SIGKILL)
        await noted(tmp_path, f"{seat} left")
        await until(lambda: len(proxy.worker_pids()) == 2 and victim not in proxy.worker_pids())
        new = next(pid for pid in proxy.worker_pids() if pid != other)
        await noted(tmp_path, f"control {control} joined worker {new} in seat {seat}")


async def test_a_control_process_that_cannot_start_is_said_once_and_serving_begins_without_it(tmp_path: Path) -> None:
    (tmp_path / "control-cannot-start").touch()
    async with serving(tmp_path) as proxy:
        await proxy.said("control process cannot start: OSError: no room for control")
        await answered(proxy)
        (tmp_path / "control-cannot-start").unlink()
        await proxy.said("a control process started again")
        assert len([line for line in proxy.banner if "cannot start" in line]) == 1
        workers = proxy.worker_pids()
        await noted(tmp_path, *(f"joined worker {pid} in seat" for pid in workers))


async def test_a_control_process_that_hangs_is_reported_with_its_stack_and_replaced(tmp_path: Path) -> None:
    (tmp_path / "hang").touch()
    async with serving(tmp_path, stall_s="0.5") as proxy:
        [victim] = proxy.control_pids()
        await proxy.said(f"control process {victim} did not respond for 0.5 s and was killed; starting another in")
        await proxy.said("in sleep_for_long")
        await answered(proxy)


async def test_control_ends_last_and_knows_meanwhile_that_the_instance_stops(tmp_path: Path) -> None:
    async with serving(tmp_path) as proxy:
        await noted(tmp_path, *(f"joined worker {pid} in seat" for pid in proxy.worker_pids()))
    notes = (tmp_path / "notes").read_text().splitlines()
    assert sorted(notes[-3:-1]) == ["0 left", "1 left"]
    assert notes[-1] == "control ends, ready: False"


async def test_control_ends_where_its_parent_is_killed(tmp_path: Path) -> None:
    async with serving(tmp_path) as proxy:
        [control] = proxy.control_pids()
        pids = [control, *proxy.worker_pids()]
        # Its pipes live on in the others until they end, too.
        script = f"import os, signal; os.kill({proxy.process.pid}, signal.SIGKILL)"
        assert (await output_of(sys.executable, "-c", script))[0] == 0
        await until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))
        proxy.process = await asyncio.create_subprocess_exec("true")  # its exit status is asserted
        await proxy.process.wait()
