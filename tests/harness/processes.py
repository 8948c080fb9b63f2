"""Real programs: onehop as a process, nginx as an upstream, and what they use."""

import asyncio
import contextlib
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.harness.programs import NGINX, nginx_user
from tests.harness.programs.process import launched
from tests.harness.scripted import PATIENCE_S
from tests.harness.waiting import until


def descriptors_of(pid: int) -> dict[str, str]:
    """What a process has open, by the path of each descriptor. One that is closed while they are listed is left out."""
    folder, found = f"/proc/{pid}/fd", {}
    for name in os.listdir(folder):
        with contextlib.suppress(FileNotFoundError):
            found[f"{folder}/{name}"] = os.readlink(f"{folder}/{name}")
    return found


def ports_in_the_hands_of(pid: int) -> set[int]:
    """The clients' ports of the connections that a process has accepted."""
    inodes = {link[8:-1] for link in descriptors_of(pid).values() if link.startswith("socket:[")}
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {int(row[2].rpartition(":")[2], 16) for row in rows if row[9] in inodes}


class OnehopProcess:
    """A running `onehop`, its address, and what it wrote."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.port = 0
        self.banner: list[str] = []
        self.log: list[str] = []
        self._readers: list[asyncio.Task[None]] = []

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def worker_pids(self) -> list[int]:
        """The processes that serve."""
        return self._children("onehop-worker")

    def control_pids(self) -> list[int]:
        """The control process, if there is one."""
        return self._children("onehop-control")

    def _children(self, name: str) -> list[int]:
        pid, found = self.process.pid, []
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            with contextlib.suppress(FileNotFoundError):  # ended meanwhile
                if Path(f"/proc/{child}/comm").read_text().strip() == name:
                    found.append(int(child))
        return found

    async def said(self, text: str) -> str:
        """Wait until standard error has a line with `text`, and return the first."""
        await until(lambda: any(text in line for line in self.banner))
        return next(line for line in self.banner if text in line)

    def worker_memory_kib(self) -> int:
        """Resident memory of all workers, shared pages included."""
        total = 0
        for pid in self.worker_pids():
            found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
            assert found is not None
            total += int(found[1])
        return total

    async def started(self) -> None:
        """Read the banner up to its last line."""
        assert self.process.stderr is not None and self.process.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            while line := (await self.process.stderr.readline()).decode():
                self.banner.append(line.rstrip())
                if found := re.search(r"listens on https?://[^ ]*?:(\d+)$", line.rstrip()):
                    self.port = self.port or int(found[1])
                elif "listens on unix:" in line:
                    self.port = self.port or -1  # there is none
                if "Ctrl-C" in line:
                    break
        assert self.port, f"no address in {self.banner}"
        self._readers = [
            asyncio.create_task(self._collect(self.process.stdout, self.log)),
            asyncio.create_task(self._collect(self.process.stderr, self.banner)),
        ]

    async def _collect(self, source: asyncio.StreamReader, lines: list[str]) -> None:
        while line := (await source.readline()).decode("utf-8", "replace"):
            lines.append(line.rstrip())

    async def accepts_no_more(self) -> None:
        """Wait until a new connection is refused: every worker has heard that it is to stop."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                except ConnectionRefusedError:
                    return
                writer.close()
                await asyncio.sleep(0.02)  # nothing tells a client that it would be refused

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to stop; return its exit status."""
        if self.process.returncode is None:
            self.process.send_signal(number)
        async with asyncio.timeout(PATIENCE_S):
            status = await self.process.wait()
            await asyncio.gather(*self._readers)
        return status


@asynccontextmanager
async def onehop(*arguments: str, status: int = 0, env: dict[str, str] | None = None) -> AsyncIterator[OnehopProcess]:
    """`onehop ARGUMENTS`; leaving ends it with SIGTERM, and asserts its exit status."""
    if arguments[0] == "run" and env is None and not any(re.search("admin|config", word) for word in arguments):
        arguments += ("--set", "admin.listen=")  # its usual port is one for the whole machine
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "proxy", *arguments,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=env,
    )  # fmt: skip
    running = OnehopProcess(process)
    try:
        await running.started()
        yield running
    finally:
        if process.returncode is None and not running.port:
            process.kill()
        ended = await running.stop()
    assert ended == status, f"exit status {ended}; it wrote {running.banner}"


@asynccontextmanager
async def running_command(*command: str) -> AsyncIterator[OnehopProcess]:
    """A program that serves as `onehop run` does; leaving ends it with SIGTERM, and asserts that it ended well."""
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    proxy = OnehopProcess(process)
    try:
        await proxy.started()
        yield proxy
        assert await proxy.stop() == 0, proxy.banner
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


_NGINX = """
{user} worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
  log_format connection '$connection $connection_requests $status';
  access_log {folder}/access.log connection;
  keepalive_requests 100000; client_max_body_size 0; default_type text/plain;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port};
    location /files/ {{ alias {folder}/files/; }}
    location / {{ return 200 "served by nginx\\n"; }}
  }}
}}
"""


class Nginx:
    """nginx as an upstream."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port

    def connections(self) -> int:
        """How many connections its log names."""
        return len({line.split()[0] for line in (self.folder / "access.log").read_text().splitlines()})

    def requests(self) -> int:
        """How many requests its log names."""
        return len((self.folder / "access.log").read_text().splitlines())


@asynccontextmanager
async def nginx(folder: Path, port: int) -> AsyncIterator[Nginx]:
    """nginx on a port, with its files in `folder`/files."""
    (folder / "files").mkdir(exist_ok=True)
    (folder / "nginx.conf").write_text(_NGINX.format(folder=folder, port=port, user=nginx_user()))
    program = NGINX.find()
    assert program is not None
    async with launched([program, "-c", str(folder / "nginx.conf"), "-p", str(folder)], port):
        yield Nginx(folder, port)


async def output_of(*command: str, stdin: bytes | None = None, patience_s: float = 60.0) -> tuple[int, str]:
    """Run a program to its end; its exit status, and what it wrote to either stream."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE if stdin is not None else asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(patience_s):
        written, _ = await process.communicate(stdin)
    assert process.returncode is not None
    return process.returncode, written.decode("utf-8", "replace")
