"""Sockets from systemd, and what it is told: as it would start us."""

import asyncio
import os
import re
import signal
import socket
import sys
from pathlib import Path

from tests.harness.processes import OnehopProcess
from tests.harness.scripted import OK, ScriptedUpstream, answering, client

GET = b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"

_START = """
import os, sys
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
os.dup2({fd}, 3)
os.execv(sys.executable, {words})
"""


async def activated(upstream: ScriptedUpstream, listening: socket.socket, workers: int = 2) -> OnehopProcess:
    """onehop with a socket that is bound for it, as descriptor 3."""
    fd, port = listening.fileno(), listening.getsockname()[1]
    run = f"run --listen 127.0.0.1:{port} --upstream http://127.0.0.1:{upstream.port} --workers {workers}"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _START.format(fd=fd, words=[sys.executable, "-m", "proxy", *run.split()]),
        pass_fds=[fd], stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    proxy = OnehopProcess(process)
    await proxy.started()
    return proxy


async def test_a_restart_loses_nobody_who_waits_at_a_passed_socket() -> None:
    upstream = ScriptedUpstream(answering(*[OK] * 100))
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listening:
        async with upstream.serving():
            proxy = await activated(upstream, listening)
            assert proxy.port == listening.getsockname()[1]
            for _ in range(10):
                async with client(proxy.port) as peer:
                    await peer.send(GET)
                    assert (await peer.response())[1] == b"ok"
            assert await proxy.stop() == 0
            async with client(proxy.port) as waiting:
                await waiting.send(GET)
                another = await activated(upstream, listening, 1)
                assert (await waiting.response())[1] == b"ok"
            another.process.send_signal(signal.SIGHUP)
            await another.said("reload: generation 2 serves")
            async with client(another.port) as peer:
                await peer.send(GET)
                assert (await peer.response())[1] == b"ok"
            assert await another.stop() == 0


async def test_it_is_told_of_start_reload_and_stop_and_that_we_live(tmp_path: Path) -> None:
    loop, upstream = asyncio.get_running_loop(), ScriptedUpstream(answering(OK))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.setblocking(False)

        async def told(begin: str) -> str:
            async with asyncio.timeout(20):
                while not (said := (await loop.sock_recv(manager, 1000)).decode()).startswith(begin):
                    assert said == "WATCHDOG=1"
                return said

        async with upstream.serving():
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "proxy", "run", "--listen", "127.0.0.1:0", "--workers", "1",
                "--upstream", f"http://127.0.0.1:{upstream.port}",
                env={**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "200000"},
                stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            )  # fmt: skip
            proxy = OnehopProcess(process)
            await proxy.started()
            await told("READY=1")
            for _ in range(3):
                await told("WATCHDOG=1")
            process.send_signal(signal.SIGHUP)
            assert re.fullmatch(r"RELOADING=1\nMONOTONIC_USEC=[0-9]+", await told("RELOADING=1"))
            assert await told("READY=1") == "READY=1\nSTATUS=generation 2 serves"
            stopped = asyncio.create_task(proxy.stop())
            await told("STOPPING=1")
            assert await stopped == 0
