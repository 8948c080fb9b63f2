"""A reload where somebody has removed the file of a Unix socket. Real processes."""

import asyncio
import signal
from pathlib import Path

from tests.harness.processes import OnehopProcess, onehop
from tests.harness.scripted import OK, PATIENCE_S, ScriptedUpstream, answering
from tests.harness.waiting import until


async def answers(path: Path) -> bool:
    async with asyncio.timeout(PATIENCE_S):
        reader, writer = await asyncio.open_unix_connection(path)
        try:
            writer.write(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
            return (await reader.read()).endswith(b"\r\n\r\nok")
        finally:
            writer.close()


async def reload(proxy: OnehopProcess, number: int) -> None:
    before = set(proxy.worker_pids())
    proxy.process.send_signal(signal.SIGHUP)
    await proxy.said(f"reload: generation {number} serves")
    await until(lambda: not before & set(proxy.worker_pids()))


async def test_a_reload_binds_it_anew(tmp_path: Path) -> None:
    path, upstream = tmp_path / "http.sock", ScriptedUpstream(answering(*[OK] * 3))
    async with upstream.serving():
        arguments = ("--listen", f"unix:{path}", "--upstream", f"http://127.0.0.1:{upstream.port}", "--workers", "2")
        async with onehop("run", *arguments) as proxy:
            assert await answers(path)
            path.unlink()
            await reload(proxy, 2)
            assert await answers(path)
            await reload(proxy, 3)
            assert await answers(path)
        assert not path.exists()
