"""Workers that hang, or have no descriptor left, while the parent tells them something: as processes meet it."""

import asyncio
import os
import resource
import signal
from pathlib import Path

import pytest

from tests.harness.processes import onehop
from tests.harness.scripted import OK, PATIENCE_S, ScriptedUpstream, answering, client
from tests.harness.waiting import until

#: More than the channel to a worker that reads nothing takes.
MANY = 500


def links(pid: int) -> int:
    """How many sockets of the parent's and of links a process has."""
    rows = [line.split() for line in Path("/proc/net/unix").read_text().splitlines()[1:]]
    pairs = {row[6] for row in rows if row[4] == "0005"}  # SOCK_SEQPACKET
    found = 0
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            found += os.readlink(f"/proc/{pid}/fd/{name}")[8:-1] in pairs
        except FileNotFoundError:  # closed meanwhile
            continue
    return found


@pytest.mark.parametrize("lacking", ["worker", "control"])
async def test_a_process_without_a_descriptor_for_its_link_gets_one_once_there_is(tmp_path: Path, lacking: str) -> None:
    upstream = ScriptedUpstream(answering(OK))
    async with upstream.serving():
        file = tmp_path / "onehop.toml"
        file.write_text(
            f'listen = "127.0.0.1:0"\nworkers = 1\nadmin.listen = ""\n'
            f'[upstreams.a]\nurls = ["http://127.0.0.1:{upstream.port}"]\nhealth_check = {{ interval_s = 60 }}\n'
        )
        async with onehop("run", "--config", str(file)) as proxy:
            [worker], [control] = proxy.worker_pids(), proxy.control_pids()
            stays, ends = (worker, control) if lacking == "worker" else (control, worker)
            await until(lambda: links(stays) == 2)
            before = resource.prlimit(stays, resource.RLIMIT_NOFILE)
            resource.prlimit(stays, resource.RLIMIT_NOFILE, (3, before[1]))
            os.kill(ends, signal.SIGKILL)
            await proxy.said("no file descriptor was free for")
            assert links(stays) == 1
            resource.prlimit(stays, resource.RLIMIT_NOFILE, before)
            await until(lambda: links(stays) == 2)
            async with client(proxy.port) as peer:
                await peer.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
                assert (await peer.response())[1] == b"ok"
            assert stays in (*proxy.worker_pids(), *proxy.control_pids())
            assert not any("defect" in line for line in proxy.banner)


async def test_a_worker_that_hung_with_its_channel_full_hears_that_it_is_to_end(tmp_path: Path) -> None:
    upstream = ScriptedUpstream()
    async with upstream.serving():
        arguments = ["--listen", "127.0.0.1:0", "--upstream", f"http://127.0.0.1:{upstream.port}", "--workers", "1"]
        arguments += ["--set", "timeouts.worker_stall_s=0", "--set", "timeouts.drain_s=600"]
        async with onehop("run", *arguments) as proxy:
            [worker] = proxy.worker_pids()
            os.kill(worker, signal.SIGSTOP)
            for _ in range(MANY):
                proxy.process.send_signal(signal.SIGUSR1)
                await asyncio.sleep(0.001)  # else two of them are one
            proxy.process.send_signal(signal.SIGTERM)
            await proxy.said("onehop: stopping: ")
            os.kill(worker, signal.SIGCONT)
            async with asyncio.timeout(PATIENCE_S):
                assert await proxy.process.wait() == 0
