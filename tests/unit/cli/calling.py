"""The command, called in this process, or as one of its own."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from click.testing import CliRunner, Result

from proxy.cli.main import main
from tests.harness.scripted import PATIENCE_S

NO_VARIABLES = {"ONEHOP_CONFIG": None, "ONEHOP_UPSTREAM": None, "ONEHOP_LISTEN": None}


def onehop(*arguments: str, stdin: bytes = b"", **variables: str) -> Result:
    """Run the command in this process."""
    return CliRunner().invoke(main, arguments, input=stdin, env={**NO_VARIABLES, **variables})


@asynccontextmanager
async def command(*words: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A command of onehop that runs on, its output in pipes; leaving ends it."""
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
    """The next line that it writes."""
    assert process.stdout is not None
    async with asyncio.timeout(3 * PATIENCE_S):
        return (await process.stdout.readline()).decode().rstrip("\n")
