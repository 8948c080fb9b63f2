"""The commands that look at a running instance, as processes beside it."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.harness.processes import OnehopProcess, onehop
from tests.harness.programs.process import free_port
from tests.harness.scripted import PATIENCE_S, ScriptedUpstream, client
from tests.interop.test_metrics import always_ok
from tests.unit.admin.serving import Admin

pytestmark = pytest.mark.interop


@asynccontextmanager
async def instance(folder: Path, more: str = "") -> AsyncIterator[tuple[OnehopProcess, Path]]:
    """onehop with an inspector in front of a service, and its configuration's file."""
    upstream, port, file = ScriptedUpstream(always_ok), free_port(), folder / "onehop.toml"
    async with upstream.serving():
        file.write_text(
            f'listen = "127.0.0.1:0"\nworkers = 1\n{more}[admin]\nlisten = "127.0.0.1:{port}"\ninspector = true\n'
            f'[upstreams.app]\nurls = ["http://127.0.0.1:{upstream.port}"]\n'
        )
        async with onehop("run", "--config", str(file)) as proxy:
            async with asyncio.timeout(PATIENCE_S):
                while (await Admin(port).get("/readyz"))[0] != 200:  # noqa: ASYNC110  # another process says so
                    await asyncio.sleep(0.02)
            yield proxy, file


@asynccontextmanager
async def command(*words: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "proxy", *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def line_of(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE_S):
        return (await process.stdout.readline()).decode().rstrip("\n")


async def get(proxy: OnehopProcess, target: str) -> None:
    async with client(proxy.port) as peer:
        await peer.send(f"GET {target} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".encode())
        assert b" 200 " in (await peer.response())[0]


async def test_tail_goes_on_over_a_reload(tmp_path: Path) -> None:
    async with instance(tmp_path) as (proxy, file), command("tail", "--config", str(file)) as tail:
        await get(proxy, "/first")
        assert '"GET /first HTTP/1.1" 200 ' in await line_of(tail)
        file.write_text(file.read_text() + '[routes.all]\nupstream = "app"\n')
        proxy.process.send_signal(signal.SIGHUP)
        await proxy.said("generation 2 serves")
        await get(proxy, "/second")
        line = await line_of(tail)
        assert '"GET /second HTTP/1.1" 200 ' in line and "route=all" in line
        tail.send_signal(signal.SIGINT)
        assert (await tail.communicate())[1] == b""
        assert tail.returncode == 0
