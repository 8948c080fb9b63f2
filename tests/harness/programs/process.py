"""Servers as processes: started, waited for, ended. Ends only what it started."""

import asyncio
import contextlib
import itertools
import os
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import IO, Final, NamedTuple, TypeAlias

_STARTS_WITHIN_S: Final = 20
_ENDS_WITHIN_S: Final = 5

#: Where a server writes: a file to append to, or what subprocess takes.
Output: TypeAlias = Path | IO[bytes] | int


class Server(NamedTuple):
    """A running server: its first process, where it listens, and what it writes to standard output."""

    pid: int
    port: int
    output: Path | None = None
    errors: Path | None = None
    host: str = "127.0.0.1"


# Below the range from which a kernel gives ports to others, and each process that tests run in begins elsewhere: a port
# that is free now stays free until its test uses it.
_FIRST_PORT: Final = 10_240
_PORTS: Final = 22_528
_TRIED: Final = itertools.count(os.getpid() * 997)


def free_port() -> int:
    """A port that nobody listens on, and that nobody else is given. Raises OSError where all are in use."""
    for tried in itertools.islice(_TRIED, _PORTS):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", _FIRST_PORT + tried % _PORTS))
            return _FIRST_PORT + tried % _PORTS
    raise OSError("no port is free")


@contextmanager
def serving(
    command: Sequence[str],
    port: int,
    *,
    output: Output = subprocess.DEVNULL,
    errors: Output = subprocess.DEVNULL,
    environment: Mapping[str, str] | None = None,
    host: str = "127.0.0.1",
) -> Iterator[Server]:
    """A server in a process group of its own. It need not listen yet: `wait_until_listening`."""
    with contextlib.ExitStack() as files:
        stdout, stderr = (
            files.enter_context(place.open("ab")) if isinstance(place, Path) else place for place in (output, errors)
        )
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            env={**os.environ, **(environment or {})},
            start_new_session=True,  # Ctrl-C is for us; we end it below
        )
    written, said = (place if isinstance(place, Path) else None for place in (output, errors))
    try:
        yield Server(process.pid, port, written, said, host)
    finally:
        _end(process)


@asynccontextmanager
async def launched(
    command: Sequence[str],
    port: int,
    *,
    errors: Output = subprocess.DEVNULL,
    environment: Mapping[str, str] | None = None,
) -> AsyncIterator[Server]:
    """A server that listens, for who has an event loop to keep turning. What it writes goes to `errors`."""
    with contextlib.ExitStack() as running:
        server = running.enter_context(serving(command, port, output=errors, errors=errors, environment=environment))
        try:
            await asyncio.to_thread(wait_until_listening, server)
            yield server
        finally:
            await asyncio.to_thread(running.close)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process group that we started: SIGTERM, then SIGKILL."""
    for last_word in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, last_word)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_ENDS_WITHIN_S)
            return
    process.wait()


def wait_until_listening(server: Server) -> None:
    """Return once the server takes connections. Raises RuntimeError where it does not, or has ended."""
    ends_at = time.monotonic() + _STARTS_WITHIN_S
    while time.monotonic() < ends_at:
        if has_ended(server.pid):
            raise RuntimeError(f"the server for port {server.port} ended at once: {_last_words(server)}")
        with socket.socket() as probe:
            if probe.connect_ex((server.host, server.port)) == 0:
                return
        time.sleep(0.02)
    raise RuntimeError(f"nobody listens on port {server.port} after {_STARTS_WITHIN_S} s")


def _last_words(server: Server) -> str:
    said = server.errors.read_text(errors="replace").strip() if server.errors is not None else ""
    return said[-300:] or "without a word"


def has_ended(pid: int) -> bool:
    """Whether a process is no more, or waits only to be waited for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def family(pid: int) -> list[int]:
    """A process and all its descendants."""
    found = [pid]
    for parent in found:
        for children in Path(f"/proc/{parent}/task").glob("*/children"):
            with contextlib.suppress(OSError):  # it has ended meanwhile
                found += [int(word) for word in children.read_text().split()]
    return found
