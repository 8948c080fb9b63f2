"""The files in config/examples, run as they are but for the ports, and asked with curl."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.harness.processes import OnehopProcess, onehop
from tests.harness.scripted import PATIENCE_S

EXAMPLES = Path(__file__).parents[2] / "config" / "examples"


@asynccontextmanager
async def running_example(
    name: str,
    folder: Path,
    ports: dict[int, int],
    env: dict[str, str] | None = None,
    machines: dict[str, int] | None = None,
) -> AsyncIterator[OnehopProcess]:
    """`onehop run` with a copy of an example in `folder`, where its services listen on `ports` instead; those that it
    has on other machines, as NAME:PORT, on ports of this one."""
    shutil.copytree(EXAMPLES, folder, dirs_exist_ok=True)
    for file in folder.rglob("*.toml"):
        text = file.read_text()
        for other in ("users.htpasswd", "maintenance.html", "sorry.html"):
            text = text.replace(f'"{other}"', f'"{folder}/{other}"')
        for machine, port in (machines or {}).items():
            text = text.replace(f"//{machine}", f"//127.0.0.1:{port}")
        for written, port in {8080: 0, **ports}.items():
            text = text.replace(f":{written}", f":{port}")
        file.write_text(text)
    async with onehop("run", "--config", str(folder / f"{name}.toml"), "--workers", "2", env=env) as proxy:
        yield proxy


async def curl(*arguments: str) -> tuple[int, str]:
    """The status that curl was answered, and the whole answer."""
    process = await asyncio.create_subprocess_exec(
        "curl", "--silent", "--include", "--max-time", "10", *arguments, stdout=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(PATIENCE_S):
        answer = (await process.communicate())[0].decode("latin-1")
    return int(answer.split(" ", 2)[1]), answer
