"""A terminal that hangs up, a parent that is killed, too few descriptors: as processes meet them."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.harness.processes import OnehopProcess, onehop, output_of, running_command
from tests.harness.scripted import OK, Peer, ScriptedUpstream, answering, client
from tests.harness.waiting import until

ONEHOP = (sys.executable, "-m", "proxy")
GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"


async def answers(proxy: OnehopProcess) -> bool:
    async with client(proxy.port) as peer:
        await peer.send(GET)
        return (await peer.response())[1] == b"ok"


async def test_a_hang_up_of_the_terminal_ends_nobody() -> None:
    upstream = ScriptedUpstream(answering(*[OK] * 4))
    async with upstream.serving():
        arguments = ("--listen", "127.0.0.1:0", "--upstream", f"http://127.0.0.1:{upstream.port}", "--workers", "2")
        async with onehop("run", *arguments) as proxy:
            workers = proxy.worker_pids()
            async with client(proxy.port) as peer:
                await peer.send(GET)
                assert (await peer.response())[1] == b"ok"
                for pid in (*workers, proxy.process.pid):  # as a terminal does to its whole group
                    os.kill(pid, signal.SIGHUP)
                await proxy.said("reload: generation 2 serves")
                await peer.send(GET)
                assert (await peer.response())[1] == b"ok", "its connection lives"
            await until(lambda: len(proxy.worker_pids()) == 2 and not {*workers} & {*proxy.worker_pids()})


async def test_a_hang_up_says_what_is_wrong_with_a_configuration_that_changed(tmp_path: Path) -> None:
    upstream = ScriptedUpstream(answering(OK))
    async with upstream.serving():
        file = tmp_path / "c.toml"
        file.write_text(
            f'listen = "127.0.0.1:0"\nworkers = 1\n[upstreams.a]\nurls = ["http://127.0.0.1:{upstream.port}"]\n'
        )
        async with onehop("run", "--config", str(file)) as proxy:
            file.write_text("workers = 'x'\n")
            proxy.process.send_signal(signal.SIGHUP)
            await proxy.said("reload: the new configuration was refused; generation 1 keeps serving")
            assert any(f"onehop: error: {file}:1: workers" in line for line in proxy.banner)
            assert await answers(proxy)


@asynccontextmanager
async def killed_at_the_end(*arguments: str) -> AsyncIterator[OnehopProcess]:
    process = await asyncio.create_subprocess_exec(
        *ONEHOP, "run", *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    proxy = OnehopProcess(process)
    await proxy.started()
    try:
        yield proxy
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_workers_whose_parent_is_killed_finish_what_is_under_way_and_exit(workers: str) -> None:
    arrived, go_on = asyncio.Event(), asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(OK[:-1])
        arrived.set()
        await go_on.wait()
        await peer.send(OK[-1:])
        await peer.rest()

    upstream = ScriptedUpstream(script)
    async with upstream.serving():
        arguments = ("--listen", "127.0.0.1:0", "--upstream", f"http://127.0.0.1:{upstream.port}", "--workers", workers)
        async with killed_at_the_end(*arguments) as proxy:
            pids = proxy.worker_pids()
            async with client(proxy.port) as peer:
                await peer.send(GET)
                await arrived.wait()
                proxy.process.kill()  # its pipes live on in the workers, so there is nothing to wait for
                await proxy.accepts_no_more()
                go_on.set()
                assert (await peer.response())[1] == b"ok"
            await until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))


async def test_too_few_descriptors_are_one_line_that_says_how_many_are_needed() -> None:
    command = f"ulimit -n 12; exec {sys.executable} -m proxy run --listen 127.0.0.1:0 --upstream http://a --workers 2"
    status, written = await output_of("sh", "-c", command)
    assert status == 2
    [line] = written.splitlines()
    assert line.startswith("onehop: too few file descriptors: the limit is 12 (ulimit -n); 2 workers need ")


async def test_with_as_many_descriptors_as_it_asks_for_it_serves() -> None:
    upstream = ScriptedUpstream(answering(OK))
    async with upstream.serving():
        run = f"-m proxy run --listen 127.0.0.1:0 --upstream http://127.0.0.1:{upstream.port} --workers 1"
        _, written = await output_of("sh", "-c", f"ulimit -n 12; exec {sys.executable} {run}")
        needed = int(written.partition("1 worker needs ")[2].split()[0])
        process = await asyncio.create_subprocess_exec(
            "sh", "-c", f"ulimit -n {needed}; exec {sys.executable} {run}",
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        proxy = OnehopProcess(process)
        await proxy.started()
        assert await answers(proxy)
        assert await proxy.stop() == 0


#: onehop, to which somebody sends a signal as soon as its port is bound.
_EARLY = """
import os, sys
from proxy.cli.main import main
from proxy.process.listeners import Listeners
bind = Listeners.bind
def bind_and_hear(self, *arguments):
    bound = bind(self, *arguments)
    Listeners.bind = bind
    os.kill(os.getpid(), {number})
    return bound
Listeners.bind = bind_and_hear
main(["run", "--listen", "127.0.0.1:0", "--upstream", "http://127.0.0.1:{port}", "--workers", "1"])
"""


async def test_who_asks_for_a_reload_as_soon_as_the_port_is_bound_gets_one() -> None:
    upstream = ScriptedUpstream(answering(OK))
    async with upstream.serving():
        program = _EARLY.format(number=int(signal.SIGHUP), port=upstream.port)
        async with running_command(sys.executable, "-c", program) as proxy:
            await proxy.said("reload: generation 2 serves")
            assert await answers(proxy)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_who_stops_it_as_soon_as_the_port_is_bound_sees_a_clean_exit(number: signal.Signals) -> None:
    status, _ = await output_of(sys.executable, "-c", _EARLY.format(number=int(number), port=9))
    assert status == 0
