"""Standard input, output and error that are closed, full, or read by nobody: onehop serves, and ends with 0."""

import asyncio
import contextlib
import os
import shlex
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.harness.programs.process import free_port
from tests.harness.scripted import PATIENCE_S, client

BAD_GATEWAY = b"HTTP/1.1 502 Bad Gateway"  # nobody listens where the service should be


@asynccontextmanager
async def onehop_with(streams: str, stderr: int) -> AsyncIterator[tuple[int, asyncio.subprocess.Process]]:
    """`onehop run` with a shell's redirections, and its port, once it serves; leaving stops it and asserts status 0."""
    port = free_port()
    command = [sys.executable, "-m", "proxy", "run", "--workers", "1", "--listen", f"127.0.0.1:{port}"]
    command += ["--upstream", "http://127.0.0.1:1", "--access-log", "json"]
    process = await asyncio.create_subprocess_exec(
        "sh", "-c", f"exec {shlex.join(command)} {streams}", stdout=asyncio.subprocess.PIPE, stderr=stderr
    )
    try:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                with contextlib.suppress(ConnectionRefusedError):
                    (await asyncio.open_connection("127.0.0.1", port))[1].close()
                    break
                assert process.returncode is None, "it ended"
                await asyncio.sleep(0.02)  # nothing else says when it listens
        yield port, process
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE_S):
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def status_of_an_answer(port: int) -> bytes:
    async with client(port) as peer:
        await peer.send(b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n")
        return (await peer.response())[0].split(b"\r\n")[0]


@pytest.mark.parametrize("streams", ["<&-", ">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
async def test_a_closed_stream_is_the_null_device_and_never_a_socket(streams: str) -> None:
    async with onehop_with(streams, asyncio.subprocess.DEVNULL) as (port, process):
        assert await status_of_an_answer(port) == BAD_GATEWAY
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        for pid in (str(process.pid), *children):
            standard = {number: os.readlink(f"/proc/{pid}/fd/{number}") for number in range(3)}
            assert not [name for name in standard.values() if name.startswith(("socket", "anon_inode"))], standard


async def test_without_standard_error_standard_output_has_nothing_but_the_log() -> None:
    async with onehop_with("2>&-", asyncio.subprocess.DEVNULL) as (port, process):
        assert await status_of_an_answer(port) == BAD_GATEWAY
        assert process.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            assert (await process.stdout.readline()).startswith(b'{"time":')


async def test_a_standard_error_that_is_full_holds_nobody_up() -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writing, b"x" * 4096)
    os.set_blocking(writing, True)
    try:
        async with onehop_with("", writing) as (port, _):
            assert await status_of_an_answer(port) == BAD_GATEWAY
    finally:
        os.close(reading)
        os.close(writing)


async def test_a_standard_error_that_nobody_reads_ends_nothing() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        async with onehop_with("", writing) as (port, _):
            assert await status_of_an_answer(port) == BAD_GATEWAY
    finally:
        os.close(writing)
